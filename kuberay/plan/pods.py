"""The pods of a group: from settings to their Helm values, and from merged values to
what they mean in pods. Pure.

Counts, sizes and fingerprints are read from merged values, so that they are true
whichever way a value came in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kuberay.facts.charts import Values
from kuberay.facts.images import (
    NODE_ARCHITECTURE,
    RAY_REPOSITORY,
    Architecture,
    Image,
    ray_image,
    split_reference,
)
from kuberay.facts.labels import ARCHITECTURE_LABEL, TEMPLATE_ANNOTATION
from kuberay.plan.metrics import embedding_variables
from kuberay.plan.protection import security_context, stays_on_its_node
from kuberay.plan.storage import claim_mounts, claim_volumes
from kuberay.settings.base import Settings
from kuberay.settings.cluster import GroupSettings, RayClusterSettings, WorkerGroupSettings
from kuberay.settings.kubernetes import Env, EnvVar
from kuberay.settings.stack import StackSettings

#: Ray's variable that chooses the second autoscaler.
AUTOSCALER_V2 = "RAY_enable_autoscaler_v2"

#: Ray writes its logs below /tmp/ray, not to stdout; the chart mounts this by default.
LOG_FOLDER = "/tmp/ray"
_LOG_VOLUME = "log-volume"
#: The only one from which KubeRay gives the collector what Ray writes.
COLLECTED_VOLUME = "ray-logs"

#: Values of a group that say how many pods there are, or are no part of a pod;
#: resource.py has the fields of a RayCluster's spec that are none.
_VALUES_NOT_IN_PODS = frozenset(
    "disabled groupName headService idleTimeoutSeconds maxReplicas minReplicas rayVersion replicas".split()
)


@dataclass(frozen=True)
class GroupSize:
    """How many pods a group has."""

    name: str
    """``head``, or the worker group's name: the pods' label ``ray.io/group``, which for
    the head is ``headgroup``.
    """
    pods: int
    """How many pods are wanted; with autoscaling, how many there are at first."""
    at_least: int
    at_most: int
    """Between these an autoscaler may choose; both are ``pods`` without one."""

    @property
    def count(self) -> str:
        """``2``, or ``0-10`` where an autoscaler chooses."""
        return str(self.pods) if self.at_least == self.at_most else f"{self.at_least}-{self.at_most}"


@dataclass(frozen=True)
class PodGroup(GroupSize):
    """The pods of one template: the head, or a worker group."""

    cpu: str
    """CPU limit of each pod."""
    memory: str
    """Memory limit of each pod."""
    gpus: int
    """GPUs of each pod."""
    image: str
    fingerprint: str
    """Changes when, and only when, running pods have to be replaced."""
    adopted: bool = False
    """Whether its template is still that of the release which the stack has taken over:
    such pods carry no fingerprint.
    """

    @property
    def is_head(self) -> bool:
        return self.name == "head"

    @property
    def annotation(self) -> str | None:
        """The fingerprint that its pods carry."""
        return None if self.adopted else self.fingerprint

    @property
    def summary(self) -> str:
        """One line for a reviewer: ``1 CPU, 2G memory,
        rayproject/ray:2.46.0-py310``.
        """
        gpus = f"{self.gpus} GPU, " if self.gpus else ""
        return f"{self.cpu} CPU, {self.memory} memory, {gpus}{self.image}"


# --- From settings to values ----------------------------------------------------------


def group_architecture(
    settings: StackSettings, cluster: RayClusterSettings, group: GroupSettings
) -> Architecture:
    """The architecture of a group's pods: its own, the cluster's or the stack's."""
    return group.architecture or cluster.architecture or settings.architecture


def custom_image(settings: StackSettings, cluster: RayClusterSettings, group: GroupSettings) -> str | None:
    """The owner's image of a group's pods: the group's, else that of the raw values,
    else the cluster's, else the stack's.
    """
    own = group.image or cluster.image or settings.image
    raw = _raw_image(cluster, group)
    if not raw.keys() & {"repository", "tag"}:
        return own
    repository, tag = split_reference(own) if own else (RAY_REPOSITORY, None)
    repository, tag = raw.get("repository", repository), raw.get("tag", tag)
    return str(repository) if tag is None else f"{repository}:{tag}"


def _raw_image(cluster: RayClusterSettings, group: GroupSettings) -> Values:
    """What the raw values say at their top, of all groups without an image of their
    own. The chart would ask none of its groups.
    """
    image: Any = cluster.values.get("image")
    return image if isinstance(image, dict) and not group.image else {}  # pyright: ignore[reportUnknownVariableType]


