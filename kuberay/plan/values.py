"""From settings to Helm values, and from values to what they mean in pods. Pure: no Pulumi resource is made here.

Every value that matters is written out, so that no changed default of a newer chart slips in unseen. The owner's own values are merged
last; totals, pod counts and fingerprints are read from the merged result, so that they are true whichever way a value came in.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kuberay.facts.charts import Values, chart_keys, feature_gates, in_this_version, only_known
from kuberay.facts.digests import fingerprint as _fingerprint
from kuberay.facts.digests import secret_digest
from kuberay.facts.images import NODE_ARCHITECTURE, Architecture, Image, ray_image
from kuberay.facts.labels import ARCHITECTURE_LABEL, TEMPLATE_ANNOTATION
from kuberay.facts.quantities import add_quantities
from kuberay.facts.versions import NEEDS, at_least
from kuberay.plan.fault_tolerance import fault_tolerance_values, for_charts_before_1_5
from kuberay.plan.pod_security import CONTAINER_CONTEXT, is_restricted, security_context
from kuberay.plan.token_auth import token_environment, uses_token
from kuberay.settings.base import Settings
from kuberay.settings.cluster import GroupSettings, RayClusterSettings, WorkerGroupSettings
from kuberay.settings.kubernetes import EnvVar
from kuberay.settings.overrides import merge
from kuberay.settings.stack import StackSettings

#: Ray's variable that chooses the second autoscaler.
AUTOSCALER_V2 = "RAY_enable_autoscaler_v2"
#: Ray writes its logs below /tmp/ray, not to stdout; the chart mounts this by default.
_LOG_VOLUME: Values = {"name": "log-volume", "emptyDir": {}}
_LOG_MOUNT: Values = {"name": "log-volume", "mountPath": "/tmp/ray"}

#: Feature gates of the operator that `up` relies on.
_GATES_ON = ("RayClusterStatusConditions",)

#: Values of a group that say how many pods there are, or are no part of a pod.
_NOT_IN_PODS = ("disabled", "groupName", "headService", "maxReplicas", "minReplicas", "rayVersion", "replicas")


@dataclass(frozen=True)
class PodGroup:
    """The pods of one template: the head, or a worker group."""

    name: str
    """``head``, or the worker group's name: the pods' label ``ray.io/group``, which for the head is ``headgroup``."""
    pods: int
    """How many pods are wanted; with autoscaling, how many there are at first."""
    at_least: int
    at_most: int
    """Between these an autoscaler may choose; both are ``pods`` without one."""
    cpu: str
    """CPU limit of each pod."""
    memory: str
    """Memory limit of each pod."""
    gpus: int
    """GPUs of each pod."""
    image: str
    fingerprint: str
    """Changes when, and only when, running pods have to be replaced to carry the new spec."""

    @property
    def is_head(self) -> bool:
        return self.name == "head"

    @property
    def summary(self) -> str:
        """One line for a reviewer: ``1 CPU, 2G memory, rayproject/ray:2.46.0-py310``."""
        gpus = f"{self.gpus} GPU, " if self.gpus else ""
        return f"{self.cpu} CPU, {self.memory} memory, {gpus}{self.image}"

    @property
    def count(self) -> str:
        """``2``, or ``0-10`` where an autoscaler chooses."""
        return str(self.pods) if self.at_least == self.at_most else f"{self.at_least}-{self.at_most}"


@dataclass(frozen=True)
class ClusterPlan:
    """One Ray cluster: its Helm values, and what they mean."""

    release: str
    name: str
    """Name of the RayCluster resource."""
    values: Values
    groups: tuple[PodGroup, ...]
    """The head first."""
    service_fingerprint: str
    """Changes when the head's Service has to be made anew: KubeRay never updates an existing one."""
    fingerprint: str
    """Changes with anything that the release renders."""
    token_secret: str | None = None
    """The Secret with the token that the cluster asks for, if it does."""

    @property
    def head(self) -> PodGroup:
        return self.groups[0]

    @property
    def cpu(self) -> str:
        return add_quantities(group.cpu for group in self.groups for _ in range(group.pods))

    @property
    def memory(self) -> str:
        return add_quantities(group.memory for group in self.groups for _ in range(group.pods))

    @property
    def gpus(self) -> int:
        return sum(group.gpus * group.pods for group in self.groups)

    @property
    def head_service(self) -> str:
        service = self.values["head"].get("headService") or {}
        return (service.get("metadata") or {}).get("name") or f"{self.name}-head-svc"


