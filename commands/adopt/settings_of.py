"""From the values of a Helm release to the settings that say the same. Pure.

A setting is taken where it says what the release says; whatever is left is told by raw
values (kuberay/settings/overrides.py), which are merged last. What is said either way
goes through the checks of the program, which refuse some of what Kubernetes takes.
"""

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from kuberay.facts.charts import Values
from kuberay.facts.images import RAY_REPOSITORY
from kuberay.facts.labels import ARCHITECTURE_LABEL
from kuberay.facts.quantities import same_amount
from kuberay.plan.pods import limits_of
from kuberay.settings.cluster import (
    AutoscalingSettings,
    DefaultWorkerGroupSettings,
    GcsFaultToleranceSettings,
    GroupSettings,
    HeadSettings,
    WorkerGroupSettings,
)
from kuberay.settings.operator import OperatorSettings
from kuberay.settings.overrides import merge, without_nulls

#: What Ray's own images are called (kuberay/facts/images.py).
_TAG = re.compile(
    r"(?P<ray>\d+\.\d+\.\d+)-py3(?P<minor>\d+)(-(?P<accelerator>gpu|cpu|cu\d{3}))?(?P<aarch64>-aarch64)?"
)
#: The chart's volume for Ray's logs, which every group of this program has.
_LOGS = "log-volume"

Config = dict[str, Any]
"""Settings as they stand in a stack file."""


@dataclass(frozen=True)
class RayImage:
    """What the image of a release says of the settings."""

    settings: Config
    """Of the stack, or of a cluster."""
    architecture: str


