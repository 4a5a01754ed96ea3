"""Raw Helm values that a chart takes, and Kubernetes, KubeRay or this program would
not. Pure.

A chart copies most of what it is given: what is wrong with it would be said by the API
server in the middle of `up`, if at all.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from kuberay.checks.messages import Place, Problem
from kuberay.facts.charts import EACH, Chart, Keys, Values, chart_keys, versions_that_know
from kuberay.facts.phrases import did_you_mean
from kuberay.facts.quantities import parse_quantity
from kuberay.facts.versions import NEWEST_KNOWN, at_least
from kuberay.plan.cluster import plan_ray_cluster
from kuberay.plan.operator import operator_values
from kuberay.plan.pods import is_gpu
from kuberay.plan.ports import as_port
from kuberay.plan.quoting import FLAGS
from kuberay.settings.base import check_label
from kuberay.settings.cluster import JSON_PARAMS, RayClusterSettings
from kuberay.settings.stack import StackSettings

_MAPS = (
    "affinity autoscalerOptions dnsConfig headService lifecycle podSecurityContext securityContext".split()
)
#: Maps of text, as Kubernetes has them: a number or a switch in one is refused.
_TEXT_MAPS = "annotations labels nodeSelector".split()
_LISTS = "envFrom imagePullSecrets ports tolerations topologySpreadConstraints".split()
_NAMED_LISTS = "containerEnv env initContainers resourceClaims sidecarContainers volumeMounts volumes".split()
_TEXT_LISTS = "args command".split()
_TEXTS = (
    "fullnameOverride nameOverride priorityClassName rayVersion restartPolicy runtimeClassName"
    " serviceAccountName".split()
)
_SWITCH = "must be true or false, without quotes"
#: Top-level keys that hold groups.
_GROUPS = "head worker additionalWorkerGroups".split()
#: What is in these lists has a name of Kubernetes' own kind; others take capitals too.
_NAMES = "initContainers sidecarContainers volumeMounts volumes".split()
#: Lists of containers, which have an environment of their own.
_CONTAINERS = "initContainers sidecarContainers".split()


def unknown_keys(values: Mapping[str, Any], chart: Chart, version: str) -> Iterator[Problem]:
    """Every key in ``values`` that this version of the chart does not read, with the
    key as the value.
    """
    return _unknown_keys(values, chart, version, chart_keys(chart, version), ())


def _unknown_keys(
    values: Mapping[str, Any], chart: Chart, version: str, known: Keys, path: Place
) -> Iterator[Problem]:
    for key, value in values.items():
        here = (*path, str(key))
        if EACH in known:
            below: Keys | None = known[EACH]
        elif key in known:
            below = known[key]
        elif others := versions_that_know(chart, here):
            # A chart's own values.yaml may have a key already that its templates do not
            # read, with nothing in it.
            if value not in (None, {}, []) or at_least(version, others[0]):
                yield Problem(
                    here,
                    key,
                    f"is not a value that the chart knows at {version}; KubeRay {_span(others)} does",
                )
            continue
        else:
            allowed = ", ".join(sorted(known))
            yield Problem(
                here,
                key,
                f"is not a value that the chart knows{did_you_mean(str(key), known)}; it knows: {allowed}",
            )
            continue
        if below is None:  # ANY
            continue
        if isinstance(value, Mapping):
            yield from _unknown_keys(value, chart, version, below, here)  # pyright: ignore[reportUnknownArgumentType]
        else:
            yield Problem(here, value, f"must be a map with keys of: {', '.join(sorted(below))}")


def _span(versions: Sequence[str]) -> str:
    """``"1.5.0 or later"``, ``"1.4.0 to 1.6.2"``."""
    return f"{versions[0]} or later" if versions[-1] == NEWEST_KNOWN else f"{versions[0]} to {versions[-1]}"


def raw_cluster_problems(values: Mapping[str, Any], groups: Collection[str]) -> Iterator[Problem]:
    """Of values of the ``ray-cluster`` chart, whose keys are known ones, laid over
    settings with these additional groups.
    """
    yield from _switch_problems((), values, _written_for_a_cluster())
    yield from _image_problems((), values)
    yield from _shape_problems(("common",), values.get("common") or {})
    yield from _shape_problems((), {key: value for key, value in values.items() if key not in _GROUPS})
    yield from _override_problems(values, "fullnameOverride", "nameOverride")
    for path, group in raw_groups(values).items():
        yield from _image_problems(path, group, whole=len(path) > 1 and path[-1] not in groups)
        yield from group_value_problems(path, group)


def raw_operator_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Of values of the ``kuberay-operator`` chart, whose keys are known ones."""
    yield from _switch_problems((), values, _written_for_the_operator())
    yield from _resource_problems(("resources",), values.get("resources"))
    yield from _part_problems(("image",), values.get("image") or {})
    yield from _shape_problems((), values)
    # Beside a whole name, which there is by default, the other one stands in a label
    # alone.
    of_name = "fullnameOverride" if values.get("fullnameOverride", True) else "nameOverride"
    yield from _override_problems(values, of_name)
    watched = values.get("watchNamespace")
    if watched and not (isinstance(watched, list) and all(isinstance(name, str) for name in watched)):
        yield Problem(("watchNamespace",), watched, "must be a list of namespaces, such as [team-a]")
    yield from _gate_problems(values.get("featureGates"))


