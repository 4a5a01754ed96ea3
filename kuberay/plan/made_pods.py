"""The pods of a RayCluster as KubeRay's operator makes them of its spec
(`DefaultHeadPodTemplate`, `DefaultWorkerPodTemplate` and `BuildPod`, 1.3.0 to 1.7.0),
as far as the API server, the scheduler or a quota minds. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kuberay.plan.pods import GroupSize, pods_of_head, pods_of_workers

Container = dict[str, Any]

#: Resources of KubeRay's init container of workers, which no setting changes.
_WAIT_GCS_READY = {"cpu": "200m", "memory": "256Mi"}
#: Of the autoscaler's sidecar and of the collector, where a spec gives none.
_AUTOSCALER = {"cpu": "500m", "memory": "512Mi"}
_COLLECTOR = {
    "limits": {"cpu": "200m", "memory": "256Mi"},
    "requests": {"cpu": "50m", "memory": "64Mi"},
}
#: What the autoscaler's sidecar takes from `autoscalerOptions`, under the same name.
_OF_THE_AUTOSCALER = ("env", "envFrom", "resources", "securityContext", "volumeMounts")
_SHARED_MEMORY = "/dev/shm"


@dataclass(frozen=True)
class MadePods(GroupSize):
    """The pods of one group."""

    template: Mapping[str, Any]
    """Metadata and spec of each, with the containers that KubeRay adds."""

    @property
    def pod(self) -> Mapping[str, Any]:
        """The spec of each."""
        return self.template["spec"]


def made_pods(spec: Mapping[str, Any]) -> list[MadePods]:
    """The groups of a RayCluster's spec, the head first."""
    scaled = bool(spec.get("enableInTreeAutoscaling"))
    head, workers = spec["headGroupSpec"], spec.get("workerGroupSpecs") or []
    collector = _collector(spec)
    autoscaler = [_autoscaler(spec, head)] if scaled else []
    return [
        MadePods("head", *pods_of_head(head, spec), _template(head, beside=[*autoscaler, *collector])),
        *(
            MadePods(
                str(group["groupName"]),
                *pods_of_workers(group, spec, autoscaling=scaled),
                _template(group, first=[_waits_for_the_head(group)], beside=collector),
            )
            for group in workers
        ),
    ]


def _autoscaler(spec: Mapping[str, Any], head: Mapping[str, Any]) -> Container:
    options = spec.get("autoscalerOptions") or {}
    given = {key: options[key] for key in _OF_THE_AUTOSCALER if options.get(key)}
    image = options.get("image") or _ray(head).get("image")
    return {
        "name": "autoscaler",
        "image": image,
        "resources": {"limits": _AUTOSCALER, "requests": _AUTOSCALER},
    } | given


def _collector(spec: Mapping[str, Any]) -> list[Container]:
    """What copies logs and events to where a history server reads them."""
    options = (spec.get("historyServerOptions") or {}).get("collectorOptions")
    return [{"name": "ray-history-collector", "resources": _COLLECTOR} | options] if options else []


def _waits_for_the_head(group: Mapping[str, Any]) -> Container:
    # Its environment and mounts are Ray's own once more, and would be refused with
    # them.
    taken = {key: value for key, value in _ray(group).items() if key in ("image", "securityContext")}
    return {
        "name": "wait-gcs-ready",
        "resources": {"limits": _WAIT_GCS_READY, "requests": _WAIT_GCS_READY},
    } | taken


def _ray(group: Mapping[str, Any]) -> Container:
    containers = group["template"]["spec"].get("containers")
    return containers[0] if containers else {}


def _template(
    group: Mapping[str, Any], *, first: list[Container] | None = None, beside: list[Container]
) -> Mapping[str, Any]:
    template = group["template"]
    pod: dict[str, Any] = {**template["spec"]}
    ray, *others = pod.get("containers") or [{}]
    mounts = ray.get("volumeMounts") or []
    if not any(mount.get("mountPath") == _SHARED_MEMORY for mount in mounts):
        ray = {**ray, "volumeMounts": [*mounts, {"name": "shared-mem", "mountPath": _SHARED_MEMORY}]}
        shared = {"name": "shared-mem", "emptyDir": {"medium": "Memory"}}
        pod["volumes"] = [*(pod.get("volumes") or []), shared]
    pod["containers"] = [ray, *others, *beside]
    if first:
        pod["initContainers"] = [*first, *(pod.get("initContainers") or [])]
    return {**template, "spec": pod}