def operator_values(settings: StackSettings) -> Values:
    """Values of the ``kuberay-operator`` chart."""
    operator, version = settings.operator, settings.kuberay_version
    probe = {"initialDelaySeconds": 10, "periodSeconds": 5, "failureThreshold": 5}
    values: Values = {
        "nameOverride": "kuberay-operator",
        "fullnameOverride": "kuberay-operator",
        "componentOverride": "kuberay-operator",
        "image": {"repository": "quay.io/kuberay/operator", "tag": f"v{version}", "pullPolicy": "IfNotPresent"},
        "imagePullSecrets": [{"name": name} for name in settings.image_pull_secrets],
        "serviceAccount": {"create": True, "name": "kuberay-operator"},
        "service": {"type": "ClusterIP", "port": 8080},
        "replicas": 1,
        "resources": {"limits": {"cpu": operator.cpu, "memory": operator.memory}},
        "livenessProbe": probe,
        "readinessProbe": probe,
        "podSecurityContext": {},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "logging": {"stdoutEncoder": "json", "fileEncoder": "json"},
        "batchScheduler": {"enabled": False, "name": ""},
        "configuration": {"enabled": False},
        "leaderElectionEnabled": True,
        "reconcileConcurrency": 1,
        "kubeClient": {"qps": 100.0, "burst": 200},
        "metrics": {"enabled": True, "serviceMonitor": {"enabled": False}},
        "rbacEnable": True,
        "crNamespacedRbacEnable": True,
        "singleNamespaceInstall": operator.single_namespace_install,
        # Every gate is said, for later versions turn more of them on: with RayMultiHostIndexing (on since 1.6) the operator would make
        # the pods of running multi-host groups a second time, as these lack its labels. A list: whoever overrides it replaces it whole.
        "featureGates": [{"name": gate, "enabled": gate in _GATES_ON} for gate in feature_gates(version)],
    }
    known = chart_keys("kuberay-operator", version)
    return merge(only_known(values, known), in_this_version("kuberay-operator", version, operator.values))


def operator_fingerprint(settings: StackSettings) -> str:
    """Changes with anything that the operator's release renders."""
    return _fingerprint(settings.kuberay_version, operator_values(settings))


def plan_cluster(settings: StackSettings, release: str) -> ClusterPlan:
    """One of the stack's Ray clusters as the ``ray-cluster`` chart takes it."""
    cluster = settings.clusters[release]
    token = uses_token(settings.protection, cluster.ray_version or settings.ray_version)
    # The Secret is named like the RayCluster: there KubeRay's `authOptions` look for it.
    secret = cluster_resource_name(release, cluster.values) if token else None
    plan = plan_ray_cluster(settings, release, cluster, token_secret=secret)
    if at_least(settings.kuberay_version, NEEDS["gcsFaultTolerance chart values"].kuberay):
        return plan
    return replace(plan, values=for_charts_before_1_5(plan.values))