def _override_problems(values: Mapping[str, Any], *keys: str) -> Iterator[Problem]:
    """Names in place of those that a chart makes; an empty one leaves that to it."""
    for key in keys:
        if isinstance(name := values.get(key) or None, str):
            yield from _name_problems((key,), name)


def raw_groups(values: Mapping[str, Any]) -> dict[Place, Mapping[str, Any]]:
    """The raw values of each group by where they are, of groups left out as well."""
    groups = {("head",): values.get("head"), ("worker",): values.get("worker")}
    groups |= {
        ("additionalWorkerGroups", name): group
        for name, group in (values.get("additionalWorkerGroups") or {}).items()
    }
    return {path: group for path, group in groups.items() if group is not None}


@cache
def _written_for_a_cluster() -> Values:
    """What plans write of a cluster, every group of a name of one's own as the default
    one.
    """
    values = plan_ray_cluster(StackSettings(), "any", RayClusterSettings()).values
    return {**values, "additionalWorkerGroups": defaultdict(lambda: values["worker"])}


@cache
def _written_for_the_operator() -> Values:
    # Plans leave this one to the chart.
    settings = StackSettings.model_validate({"kuberayVersion": NEWEST_KNOWN})
    return {**operator_values(settings), "useKubernetesProxy": False}


def _switch_problems(here: Place, values: Mapping[str, Any], written: Mapping[str, Any]) -> Iterator[Problem]:
    """Of values that are true or false where plans write them: to a template any text
    is true, "false" too.
    """
    for key, value in values.items():
        default = written[key] if isinstance(written, defaultdict) else written.get(key)
        if isinstance(default, bool) and not isinstance(value, bool | None):
            yield Problem((*here, str(key)), value, _SWITCH)
        elif isinstance(default, Mapping) and isinstance(value, Mapping):
            yield from _switch_problems((*here, str(key)), value, default)  # pyright: ignore[reportUnknownArgumentType]


def _gate_problems(gates: Any) -> Iterator[Problem]:
    here = ("featureGates",)
    if gates and not _is_list_of_maps(gates):
        yield Problem(
            here, gates, "must be a list of maps, such as {name: RayJobDeletionPolicy, enabled: true}"
        )
        return
    for index, gate in enumerate(gates or []):
        if not isinstance(gate.get("name"), str):
            yield Problem((*here, str(index), "name"), gate.get("name"), "must be text")
        if not isinstance(gate.get("enabled"), bool):
            yield Problem((*here, str(index), "enabled"), gate.get("enabled"), _SWITCH)


def group_value_problems(here: Place, group: Mapping[str, Any]) -> Iterator[Problem]:
    """Of the values of one group."""
    for key in ("replicas", "minReplicas", "maxReplicas", "numOfHosts"):
        number = group.get(key)
        if key in group and (type(number) is not int or number < 0):
            yield Problem((*here, key), number, "must be a whole number, 0 or more")
    if type(group.get("priority") or 0) is not int:
        yield Problem(
            (*here, "priority"),
            group["priority"],
            "must be a whole number; priorityClassName takes the name of a class",
        )
    if "groupName" in group and not (isinstance(group["groupName"], str) and group["groupName"]):
        yield Problem((*here, "groupName"), group["groupName"], "must be text; quote it")
    yield from _resource_problems((*here, "resources"), group.get("resources"))

    wrong = list(_shape_problems(here, group))
    yield from wrong
    if wrong:
        return
    options: Mapping[str, Any] = group.get("autoscalerOptions") or {}
    yield from _resource_problems((*here, "autoscalerOptions", "resources"), options.get("resources"))
    yield from _shape_problems(
        (*here, "autoscalerOptions"), {key: options.get(key) for key in ("env", "envFrom", "volumeMounts")}
    )
    service: Mapping[str, Any] = group.get("headService") or {}
    for key in ("metadata", "spec"):
        if not isinstance(service.get(key) or {}, Mapping):
            yield Problem((*here, "headService", key), service[key], "must be a map")
        elif key == "metadata":
            yield from _shape_problems((*here, "headService", key), service.get(key) or {})
    for index, port in enumerate(group.get("ports") or []):
        number = port.get("containerPort")
        if type(number) is not int or not as_port(number):
            yield Problem(
                (*here, "ports", str(index), "containerPort"),
                number,
                "is no port: a whole number, 1 to 65535",
            )
        yield from _text_problems((*here, "ports", str(index), "name"), port.get("name"))
    for key in ("initContainers", "sidecarContainers"):
        for index, container in enumerate(group.get(key) or []):
            yield from _resource_problems((*here, key, str(index), "resources"), container.get("resources"))


