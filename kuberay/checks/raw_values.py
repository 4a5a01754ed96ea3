"""Raw Helm values that a chart takes, and Kubernetes, KubeRay or this program would not. Pure.

A chart copies most of what it is given: what is wrong with it would be said by the API server in the middle of `up`, if at all.
"""

import typing
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from kuberay.checks.messages import Place, Problem
from kuberay.facts.charts import EACH, Chart, Keys, chart_keys
from kuberay.facts.phrases import did_you_mean
from kuberay.facts.quantities import parse_quantity
from kuberay.facts.versions import KubeRayVersion
from kuberay.plan.pods import is_gpu

_MAPS = "affinity annotations autoscalerOptions headService initArgs labels nodeSelector rayStartParams".split()
_LISTS = "containerEnv envFrom ports tolerations topologySpreadConstraints".split()
_NAMED_LISTS = "initContainers sidecarContainers volumeMounts volumes".split()


def unknown_keys(values: Mapping[str, Any], chart: Chart, version: str) -> Iterator[Problem]:
    """Every key in ``values`` that this version of the chart does not read, with the key as the value."""
    return _unknown_keys(values, chart, version, chart_keys(chart, version), ())


def _unknown_keys(values: Mapping[str, Any], chart: Chart, version: str, known: Keys, path: Place) -> Iterator[Problem]:
    for key, value in values.items():
        here = (*path, str(key))
        if EACH in known:
            below: Keys | None = known[EACH]
        elif key in known:
            below = known[key]
        elif others := _versions_that_know(chart, here):
            yield Problem(here, key, f"is not a value that the chart knows at {version}; KubeRay {others} does")
            continue
        else:
            allowed = ", ".join(sorted(known))
            yield Problem(here, key, f"is not a value that the chart knows{did_you_mean(str(key), known)}; it knows: {allowed}")
            continue
        if below is None:  # ANY
            continue
        if isinstance(value, Mapping):
            yield from _unknown_keys(value, chart, version, below, here)  # pyright: ignore[reportUnknownArgumentType]
        else:
            yield Problem(here, key, f"must be a map with keys of: {', '.join(sorted(below))}")


def _versions_that_know(chart: Chart, path: Place) -> str:
    """``"1.5.0 or later"``, ``"1.4.0 to 1.6.2"``, or nothing where no version knows the key."""
    versions = typing.get_args(KubeRayVersion)
    found = [version for version in versions if _knows(chart_keys(chart, version), path)]
    if not found:
        return ""
    return f"{found[0]} or later" if found[-1] == versions[-1] else f"{found[0]} to {found[-1]}"


def _knows(known: Keys | None, path: Place) -> bool:
    for key in path:
        if known is None:
            return True
        if key not in known and EACH not in known:
            return False
        known = known.get(key, known.get(EACH))
    return True


def raw_cluster_problems(values: Mapping[str, Any], groups: Collection[str]) -> Iterator[Problem]:
    """Of values of the ``ray-cluster`` chart, whose keys are known ones, laid over settings with these additional groups."""
    yield from _image_problems((), values)
    yield from _shape_problems(("common",), values.get("common") or {})
    yield from _shape_problems((), {"annotations": values.get("annotations")})
    for path, group in raw_groups(values).items():
        yield from _image_problems(path, group, whole=len(path) > 1 and path[-1] not in groups)
        yield from _group_problems(path, group)


def raw_operator_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Of values of the ``kuberay-operator`` chart, whose keys are known ones."""
    yield from _resource_problems(("resources",), values.get("resources"))


def raw_groups(values: Mapping[str, Any]) -> dict[Place, Mapping[str, Any]]:
    """The raw values of each group by where they are, those of groups that are left out included."""
    groups = {("head",): values.get("head"), ("worker",): values.get("worker")}
    groups |= {("additionalWorkerGroups", name): group for name, group in (values.get("additionalWorkerGroups") or {}).items()}
    return {path: group for path, group in groups.items() if group is not None}


def _group_problems(here: Place, group: Mapping[str, Any]) -> Iterator[Problem]:
    for key in ("replicas", "minReplicas", "maxReplicas", "numOfHosts"):
        number = group.get(key)
        if key in group and (type(number) is not int or number < 0):
            yield Problem((*here, key), number, "must be a whole number, 0 or more")
    if "groupName" in group and not (isinstance(group["groupName"], str) and group["groupName"]):
        yield Problem((*here, "groupName"), group["groupName"], "must be text; quote it")
    yield from _resource_problems((*here, "resources"), group.get("resources"))

    wrong = list(_shape_problems(here, group))
    yield from wrong
    if wrong:
        return
    options: Mapping[str, Any] = group.get("autoscalerOptions") or {}
    yield from _resource_problems((*here, "autoscalerOptions", "resources"), options.get("resources"))
    if not _is_list_of_maps(options.get("env") or []):
        yield Problem((*here, "autoscalerOptions", "env"), options["env"], "must be a list of maps")
    service: Mapping[str, Any] = group.get("headService") or {}
    for key in ("metadata", "spec"):
        if not isinstance(service.get(key) or {}, Mapping):
            yield Problem((*here, "headService", key), service[key], "must be a map")
    for index, port in enumerate(group.get("ports") or []):
        if type(port.get("containerPort")) is not int:
            yield Problem((*here, "ports", str(index), "containerPort"), port.get("containerPort"), "must be a whole number")
    for key in ("initContainers", "sidecarContainers"):
        for index, container in enumerate(group.get(key) or []):
            yield from _resource_problems((*here, key, str(index), "resources"), container.get("resources"))


def _shape_problems(here: Place, values: Mapping[str, Any]) -> Iterator[Problem]:
    """Maps and lists that are something else; nothing at all is how Helm takes a value of the chart's away."""
    given = {key: value for key, value in values.items() if value is not None}
    for key in _MAPS:
        if not isinstance(given.get(key, {}), Mapping):
            yield Problem((*here, key), given[key], "must be a map")
    for key in (*_LISTS, *_NAMED_LISTS):
        items: Any = given.get(key, [])
        if items == {}:  # The charts' own way to write an empty list.
            continue
        if not _is_list_of_maps(items):
            yield Problem((*here, key), items, "must be a list of maps")
        elif key in (*_NAMED_LISTS, "containerEnv") and not all(item.get("name") for item in items):
            yield Problem((*here, key), items, "must be a list of maps with a name each")


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
    if not all(image.values()) or (whole and image and len(image) < 3):
        yield Problem((*here, "image"), values["image"], "lacks a part: the chart needs repository, tag and pullPolicy")