def plan_ray_cluster(settings: StackSettings, release: str, cluster: RayClusterSettings, *, token_secret: str | None = None) -> ClusterPlan:
    """Any Ray cluster, also one that KubeRay makes for a job or a service: as if the chart rendered it for a release of this name.

    ``token_secret`` is the Secret with the token that this cluster asks for, if it does.
    """
    values = copy.deepcopy(merge(_cluster_values(settings, release, cluster), cluster.values))
    if token_secret:
        _add_token(values, token_secret)
    groups: list[PodGroup] = []
    for name, group in rendered_groups(values).items():
        # A new head cuts its workers off from their cluster, so they are replaced with it, as KubeRay 1.6's own `Recreate` does.
        above = _secrets(settings, release, cluster, token_secret is not None) if name == "head" else groups[0].fingerprint
        fingerprint = _fingerprint(above, _pod_template(values, group))
        group["annotations"] = {**(group.get("annotations") or {}), TEMPLATE_ANNOTATION: fingerprint}
        groups.append(_pod_group(values, name, group, fingerprint))
    service = [values.get("service"), values["head"].get("headService"), values.get("fullnameOverride")]
    return ClusterPlan(
        release=release,
        name=cluster_resource_name(release, cluster.values),
        values=values,
        groups=tuple(groups),
        service_fingerprint=_fingerprint(service),
        fingerprint=_fingerprint(settings.kuberay_version, values),
        token_secret=token_secret,
    )


def cluster_resource_name(release: str, values: Mapping[str, Any]) -> str:
    """The RayCluster's name, as the chart derives it from the release's name and overrides."""
    if values.get("fullnameOverride"):
        return str(values["fullnameOverride"])
    suffix = str(values.get("nameOverride") or "kuberay")
    return release if suffix in release else f"{release}-{suffix}"


def group_architecture(settings: StackSettings, cluster: RayClusterSettings, group: GroupSettings) -> Architecture:
    """The architecture of a group's pods: its own, else the cluster's, else the stack's."""
    return group.architecture or cluster.architecture or settings.architecture


def own_image(settings: StackSettings, cluster: RayClusterSettings, group: GroupSettings) -> str | None:
    """The owner's image of a group's pods: the group's, else the cluster's, else the stack's."""
    return group.image or cluster.image or settings.image


def _cluster_values(settings: StackSettings, release: str, cluster: RayClusterSettings) -> Values:
    def image_of(group: GroupSettings) -> Image:
        return ray_image(
            ray_version=cluster.ray_version or settings.ray_version,
            python_version=cluster.python_version or settings.python_version,
            accelerator=group.accelerator or cluster.accelerator or settings.accelerator or ("gpu" if group.gpus else None),
            architecture=group_architecture(settings, cluster, group),
            own_image=own_image(settings, cluster, group),
        )

    def pods(group: GroupSettings) -> Values:
        return _pod_values(settings, cluster, group, image_of(group))

    image = image_of(cluster.head)
    worker = cluster.worker
    head: Values = {
        "rayVersion": cluster.ray_version or settings.ray_version,
        **_autoscaler_values(settings, cluster),
        **pods(cluster.head),
    }
    return {
        "fullnameOverride": cluster_resource_name(release, cluster.values),
        "image": _image_values(image, settings.image_pull_policy),
        "imagePullSecrets": [{"name": name} for name in settings.image_pull_secrets],
        "common": {"containerEnv": []},
        "head": head,
        "worker": {"disabled": not worker.enabled, "groupName": worker.group_name, **_replicas(worker), **pods(worker)},
        # The chart's own example group is disabled by default; that is said here too.
        "additionalWorkerGroups": {"smallGroup": {"disabled": True}}
        | {name: {"disabled": False, **_replicas(group), **pods(group)} for name, group in cluster.additional_worker_groups.items()},
        "service": {"type": "ClusterIP"},
        "gcsFaultTolerance": fault_tolerance_values(cluster.gcs_fault_tolerance, cluster_resource_name(release, cluster.values)),
    }


def _add_token(values: Values, secret: str) -> None:
    """To merged values: an owner's own list of variables replaces what stands below it, and must not take the token away."""
    token = token_environment(secret)
    values["common"]["containerEnv"] = [*(values["common"].get("containerEnv") or []), *token]
    if values["head"].get("enableInTreeAutoscaling"):
        options = values["head"]["autoscalerOptions"] = values["head"].get("autoscalerOptions") or {}
        options["env"] = [*(options.get("env") or []), *token]