def group_image(settings: StackSettings, cluster: RayClusterSettings, group: GroupSettings) -> Image:
    """The image that a group's pods run."""
    return ray_image(
        ray_version=cluster.ray_version or settings.ray_version,
        python_version=cluster.python_version or settings.python_version,
        accelerator=group.accelerator
        or cluster.accelerator
        or settings.accelerator
        or ("gpu" if group.gpus else None),
        architecture=group_architecture(settings, cluster, group),
        custom_image=custom_image(settings, cluster, group),
    )


def pod_values(settings: StackSettings, cluster: RayClusterSettings, group: GroupSettings) -> Values:
    devices = {group.gpu_resource: group.gpus, "google.com/tpu": group.tpus}
    devices = {resource: count for resource, count in devices.items() if count}
    # Nodes with such devices are tainted with the resource's name, so that nothing else
    # takes their place.
    tolerated = [{"key": resource, "operator": "Exists", "effect": "NoSchedule"} for resource in devices]
    # With v2 the autoscaler replaces pods, so none is restarted in place (KubeRay's
    # sample for v2). Before KubeRay 1.4 an environment variable is the only way to turn
    # v2 on; later versions still take it, so that an upgrade changes no pod.
    v2 = cluster.autoscaling is not None and cluster.autoscaling.version == "v2"
    chooses = {AUTOSCALER_V2: EnvVar(value="1")} if v2 and group is cluster.head else {}
    shows = embedding_variables(settings.metrics) if group is cluster.head else {}
    logs = log_volume(cluster)
    return {
        # Whole, never a tag alone: the chart would render an image without a
        # repository.
        "image": image_values(group_image(settings, cluster, group), _pull_policy(settings, cluster, group)),
        "resources": {
            "limits": {"cpu": group.cpu, "memory": group.memory, **devices},
            # Always written: the chart's own requests (1 CPU, 2G or 1G) would make a
            # pod with a lower limit invalid.
            "requests": {
                "cpu": group.cpu_request or group.cpu,
                "memory": group.memory_request or group.memory,
                **devices,
            },
        },
        "containerEnv": container_env(chooses | shows | group.env),
        "nodeSelector": {
            ARCHITECTURE_LABEL: NODE_ARCHITECTURE[group_architecture(settings, cluster, group)],
            **group.node_selector,
        },
        "tolerations": [*tolerated, *(_as_kubernetes(toleration) for toleration in group.tolerations)],
        "affinity": group.affinity,
        "volumes": [
            {"name": logs, "emptyDir": {}},
            *(_as_kubernetes(volume) for volume in group.volumes),
            *claim_volumes(group),
        ],
        "volumeMounts": [
            {"name": logs, "mountPath": LOG_FOLDER},
            *(_as_kubernetes(mount) for mount in group.volume_mounts),
            *claim_mounts(group),
        ],
        "serviceAccountName": group.service_account_name or "",
        "labels": group.labels,
        "annotations": {
            **stays_on_its_node(settings.protection, is_head=group is cluster.head),
            **group.annotations,
        },
        "rayStartParams": group.ray_start_params,
        "restartPolicy": "Never" if v2 else "",
        **security_context(settings.protection, custom_image(settings, cluster, group)),
        **{key: given for key, given in _beside(group).items() if given},
    }


def _beside(group: GroupSettings) -> Values:
    """What is written only where a group has it: with an empty value every release
    would change.
    """
    return {
        "rayLabels": group.ray_labels,
        "envFrom": group.env_from,
        "initContainers": group.init_containers,
        "sidecarContainers": group.sidecars,
        "priorityClassName": group.priority_class_name,
        "topologySpreadConstraints": group.topology_spread_constraints,
    }


def _pull_policy(settings: StackSettings, cluster: RayClusterSettings, group: GroupSettings) -> str:
    return group.image_pull_policy or _raw_image(cluster, group).get("pullPolicy", settings.image_pull_policy)


def image_values(image: Image, pull_policy: str) -> Values:
    return {"repository": image.repository, "tag": image.tag, "pullPolicy": pull_policy}


def replica_values(group: WorkerGroupSettings) -> Values:
    maximum = group.max_replicas if group.max_replicas is not None else max(group.replicas, 1)
    replicas = {
        "replicas": group.replicas,
        "minReplicas": group.min_replicas,
        "maxReplicas": maximum,
        "numOfHosts": group.num_of_hosts,
    }
    return replicas | (
        {} if group.idle_timeout_seconds is None else {"idleTimeoutSeconds": group.idle_timeout_seconds}
    )


def log_volume(cluster: RayClusterSettings) -> str:
    """The volume of each group where Ray writes its logs."""
    return COLLECTED_VOLUME if cluster.history_server else _LOG_VOLUME


