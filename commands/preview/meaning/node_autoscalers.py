"""What a node autoscaler may add for pods that find no room, by what it tells of
itself. Pure.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import yaml

from kuberay.facts.objects import Object
from kuberay.facts.phrases import first_few
from kuberay.facts.quantities import parse_quantity
from kuberay.facts.scheduling import meets_requirement, requests_of, tolerates

#: What the cluster autoscaler wrote of a node group before version 1.30, which writes
#: YAML.
_AS_TEXT = re.compile(r"cloudProviderTarget=(\d+) \(minSize=\d+, maxSize=(\d+)\)")


@dataclass(frozen=True)
class Growth:
    """Whether nodes may come for some pods."""

    may_come: bool
    text: str
    """What an autoscaler says; empty where none is seen."""


def growth_for(pod: Object | None, node_pools: Sequence[Object], status: str | None) -> Growth:
    """Whether nodes may come for a pod, by its spec; None for several at once."""
    if status is not None:
        more = _more_nodes(status)
        if more is None or more > 0:
            count = "nodes" if more is None else f"up to {more} nodes"
            return Growth(True, f"the node autoscaler may add {count}; of which kind it does not say")
        if not node_pools:
            return Growth(False, "the node autoscaler has as many nodes as it may")
    if node_pools:
        return _by_karpenter(pod, node_pools)
    return Growth(False, "")


def _more_nodes(status: str) -> int | None:
    """How many nodes the cluster autoscaler may still add; None where its status does
    not say.
    """
    groups = [(int(target), int(most)) for target, most in _AS_TEXT.findall(status)] or list(
        _groups_of_yaml(status)
    )
    return sum(max(most - target, 0) for target, most in groups) if groups else None


def _groups_of_yaml(status: str) -> Iterator[tuple[int, int]]:
    try:
        content: Any = yaml.safe_load(status)
        for group in content["nodeGroups"]:
            yield int(group["health"]["cloudProviderTarget"]), int(group["health"]["maxSize"])
    except (yaml.YAMLError, KeyError, TypeError, ValueError):
        return


def _by_karpenter(pod: Object | None, node_pools: Sequence[Object]) -> Growth:
    able = [pool for pool in node_pools if pod is None or _may_make_nodes_for(pool, pod)]
    if not able:
        return Growth(False, "no NodePool of Karpenter's makes nodes for it")
    open_ones = [str(pool["metadata"]["name"]) for pool in able if _has_room(pool, pod)]
    if not open_ones:
        names = [str(pool["metadata"]["name"]) for pool in able]
        return Growth(
            False, f"the limits of Karpenter's NodePool {first_few(names)} leave no room for one such pod"
        )
    return Growth(True, f"Karpenter's NodePool {first_few(open_ones)} may add nodes for it")


def _may_make_nodes_for(pool: Object, pod: Object) -> bool:
    template: Object = pool["spec"].get("template") or {}
    spec: Object = template.get("spec") or {}
    if any(
        taint["effect"] != "PreferNoSchedule" and not tolerates(pod, taint)
        for taint in spec.get("taints") or []
    ):
        return False
    labels: Mapping[str, str] = (template.get("metadata") or {}).get("labels") or {}
    requirements: Sequence[Object] = spec.get("requirements") or []
    return all(
        _may_have(key, str(value), labels, requirements)
        for key, value in (pod.get("nodeSelector") or {}).items()
    )


def _may_have(key: str, value: str, labels: Mapping[str, str], requirements: Sequence[Object]) -> bool:
    """Whether nodes of a pool may have a label: those with a domain may be the cloud's
    own, of which a pool need not speak.
    """
    if key in labels:
        return labels[key] == value
    about = [each for each in requirements if each["key"] == key]
    return all(meets_requirement({key: value}, each) for each in about) if about else "/" in key


def _has_room(pool: Object, pod: Object | None) -> bool:
    limits: Mapping[str, Any] = pool["spec"].get("limits") or {}
    used: Mapping[str, Any] = (pool.get("status") or {}).get("resources") or {}
    asked = requests_of(pod) if pod is not None else {}
    return all(
        parse_quantity(limit) - parse_quantity(used.get(name, "0")) >= asked.get(name, Decimal(0))
        and str(limit) != "0"
        for name, limit in limits.items()
    )