def effective(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> Values:
    """The values that a chart renders: its own, with the given ones over them. A null
    takes one of the chart's away, as Helm has it.
    """
    return without_nulls(merge(dict(defaults), dict(given)))


def image_settings(values: Values) -> RayImage:
    """Of the head's image: Ray's own by version, Python and architecture, another one
    by its name.
    """
    image = {**(values.get("image") or {}), **((values.get("head") or {}).get("image") or {})}
    repository, tag = str(image.get("repository", "")), str(image.get("tag", ""))
    known = _TAG.fullmatch(tag)
    architecture = "aarch64" if tag.endswith(("-aarch64", "-arm64")) else "x86"
    ray = str((values.get("head") or {}).get("rayVersion") or "")
    if known is None:
        version = ray or (found[0] if (found := re.match(r"\d+\.\d+\.\d+", tag)) else "")
        return RayImage(
            {"image": f"{repository}:{tag}"} | ({"rayVersion": version} if version else {}), architecture
        )
    settings: Config = {"rayVersion": known["ray"], "pythonVersion": f"3.{known['minor']}"}
    settings |= {"accelerator": known["accelerator"]} if known["accelerator"] else {}
    return RayImage(settings | ({} if repository == RAY_REPOSITORY else {"image": repository}), architecture)


def cluster_settings(values: Values) -> Config:
    """A Ray cluster without its image."""
    head, worker = values.get("head") or {}, values.get("worker") or {}
    found: Config = {}
    if head.get("enableInTreeAutoscaling"):
        found["autoscaling"] = _autoscaling(head.get("autoscalerOptions") or {})
    if tolerance := _fault_tolerance(values.get("gcsFaultTolerance") or {}):
        found["gcsFaultTolerance"] = tolerance
    found["head"] = _group(head, HeadSettings)
    found["worker"] = (
        {"enabled": False} if worker.get("disabled") else _group(worker, DefaultWorkerGroupSettings)
    )
    groups = {
        str(name): _group(group, WorkerGroupSettings)
        for name, group in (values.get("additionalWorkerGroups") or {}).items()
        if group and not group.get("disabled") and re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", str(name))
    }
    if groups:
        found["additionalWorkerGroups"] = groups
    return {key: value for key, value in found.items() if value or key == "autoscaling"}


def operator_settings(values: Values) -> Config:
    return _valid(
        _sizes(values) | {"singleNamespaceInstall": values.get("singleNamespaceInstall")}, OperatorSettings
    )


def raw_values(made: Mapping[str, Any], wanted: Mapping[str, Any], defaults: Mapping[str, Any]) -> Values:
    """What has to be laid over the values that a plan makes so that the chart sees the
    wanted ones.

    Args:
        made: values of the plan.
        wanted: effective values of the release.
        defaults: the chart's own values.
    """
    left: Values = {}
    for key in dict.fromkeys([*made, *wanted]):
        ours, theirs, own = made.get(key), wanted.get(key), defaults.get(key)
        if key not in wanted:
            if ours is not None:
                left[key] = None
        elif (
            isinstance(theirs, Mapping)
            and isinstance(ours, Mapping | None)
            and isinstance(own, Mapping | None)
        ):
            below = raw_values(ours or {}, theirs, own or {})
            if below or (key not in made and key not in defaults):
                left[key] = below
        elif (ours if key in made else own) != theirs:
            left[key] = theirs
    return left


def thin_out(values: Values, differences: Callable[[Values], frozenset[str]]) -> Values:
    """The values without those that make nothing more alike, tried one after the other.

    Also without those that make it less so: a null takes away what a plan says, and so
    brings back what the chart says.

    Args:
        values: what is laid over the values of a plan.
        differences: what is not as it is wanted with these.
    """
    left = differences(values)

    def try_without(path: tuple[str, ...], tree: Values) -> Values:
        nonlocal left
        shorter = _without(path, tree)
        found = differences(shorter)
        if found <= left:
            left = found
            return shorter
        below = _at(path, tree)
        for key in list(below) if isinstance(below, dict) else []:  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            tree = try_without((*path, key), tree)
        return tree

    return try_without((), values)


def _at(path: Sequence[str], tree: Any) -> Any:
    return functools.reduce(lambda below, key: below[key], path, tree)


def _without(path: Sequence[str], tree: Values) -> Values:
    """Maps that this leaves empty go too."""
    if not path:
        return {}
    key, *further = path
    below = _without(further, tree[key])
    return {**tree, key: below} if below else {name: value for name, value in tree.items() if name != key}


# --- Parts of a cluster ---------------------------------------------------------------


def _group(group: Values, model: type[GroupSettings]) -> Config:
    limits, requests = limits_of(group), (group.get("resources") or {}).get("requests") or {}
    found = _sizes(group)
    for key, name in (("cpu", "cpuRequest"), ("memory", "memoryRequest")):
        if key in requests and not same_amount(requests[key], limits.get(key)):
            found[name] = str(requests[key])
    selector = {
        key: value for key, value in (group.get("nodeSelector") or {}).items() if key != ARCHITECTURE_LABEL
    }
    gpus = {resource: count for resource, count in limits.items() if str(resource).endswith("/gpu")}
    if len(gpus) == 1 and all(str(count).isdecimal() for count in gpus.values()):
        (resource, count), *_ = gpus.items()
        found |= {"gpus": int(count)} | ({} if resource == "nvidia.com/gpu" else {"gpuResource": resource})
    found |= {
        "env": _environment(group.get("containerEnv") or []),
        "nodeSelector": selector,
        "tolerations": [one for one in group.get("tolerations") or [] if one.get("key") not in gpus],
        "affinity": group.get("affinity"),
        "volumes": [one for one in group.get("volumes") or [] if one.get("name") != _LOGS],
        "volumeMounts": [one for one in group.get("volumeMounts") or [] if one.get("name") != _LOGS],
    }
    same = ["serviceAccountName", "labels", "annotations", "rayStartParams"]
    if issubclass(model, WorkerGroupSettings):
        same += ["groupName", "replicas", "minReplicas", "maxReplicas", "numOfHosts"]
    return _valid(found | {key: group.get(key) for key in same}, model)


def _sizes(container: Values) -> Config:
    """CPU and memory as the settings have them, by the limits."""
    limits = limits_of(container)
    return {key: str(limits[key]) for key in ("cpu", "memory") if key in limits}


def _environment(variables: list[Values]) -> Config:
    """By name; as raw values where a name is there twice."""
    named = {
        one.get("name"): one.get("value") if "value" in one else {"valueFrom": one.get("valueFrom")}
        for one in variables
    }
    return {str(name): value for name, value in named.items()} if len(named) == len(variables) else {}


def _autoscaling(options: Values) -> Config:
    found: Config = {key: options.get(key) for key in ("version", "idleTimeoutSeconds", "upscalingMode")}
    return _valid(found | _sizes(options), AutoscalingSettings)


def _fault_tolerance(values: Values) -> Config:
    if not values.get("enabled"):
        return {}
    reference = ((values.get("redisPassword") or {}).get("valueFrom") or {}).get("secretKeyRef")
    found: Config = {
        "redisAddress": values.get("redisAddress"),
        "redisPassword": {"secretKeyRef": reference} if reference else None,
        "redisUsername": (values.get("redisUsername") or {}).get("value"),
        "externalStorageNamespace": values.get("externalStorageNamespace"),
    }
    return _valid(found, GcsFaultToleranceSettings)


# --- Values ---------------------------------------------------------------------------


def _valid(given: Config, model: type[BaseModel]) -> Config:
    """What of this the settings take and do not have as a default; the rest is told by
    raw values.
    """
    defaults = {field.alias or name: field.get_default() for name, field in model.model_fields.items()}
    found = {
        key: value
        for key, value in given.items()
        if value not in (None, "", [], {}) and key in defaults and value != defaults[key]
    }
    while True:
        try:
            model.model_validate(found)
            return found
        except ValidationError as error:
            wrong = {str(one["loc"][0]) for one in error.errors() if one["loc"]}
            if not wrong & found.keys():
                return {}
            found = {key: value for key, value in found.items() if key not in wrong}