def _shape_problems(here: Place, values: Mapping[str, Any]) -> Iterator[Problem]:
    """Values of a wrong type, known by their keys; nothing at all is how Helm takes a
    value of the chart's away.
    """
    for key, value in values.items():
        at = (*here, str(key))
        # The charts' own way to write an empty list is a map, too, but for what they
        # hand to `concat`.
        joined = key == "containerEnv" and here[:1] != ("additionalWorkerGroups",)
        if value is None or (value == {} and not joined):
            continue
        if key in (*_MAPS, *_TEXT_MAPS, *FLAGS):
            if not isinstance(value, Mapping):
                yield Problem(at, value, "must be a map")
                continue
            for name, given in value.items():
                if key in _TEXT_MAPS:
                    yield from _text_problems((*at, str(name)), given)
                elif key in FLAGS:
                    yield from _flag_problems(at, str(name), given)
        elif key in _TEXTS:
            yield from _text_problems(at, value)
        elif key in _TEXT_LISTS:
            if not isinstance(value, list):
                yield Problem(at, value, "must be a list of texts")
                continue
            for index, text in enumerate(value):
                yield from _text_problems((*at, str(index)), text)
        elif key in (*_LISTS, *_NAMED_LISTS):
            if not _is_list_of_maps(value):
                yield Problem(at, value, "must be a list of maps")
            elif key in _NAMED_LISTS and not all(item.get("name") for item in value):
                yield Problem(at, value, "must be a list of maps with a name each")
            elif key in _NAMED_LISTS:
                for index, item in enumerate(value):
                    yield from _item_problems((*at, str(index)), key, item)


def _item_problems(here: Place, key: str, item: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with an item: its name, a variable's value, a container's parts."""
    if key in _NAMES:
        yield from _name_problems((*here, "name"), item["name"])
    if key in ("containerEnv", "env"):
        yield from _text_problems((*here, "name"), item["name"])
        # By its name, which tells whether it may be shown.
        yield from _text_problems((*here[:-1], str(item["name"])), item.get("value"))
    if key in _CONTAINERS:
        yield from _shape_problems(here, item)


def _name_problems(here: Place, name: Any) -> Iterator[Problem]:
    try:
        check_label(str(name))
    except ValueError as error:
        yield Problem(here, name, str(error))


def _text_problems(here: Place, value: Any) -> Iterator[Problem]:
    if not isinstance(value, str | None):
        yield Problem(
            here, value, "must be text; quote it" if isinstance(value, bool | int | float) else "must be text"
        )


def _flag_problems(here: Place, flag: str, value: Any) -> Iterator[Problem]:
    if isinstance(value, Mapping) and flag not in JSON_PARAMS:
        yield Problem(
            (*here, flag),
            value,
            f"must be text; `ray start` takes a map for {' and '.join(JSON_PARAMS)} alone",
        )
    elif isinstance(value, list):
        yield Problem((*here, flag), value, "must be text or a number")


def _is_list_of_maps(items: Any) -> bool:
    return isinstance(items, list) and all(isinstance(item, Mapping) for item in items)


def _resource_problems(here: Place, resources: Any) -> Iterator[Problem]:
    """Of a container's requests and limits; Kubernetes gives devices whole."""
    if resources is None:
        return
    if not isinstance(resources, Mapping) or resources.keys() - {"claims", "limits", "requests"}:
        yield Problem(here, resources, "must be a map with keys of: claims, limits, requests")
        return
    for kind in ("limits", "requests"):
        amounts = resources.get(kind)
        if amounts is None:
            continue
        if not isinstance(amounts, Mapping):
            yield Problem((*here, kind), amounts, "must be a map of amounts, such as memory: 2G")
            continue
        for resource, amount in amounts.items():
            at = (*here, kind, str(resource))
            if amount is None:
                if here in (("head", "resources"), ("worker", "resources")):
                    yield Problem(
                        at,
                        None,
                        "must be an amount: in place of what the settings write, that of the chart itself"
                        " would count",
                    )
                continue
            if "/" in str(resource) or is_gpu(str(resource)):
                if not str(amount).isdecimal():
                    yield Problem(at, amount, "must be a whole number: Kubernetes gives devices whole")
                continue
            try:
                parse_quantity(amount)
            except ValueError as error:
                yield Problem(at, amount, str(error))


def _image_problems(here: Place, values: Mapping[str, Any], *, whole: bool = False) -> Iterator[Problem]:
    """Parts that are emptied, or missing where nothing lies below them."""
    image: Mapping[str, Any] = values.get("image") or {}
    yield from _part_problems((*here, "image"), image)
    if not all(image.values()) or (whole and image and len(image) < 3):
        yield Problem(
            (*here, "image"), values["image"], "lacks a part: the chart needs repository, tag and pullPolicy"
        )


def _part_problems(here: Place, image: Mapping[str, Any]) -> Iterator[Problem]:
    for key, part in image.items():
        # Whole numbers arrive digit by digit; 1.10 is 1.1 to YAML.
        if not (key == "tag" and type(part) is int):
            yield from _text_problems((*here, key), part)