def container_env(variables: Env) -> list[Values]:
    """Environment variables as Kubernetes lists them."""
    return [{"name": name, **_as_kubernetes(variable)} for name, variable in variables.items()]


def _as_kubernetes(settings: Settings) -> Values:
    return settings.model_dump(by_alias=True, exclude_none=True)


# --- From merged values to pods -------------------------------------------------------


def rendered_groups(values: Values) -> dict[str, Values]:
    """The values of each group that the chart renders, the head first."""
    groups: dict[str, Values] = {"head": values["head"]}
    additional: dict[str, Values] = values.get("additionalWorkerGroups") or {}
    groups |= {
        name: group for name, group in additional.items() if group and group.get("disabled") is not True
    }
    if values["worker"].get("disabled") is not True:
        groups[values["worker"]["groupName"]] = values["worker"]
    return groups


def pod_groups(values: Values) -> tuple[PodGroup, ...]:
    """The pods of merged values that `plan_cluster` has made, as a release has them;
    the head first.
    """
    return tuple(
        pod_group(values, name, group, str((group.get("annotations") or {}).get(TEMPLATE_ANNOTATION, "")))
        for name, group in rendered_groups(values).items()
    )


def pod_template(values: Values, group: Values) -> Values:
    """What lands in the pods of a group."""
    own = without_live_options({key: value for key, value in group.items() if key not in _VALUES_NOT_IN_PODS})
    own.setdefault("image", values["image"])
    if group is values["head"]:
        own["gcsFaultTolerance"] = values.get("gcsFaultTolerance")
    if history := values.get("historyServerOptions"):
        own["historyServerOptions"] = history
    return {**own, "imagePullSecrets": values.get("imagePullSecrets"), "common": values.get("common")}


def without_live_options(tree: Values) -> Values:
    """Without options of the autoscaler that its sidecar reads from the RayCluster as
    it goes.
    """
    options: Values = tree.get("autoscalerOptions") or {}
    live = ("idleTimeoutSeconds", "upscalingMode")
    kept = {key: value for key, value in options.items() if key not in live}
    return {**tree, "autoscalerOptions": kept} if options else tree


def pod_group(
    values: Values, name: str, group: Values, fingerprint: str, *, adopted: bool = False
) -> PodGroup:
    image = group.get("image") or values["image"]
    limits = limits_of(group)
    at_first, at_least, at_most = (
        pods_of_head(group, values)
        if name == "head"
        else pods_of_workers(group, values, autoscaling=bool(values["head"].get("enableInTreeAutoscaling")))
    )
    return PodGroup(
        name=name,
        pods=at_first,
        at_least=at_least,
        at_most=at_most,
        cpu=str(limits.get("cpu", 0)),
        memory=str(limits.get("memory", 0)),
        gpus=sum(int(count) for resource, count in limits.items() if is_gpu(resource)),
        image=f"{image['repository']}:{image['tag']}",
        fingerprint=fingerprint,
        adopted=adopted,
    )


def limits_of(container: Values) -> Values:
    """The limits of a container, or of a group's Ray container, by resource."""
    limits: Values = (container.get("resources") or {}).get("limits") or {}
    return {resource: amount for resource, amount in limits.items() if amount is not None}


def pods_of_head(group: Mapping[str, Any], cluster: Mapping[str, Any]) -> tuple[int, int, int]:
    """As those of workers."""
    pods = 0 if _is_suspended(group, cluster) else 1
    return pods, pods, pods


def pods_of_workers(
    group: Mapping[str, Any], cluster: Mapping[str, Any], *, autoscaling: bool
) -> tuple[int, int, int]:
    """How many pods of a group KubeRay makes at first, the fewest and the most that
    there may be later (`GetWorkerGroupDesiredReplicas`). ``group`` and ``cluster``: of
    a spec, or of the chart's values.
    """
    hosts = 0 if _is_suspended(group, cluster) else int(group.get("numOfHosts") or 1)
    replicas, least = int(group.get("replicas") or 0), int(group.get("minReplicas") or 0)
    most = int(group.get("maxReplicas") or replicas)
    at_first = max(least, min(replicas, most))
    of_each = (at_first, least, most) if autoscaling else (at_first, at_first, at_first)
    at_first, least, most = (each * hosts for each in of_each)
    return at_first, least, most


def _is_suspended(group: Mapping[str, Any], cluster: Mapping[str, Any]) -> bool:
    """KubeRay takes all pods of what is suspended away; only a spec that is written
    here can say so.
    """
    return cluster.get("suspend") is True or group.get("suspend") is True


def is_gpu(resource: str) -> bool:
    """KubeRay counts what ends in `gpu` as GPUs (`sumGPUs`); slices of a GPU are
    counted by name too.
    """
    return resource.endswith("gpu") or "/mig-" in resource
