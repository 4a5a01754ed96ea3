"""Whether two renderings of a release are the same, and where they are not. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from kuberay.facts.manifests import read_manifests
from kuberay.facts.objects import Object
from kuberay.facts.quantities import canonical_quantity

#: Helm's and the chart's label of which chart it was: it tells of the chart, and says
#: nothing of what runs.
_CHART_LABEL = "helm.sh/chart"

Objects = Mapping[str, Object]
"""By kind and name."""


def objects_of(text: str) -> Objects:
    """What a rendering consists of."""
    return {f"{one['kind']} {one['metadata']['name']}": _normal(one) for one in read_manifests(text)}


def differences(theirs: Objects, ours: Objects) -> list[str]:
    """Where two renderings are not the same: ``RayCluster ray:
    spec.headGroupSpec.serviceType is another``.
    """
    found: list[str] = []
    for name in dict.fromkeys([*theirs, *ours]):
        if name not in ours:
            found.append(f"{name} would go")
        elif name not in theirs:
            found.append(f"{name} would be new")
        else:
            found += [f"{name}: {where} {what}" for where, what in _differences(theirs[name], ours[name], "")]
    return found


def _differences(theirs: Any, ours: Any, where: str) -> Iterator[tuple[str, str]]:
    if isinstance(theirs, Mapping) and isinstance(ours, Mapping):
        for key in dict.fromkeys([*theirs, *ours]):
            yield from _differences(theirs.get(key), ours.get(key), f"{where}.{key}" if where else str(key))  # pyright: ignore[reportUnknownMemberType]
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):  # pyright: ignore[reportUnknownArgumentType]
        for index, (one, other) in enumerate(zip(theirs, ours, strict=True)):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
            yield from _differences(one, other, f"{where}[{index}]")
    elif theirs != ours:
        # Values of environment variables may be secrets.
        yield where, "would be new" if theirs is None else "would go" if ours is None else "is another"


def _normal(tree: Any, key: str = "") -> Any:
    """Without what is nothing, and amounts as Kubernetes writes them."""
    if isinstance(tree, Mapping):
        below = {
            name: _normal(value, key=str(name))
            for name, value in tree.items()
            if value is not None and name != _CHART_LABEL
        }
        if key == "resources" and below:
            # What is not requested is requested as the limit has it (Kubernetes'
            # defaulting of containers).
            below["requests"] = {**(below.get("limits") or {}), **(below.get("requests") or {})}
        if key in ("limits", "requests"):
            return {name: _amount(value) for name, value in below.items()}
        return below
    return [_normal(value) for value in tree] if isinstance(tree, list) else tree


def _amount(value: Any) -> Any:
    try:
        return canonical_quantity(value)
    except (ValueError, TypeError):
        return value
