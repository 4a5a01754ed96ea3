"""Kubernetes objects as plain dicts, and what their kind alone tells."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Object = Mapping[str, Any]
#: An object that is to be made.
Manifest = dict[str, Any]


def manifest(api_version: str, kind: str, name: str, namespace: str, spec: Any, **metadata: Any) -> Manifest:
    """An object of a namespace, with whatever else its metadata is to have."""
    metadata = {"name": name, "namespace": namespace, **metadata}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}


def is_ray_object(obj: Object) -> bool:
    """Whether an object is of one of KubeRay's kinds."""
    return str(obj.get("apiVersion", "")).startswith("ray.io/")


def conditions_of(obj: Object) -> Sequence[Object]:
    """What the status of an object says of it, each by its ``type``."""
    return (obj.get("status") or {}).get("conditions") or []


def condition(obj: Object, type_: str) -> Object:
    """The condition of an object that has this type; empty where there is none."""
    return next((each for each in conditions_of(obj) if each.get("type") == type_), {})


def has_condition(obj: Object, type_: str) -> bool:
    """Whether the status of an object says that it is so."""
    return condition(obj, type_).get("status") == "True"


def value_at(tree: Any, path: Iterable[str]) -> Any:
    """What lies at a path of maps; None where there is nothing, or no map above it."""
    for key in path:
        tree = tree.get(key) if isinstance(tree, Mapping) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return tree  # pyright: ignore[reportUnknownVariableType]


def plural(kind: str) -> str:
    """The kind as it stands in API paths, by the rule that Kubernetes itself guesses by
    (`UnsafeGuessKindToResource`).
    """
    word = kind.lower()
    if word.endswith("s"):
        return f"{word}es"
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"


def schedule_of(spec: Mapping[str, Any]) -> str:
    """When a RayCronJob runs: ``0 2 * * * (Europe/Berlin)``. KubeRay 1.6 has the time
    zone in the schedule itself.
    """
    line = str(spec.get("schedule"))
    zone, line = (
        line.removeprefix("CRON_TZ=").split(" ", 1)
        if line.startswith("CRON_TZ=")
        else (spec.get("timeZone"), line)
    )
    return f"{line} ({zone})" if zone else line
