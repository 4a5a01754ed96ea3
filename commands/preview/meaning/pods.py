"""What a cluster's pods are, and come to in sum, read from Helm values or from a
RayCluster's spec. Pure.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from commands.preview.meaning.report import Pods, Totals, VersionChange
from kuberay.facts.images import NODE_ARCHITECTURE
from kuberay.facts.labels import ARCHITECTURE_LABEL
from kuberay.facts.phrases import SECRET
from kuberay.facts.quantities import add_quantities
from kuberay.plan.made_pods import MadePods, made_pods
from kuberay.plan.pods import is_gpu, pod_groups, rendered_groups

_ARCHITECTURE = {label: name for name, label in NODE_ARCHITECTURE.items()}
#: Of Ray's own images: `2.46.0-py310-aarch64`.
_PYTHON_TAG = re.compile(r"-py(\d)(\d+)(?:-|$)")

PodsByGroup = Mapping[str, Pods]
"""By group, the head first."""


def pods_of_values(values: Any) -> PodsByGroup | None:
    """The pods of a release of the `ray-cluster` chart; None where the values are
    encrypted or are no such release's.
    """
    try:
        selectors = {name: group.get("nodeSelector") for name, group in rendered_groups(values).items()}
        return {
            group.name: Pods(
                count=group.count,
                pods=group.pods,
                cpu=group.cpu,
                memory=group.memory,
                gpus=group.gpus,
                image=group.image,
                architecture=_architecture(selectors[group.name]),
            )
            for group in pod_groups(values)
        }
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def pods_of_spec(spec: Any) -> PodsByGroup | None:
    """The pods of a RayCluster's spec; None where it is encrypted or not there."""
    try:
        return {group.name: _pods_of_group(group) for group in made_pods(spec)}
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def totals(groups: PodsByGroup | None) -> Totals | None:
    """What all pods of a cluster ask for; with autoscaling, what those ask for that
    there are at first.
    """
    if groups is None:
        return None
    pods = [group for group in groups.values() for _ in range(group.pods)]
    try:
        cpu, memory = (add_quantities(getattr(one, amount) for one in pods) for amount in ("cpu", "memory"))
    except ValueError:  # One is encrypted, or a raw value that is no quantity.
        return None
    return Totals(cpu=cpu, memory=memory, gpus=sum(one.gpus for one in pods))


def add_totals(each: Sequence[Totals]) -> Totals:
    return Totals(
        cpu=add_quantities(one.cpu for one in each),
        memory=add_quantities(one.memory for one in each),
        gpus=sum(one.gpus for one in each),
    )


def what_differs(before: Pods, after: Pods) -> list[str]:
    """Why pods have to be others, in a reviewer's words: ``memory 2G → 3G``."""
    compared = {
        "CPU": (before.cpu, after.cpu),
        "memory": (before.memory, after.memory),
        "GPU": (str(before.gpus), str(after.gpus)),
        "Ray": (_ray_of(before.image), _ray_of(after.image)),
        "Python": (python_of(before.image), python_of(after.image)),
        "architecture": (before.architecture, after.architecture),
    }
    found = {
        what: f"{what} {old or '–'} → {new or '–'}" for what, (old, new) in compared.items() if old != new
    }
    if before.image != after.image and not found.keys() & {"Ray", "Python", "architecture"}:
        found["image"] = f"image {before.image} → {after.image}"
    return list(found.values())


def versions(what: str, before: Iterable[str | None], after: Iterable[str | None]) -> list[VersionChange]:
    """A change of a version, of which a cluster may have several; nothing where it
    stays.
    """
    old, new = (", ".join(sorted({one for one in some if one})) or None for some in (before, after))
    return [] if old == new else [VersionChange(what=what, before=old, after=new)]


def pod_versions(
    before: PodsByGroup | None, after: PodsByGroup | None, ray: Sequence[str | None]
) -> list[VersionChange]:
    """What changes in what pods run; ``ray`` is the version of Ray before and after."""
    sides = [list((side or {}).values()) for side in (before, after)]
    pythons, architectures, images = (
        [[what(one) for one in side] for side in sides]
        for what in (lambda one: python_of(one.image), lambda one: one.architecture, lambda one: one.image)
    )
    return [
        *versions("Ray", [ray[0]], [ray[1]]),
        *versions("Python", *pythons),
        *versions("architecture", *architectures),
        *versions("image", *images),
    ]


def python_of(image: str) -> str | None:
    """The Python version that a tag of one of Ray's images names."""
    found = _PYTHON_TAG.search(image.rpartition(":")[2])
    return f"{found[1]}.{found[2]}" if found else None


def _ray_of(image: str) -> str | None:
    """The Ray version that such a tag names."""
    tag = image.rpartition(":")[2]
    return tag.partition("-")[0] if _PYTHON_TAG.search(tag) else None


def _pods_of_group(group: MadePods) -> Pods:
    container = group.pod["containers"][0]
    limits: Mapping[str, Any] = (container.get("resources") or {}).get("limits") or {}
    return Pods(
        count=group.count,
        pods=group.pods,
        cpu=str(limits.get("cpu", 0)),
        memory=str(limits.get("memory", 0)),
        gpus=sum(int(amount) for name, amount in limits.items() if is_gpu(name)),
        image=str(container["image"]),
        architecture=_architecture(group.pod.get("nodeSelector")),
    )


def _architecture(selector: Any) -> str | None:
    label = selector.get(ARCHITECTURE_LABEL) if isinstance(selector, Mapping) else None
    return _ARCHITECTURE.get(str(label), str(label)) if label and label != SECRET else None