def _secrets(settings: StackSettings, release: str, cluster: RayClusterSettings, token: bool) -> list[str]:
    """Another list when a secret in the stack's config has changed: pods read theirs at their start only."""
    redis = cluster.gcs_fault_tolerance and cluster.gcs_fault_tolerance.redis_password
    given = [redis.value if redis else None, settings.auth_token if token else None]
    return [secret_digest(secret.get_secret_value(), f"{settings.namespace}/{release}") for secret in given if secret]


def _autoscaler_values(settings: StackSettings, cluster: RayClusterSettings) -> Values:
    autoscaling = cluster.autoscaling
    if autoscaling is None:
        return {"enableInTreeAutoscaling": False}
    resources = {"cpu": autoscaling.cpu, "memory": autoscaling.memory}
    return {
        "enableInTreeAutoscaling": True,
        "autoscalerOptions": {
            "idleTimeoutSeconds": autoscaling.idle_timeout_seconds,
            "upscalingMode": autoscaling.upscaling_mode,
            "resources": {"limits": resources, "requests": resources},
            "securityContext": CONTAINER_CONTEXT if is_restricted(settings.protection, own_image(settings, cluster, cluster.head)) else {},
        },
    }


def _replicas(group: WorkerGroupSettings) -> Values:
    maximum = group.max_replicas if group.max_replicas is not None else max(group.replicas, 1)
    return {"replicas": group.replicas, "minReplicas": group.min_replicas, "maxReplicas": maximum, "numOfHosts": group.num_of_hosts}


def _pod_values(settings: StackSettings, cluster: RayClusterSettings, group: GroupSettings, image: Image) -> Values:
    devices = {group.gpu_resource: group.gpus, "google.com/tpu": group.tpus}
    devices = {resource: count for resource, count in devices.items() if count}
    # Nodes with such devices are tainted with the resource's name, so that nothing else takes their place.
    tolerated = [{"key": resource, "operator": "Exists", "effect": "NoSchedule"} for resource in devices]
    # With v2 the autoscaler replaces pods, so none is restarted in place (KubeRay's sample for v2). Before KubeRay 1.4 an environment
    # variable is the only way to turn v2 on; later versions still take it, so that an upgrade changes no pod.
    v2 = cluster.autoscaling is not None and cluster.autoscaling.version == "v2"
    chooses = {AUTOSCALER_V2: EnvVar(value="1")} if v2 and group is cluster.head else {}
    return {
        # Whole, never a tag alone: the chart would render an image without a repository.
        "image": _image_values(image, settings.image_pull_policy),
        "resources": {
            "limits": {"cpu": group.cpu, "memory": group.memory, **devices},
            # Always written: the chart's own requests (1 CPU, 2G or 1G) would make a pod with a lower limit invalid.
            "requests": {"cpu": group.cpu_request or group.cpu, "memory": group.memory_request or group.memory, **devices},
        },
        "containerEnv": [{"name": name, **_as_kubernetes(variable)} for name, variable in (chooses | group.env).items()],
        "nodeSelector": {ARCHITECTURE_LABEL: NODE_ARCHITECTURE[group_architecture(settings, cluster, group)], **group.node_selector},
        "tolerations": [*tolerated, *(_as_kubernetes(toleration) for toleration in group.tolerations)],
        "affinity": group.affinity,
        "volumes": [_LOG_VOLUME, *(_as_kubernetes(volume) for volume in group.volumes)],
        "volumeMounts": [_LOG_MOUNT, *(_as_kubernetes(mount) for mount in group.volume_mounts)],
        "serviceAccountName": group.service_account_name or "",
        "labels": group.labels,
        "annotations": group.annotations,
        "rayStartParams": group.ray_start_params,
        "restartPolicy": "Never" if v2 else "",
        **security_context(settings.protection, own_image(settings, cluster, group)),
    }


