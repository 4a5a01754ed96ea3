"""The RayCluster itself, where a cluster is to have what the ``ray-cluster`` chart
cannot write: labels, fields of its spec. Pure.

The spec is what the chart would render (ray_cluster_spec.py) with the owner's `spec`
merged over it. Everything else that is read of a cluster, such as sizes, ports and
fingerprints, is read of the merged spec: `lay_over` writes it back into the plan's
values.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kuberay.facts.charts import Values
from kuberay.facts.digests import fingerprint
from kuberay.facts.labels import TEMPLATE_ANNOTATION
from kuberay.plan.pods import PodGroup, pod_group, rendered_groups, without_live_options
from kuberay.plan.ray_cluster_spec import groups_of, ray_cluster_spec, values_of_spec
from kuberay.settings.overrides import merge

#: Fields of a RayCluster's spec that are in no pod. The groups are looked at one by
#: one. pods.py has the chart's values that are in none.
_FIELDS_NOT_IN_PODS = frozenset(
    "headGroupSpec headServiceAnnotations managedBy networkPolicy rayVersion suspend upgradeStrategy"
    " workerGroupSpecs".split()
)
#: Fields of a group that are in no pod.
_GROUP_FIELDS_NOT_IN_PODS = frozenset(
    """enableIngress groupName headService idleTimeoutSeconds ingressOptions maxReplicas minReplicas priority
    replicas scaleStrategy serviceType suspend""".split()
)
#: What values have of a cluster's head that is the cluster's own.
_OF_CLUSTER = ("rayVersion", "enableInTreeAutoscaling", "autoscalerOptions")


@dataclass(frozen=True)
class Resource:
    """A RayCluster that is written here."""

    spec: Values
    labels: Mapping[str, str]
    touched: frozenset[str]
    """The groups that are others by it."""
    values: Values
    """What is read of it, as the chart's values would say it."""
    groups: tuple[PodGroup, ...]
    """The head first."""
    service: list[Any]
    """What the Service of the head is made of, where the owner has changed it."""


def lay_over(
    values: Values,
    groups: Sequence[PodGroup],
    over: Values,
    *,
    labels: Mapping[str, str],
    more: Values,
    secrets: Sequence[str],
) -> Resource:
    """The RayCluster of a cluster that the chart would render from these values.

    Args:
        values: of the cluster.
        groups: its groups, as they are read of the values.
        over: fields of its spec, merged last.
        labels: of the RayCluster.
        more: fields of its spec that the program sets and no chart knows.
        secrets: digests of what its pods read at their start.
    """
    base = ray_cluster_spec(values) | more
    spec = copy.deepcopy(merge(base, over))
    touched: frozenset[str] = frozenset()
    if spec != base:
        values, touched = _values(values, base, spec)
    groups = tuple(_pod_groups(groups, base, spec, values, secrets))
    if spec != base:
        _write_fingerprints(groups, spec, values)
    service = _of_service(spec) if _of_service(spec) != _of_service(base) else []
    return Resource(spec, labels, touched, values, groups, service)


def _write_fingerprints(groups: Sequence[PodGroup], spec: Values, values: Values) -> None:
    for group in groups:
        if group.annotation:
            template = groups_of(spec)[group.name].setdefault("template", {})
            metadata = template["metadata"] = template.get("metadata") or {}
            for place in (metadata, rendered_groups(values)[group.name]):
                place["annotations"] = {
                    **(place.get("annotations") or {}),
                    TEMPLATE_ANNOTATION: group.annotation,
                }


def _values(values: Values, base: Values, spec: Values) -> tuple[Values, frozenset[str]]:
    """Values that say of a spec what is read of values, and the groups that are others
    than those of the base.
    """
    before, after = groups_of(base), groups_of(spec)
    touched = frozenset(name for name, group in after.items() if group != before.get(name))
    found, read = copy.deepcopy(values), values_of_spec(spec)
    # What the owner leaves alone stays as the values have it.
    known = rendered_groups(found)
    groups = {
        name: group if name in touched else known[name] for name, group in rendered_groups(read).items()
    }
    for key in _OF_CLUSTER:
        if "head" in touched and spec.get(key) == base.get(key):
            groups["head"][key] = found["head"].get(key)
        elif spec.get(key) != base.get(key):
            groups["head"][key] = spec.get(key)
    if spec.get("gcsFaultToleranceOptions") != base.get("gcsFaultToleranceOptions"):
        found["gcsFaultTolerance"] = read["gcsFaultTolerance"]
    if after["head"].get("serviceType") != before["head"].get("serviceType"):
        found["service"] = read["service"]
    default = str(found["worker"].get("groupName"))
    found["head"] = groups.pop("head")
    found["worker"] = groups.pop(default, {"disabled": True, "groupName": default})
    found["additionalWorkerGroups"] = groups
    return {key: value for key, value in read.items() if key in spec and key not in base} | found, touched


def _of_service(spec: Values) -> list[Any]:
    """What the Service of the head is made of. What is empty makes nothing of it."""
    head: Values = spec["headGroupSpec"]
    containers: list[Values] = ((head.get("template") or {}).get("spec") or {}).get("containers") or [{}]
    made_of = [
        head.get("headService"),
        head.get("serviceType"),
        spec.get("headServiceAnnotations"),
        containers[0].get("ports"),
    ]
    return [part or None for part in made_of]


def _pod_groups(
    known: Sequence[PodGroup], base: Values, spec: Values, values: Values, secrets: Sequence[str]
) -> Iterator[PodGroup]:
    """The groups of pods. A group whose pods are made of what they were made of before
    keeps its fingerprint.
    """
    before, after, of = groups_of(base), groups_of(spec), {group.name: group for group in known}
    of_cluster, head = _made_of_cluster(spec), of["head"].fingerprint
    if of_cluster != _made_of_cluster(base) or _made_of(after["head"]) != _made_of(before["head"]):
        head = fingerprint(secrets, of_cluster, _made_of(after["head"]))
    for name, group in rendered_groups(values).items():
        was = of.get(name)
        if name == "head":
            of_template = head
        elif was and head == of["head"].fingerprint and _made_of(after[name]) == _made_of(before[name]):
            of_template = was.fingerprint
        else:
            of_template = fingerprint(head, _made_of(after[name]))
        yield pod_group(
            values,
            name,
            group,
            of_template,
            adopted=was is not None and was.adopted and was.fingerprint == of_template,
        )


def _made_of(group: Values) -> Values:
    """What of a group is in its pods."""
    own = {key: value for key, value in group.items() if key not in _GROUP_FIELDS_NOT_IN_PODS}
    template: Values = own.get("template") or {}
    metadata: Values = template.get("metadata") or {}
    annotations = {
        key: value for key, value in (metadata.get("annotations") or {}).items() if key != TEMPLATE_ANNOTATION
    }
    return own | {"template": {**template, "metadata": {**metadata, "annotations": annotations}}}


def _made_of_cluster(spec: Values) -> Values:
    """What of a spec is in pods of every group."""
    own = without_live_options({key: value for key, value in spec.items() if key not in _FIELDS_NOT_IN_PODS})
    if ((spec.get("upgradeStrategy") or {}).get("type")) == "Recreate":
        # KubeRay itself then replaces all pods for these too.
        own |= {
            key: spec[key]
            for key in ("headServiceAnnotations", "managedBy", "networkPolicy", "suspend")
            if key in spec
        }
    return own
