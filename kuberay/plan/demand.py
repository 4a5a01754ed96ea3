"""What the pods of a RayCluster ask the scheduler for: how many of each group there
are, and their pods as KubeRay makes them. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kuberay.plan.pods import GroupSize, pods_of_head, pods_of_workers

#: KubeRay's init container of workers, fixed in the operator: a pod counts as the
#: larger of it and its containers.
WAIT_GCS_READY = {"cpu": "200m", "memory": "256Mi"}
#: The autoscaler's sidecar, where its resources are not set.
AUTOSCALER = {"cpu": "500m", "memory": "512Mi"}


@dataclass(frozen=True)
class GroupDemand(GroupSize):
    """The pods of one group."""

    pod: Mapping[str, Any]
    """Spec of each, with the containers that KubeRay adds."""


def demand_of_spec(spec: Mapping[str, Any]) -> list[GroupDemand]:
    """The groups of a RayCluster's spec, the head first."""
    scaled = bool(spec.get("enableInTreeAutoscaling"))
    options = spec.get("autoscalerOptions") or {}
    sidecar = {"name": "autoscaler", "resources": options.get("resources") or {"requests": AUTOSCALER}}
    init = {"name": "wait-gcs-ready", "resources": {"requests": WAIT_GCS_READY}}
    head, workers = spec["headGroupSpec"], spec.get("workerGroupSpecs") or []
    return [
        GroupDemand("head", *pods_of_head(head, spec), _with(head, containers=[sidecar] if scaled else [])),
        *(
            GroupDemand(
                str(group["groupName"]),
                *pods_of_workers(group, spec, autoscaling=scaled),
                _with(group, initContainers=[init]),
            )
            for group in workers
        ),
    ]


def _with(group: Mapping[str, Any], **added: list[Any]) -> Mapping[str, Any]:
    spec = group["template"]["spec"]
    return {**spec, **{key: [*(spec.get(key) or []), *containers] for key, containers in added.items()}}