def _image_values(image: Image, pull_policy: str) -> Values:
    return {"repository": image.repository, "tag": image.tag, "pullPolicy": pull_policy}


def _as_kubernetes(settings: Settings) -> Values:
    return settings.model_dump(by_alias=True, exclude_none=True)


# --- Reading merged values ------------------------------------------------------------------------------------------------


def rendered_groups(values: Values) -> dict[str, Values]:
    """The values of each group that the chart renders, the head first."""
    groups: dict[str, Values] = {"head": values["head"]}
    additional: dict[str, Values] = values.get("additionalWorkerGroups") or {}
    groups |= {name: group for name, group in additional.items() if group and group.get("disabled") is not True}
    if values["worker"].get("disabled") is not True:
        groups[values["worker"]["groupName"]] = values["worker"]
    return groups


def head_service_type(values: Values) -> str:
    """Of the head's Service: its own counts, then the chart's `service.type` (`BuildServiceForHeadPod`)."""
    own = (values["head"].get("headService") or {}).get("spec") or {}
    return str(own.get("type") or values["service"].get("type") or "ClusterIP")


def pod_groups(values: Values) -> tuple[PodGroup, ...]:
    """The pods of merged values that `plan_cluster` has made, as a release has them; the head first."""
    return tuple(
        _pod_group(values, name, group, str((group.get("annotations") or {}).get(TEMPLATE_ANNOTATION, "")))
        for name, group in rendered_groups(values).items()
    )


def _pod_template(values: Values, group: Values) -> Values:
    """What lands in the pods of a group."""
    own = {key: value for key, value in group.items() if key not in _NOT_IN_PODS}
    if own.get("autoscalerOptions"):
        # The sidecar reads these from the RayCluster as it goes.
        own["autoscalerOptions"] = {k: v for k, v in own["autoscalerOptions"].items() if k not in ("idleTimeoutSeconds", "upscalingMode")}
    own.setdefault("image", values["image"])
    if group is values["head"]:
        own["gcsFaultTolerance"] = values.get("gcsFaultTolerance")
    return {**own, "imagePullSecrets": values.get("imagePullSecrets"), "common": values.get("common")}


def _pod_group(values: Values, name: str, group: Values, fingerprint: str) -> PodGroup:
    image = group.get("image") or values["image"]
    limits: Values = (group.get("resources") or {}).get("limits") or {}
    at_first, at_least, at_most = (
        (1, 1, 1) if name == "head" else _replica_range(group, bool(values["head"].get("enableInTreeAutoscaling")))
    )
    hosts = int(group.get("numOfHosts") or 1)
    return PodGroup(
        name=name,
        pods=at_first * hosts,
        at_least=at_least * hosts,
        at_most=at_most * hosts,
        cpu=str(limits.get("cpu", 0)),
        memory=str(limits.get("memory", 0)),
        gpus=sum(int(count) for resource, count in limits.items() if is_gpu(resource)),
        image=f"{image['repository']}:{image['tag']}",
        fingerprint=fingerprint,
    )


def _replica_range(group: Values, autoscaling: bool) -> tuple[int, int, int]:
    """How many replicas KubeRay makes at first (`GetWorkerGroupDesiredReplicas`), the fewest and the most there may be later."""
    replicas, least = int(group.get("replicas") or 0), int(group.get("minReplicas") or 0)
    most = int(group.get("maxReplicas") or replicas)
    at_first = max(least, min(replicas, most))
    return (at_first, least, most) if autoscaling else (at_first, at_first, at_first)


def is_gpu(resource: str) -> bool:
    """KubeRay counts what ends in `gpu` as GPUs (`sumGPUs`); slices of a GPU are counted by name too."""
    return resource.endswith("gpu") or "/mig-" in resource
