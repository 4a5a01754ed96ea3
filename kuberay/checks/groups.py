"""What the settings of a Ray cluster and of its groups must agree on. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from posixpath import normpath
from typing import Any

from kuberay.checks.messages import Place, Problem
from kuberay.checks.raw_values import group_value_problems, raw_cluster_problems, raw_groups, unknown_keys
from kuberay.facts.images import split_reference
from kuberay.facts.labels import ARCHITECTURE_LABEL, HEAD_GROUP
from kuberay.facts.phrases import did_you_mean
from kuberay.facts.quantities import parse_quantity
from kuberay.facts.versions import lacking
from kuberay.plan.pods import LOG_FOLDER, custom_image, group_architecture, group_image, log_volume
from kuberay.plan.workload_clusters import PlacedPlan
from kuberay.settings.cluster import (
    AutoscalingSettings,
    DefaultWorkerGroupSettings,
    GroupSettings,
    RayClusterSettings,
    WorkerGroupSettings,
)
from kuberay.settings.operator import OperatorSettings
from kuberay.settings.stack import StackSettings
from kuberay.settings.workloads import SubmitterSettings

#: Names that no worker group may have: the plan's and KubeRay's of the head's pods.
_KEPT_NAMES = {"head", HEAD_GROUP}

#: Every chart writes `maxReplicas | default 2147483647`, and to a template 0 is
#: nothing.
_NO_MAXIMUM = "is no maximum for an autoscaler: the chart makes 2147483647 of it; leave the group out instead"

#: No machine has less, so that who writes 500 cores and 2G of memory means 500m.
_LEAST_MEMORY_OF_A_CORE = 250_000_000

#: Environment variables that other settings set, and which.
_SET_BY_SETTINGS = {
    "RAY_AUTH_MODE": "protection.tokenAuthentication",
    "RAY_AUTH_TOKEN": "authToken",
    "RAY_REDIS_ADDRESS": "gcsFaultTolerance.redisAddress",
    "REDIS_PASSWORD": "gcsFaultTolerance.redisPassword",
    "REDIS_USERNAME": "gcsFaultTolerance.redisUsername",
}


def cluster_problems(
    settings: StackSettings, here: Place, cluster: RayClusterSettings, *, chart_version: str
) -> Iterator[Problem]:
    """What is wrong with a cluster whose settings are at ``here``, and whose raw values
    are for this version of the chart.
    """
    problems = list(unknown_keys(cluster.values, "ray-cluster", chart_version))
    problems = problems or list(raw_cluster_problems(cluster.values, cluster.additional_worker_groups))
    yield from (problem.below(*here, "values") for problem in problems)
    raw = {} if problems else cluster.values

    user = cluster.gcs_fault_tolerance and cluster.gcs_fault_tolerance.redis_username
    ray_version = cluster.ray_version or settings.ray_version
    if user and (lack := lacking("Redis user", kuberay=settings.kuberay_version, ray=ray_version)):
        yield Problem((*here, "gcsFaultTolerance", "redisUsername"), user, lack)
    if cluster.history_server and (lack := lacking("history server", kuberay=settings.kuberay_version)):
        yield Problem((*here, "historyServer"), {"store": cluster.history_server.store}, lack)
    if cluster.autoscaling:
        yield from core_problems((*here, "autoscaling"), cluster.autoscaling)
    scales = bool((raw.get("head") or {}).get("enableInTreeAutoscaling", cluster.autoscaling is not None))
    groups: dict[Place, GroupSettings] = {("head",): cluster.head, ("worker",): cluster.worker}
    groups |= {
        ("additionalWorkerGroups", name): group for name, group in cluster.additional_worker_groups.items()
    }
    for path, group in groups.items():
        yield from _group_checks(settings, cluster, (*here, *path), group, scales=scales)
        yield from _volume_checks(settings, here, path, group, logs=log_volume(cluster))
        yield from _shape_checks((*here, *path), group)
    for path, group in raw_groups(raw).items():
        if scales and group.get("maxReplicas") == 0 and group.get("disabled") is not True:
            yield Problem((*here, "values", *path, "maxReplicas"), 0, _NO_MAXIMUM)
    yield from _image_checks(settings, cluster, here, groups, raw_groups(raw))

    yield from _group_name_checks(here, cluster, raw)


def idle_autoscalers(plans: Iterable[PlacedPlan]) -> Iterator[Problem]:
    """Autoscalers of clusters without a worker group, however each was left out."""
    for placed in plans:
        if placed.plan.values["head"].get("enableInTreeAutoscaling") and len(placed.plan.groups) == 1:
            at, value = placed.place("head", "enableInTreeAutoscaling"), True
            if (given := placed.plan.settings.autoscaling) is not None:
                at, value = (*placed.here, "autoscaling"), given.as_given()
            why = "has no effect: the cluster has no worker group to scale; give it one, or leave this out"
            yield Problem(at, value, why)


def _group_name_checks(here: Place, cluster: RayClusterSettings, raw: dict[str, Any]) -> Iterator[Problem]:
    """Whether every group that is rendered has its own name, however it came in."""
    groups = raw_groups(raw)
    worker = {"groupName": cluster.worker.group_name, "disabled": not cluster.worker.enabled} | dict(
        groups.get(("worker",), {})
    )
    additional = {name: ("additionalWorkerGroups", name) for name in cluster.additional_worker_groups}
    additional = {path[-1]: ("values", *path) for path in groups if len(path) > 1} | additional
    additional = {
        name: path
        for name, path in additional.items()
        if groups.get(path[-2:], {}).get("disabled") is not True
    }
    if worker["disabled"] is not True:
        default, path = worker["groupName"], ("worker", "groupName")
        if default in additional:
            message = "is the name of the default worker group too (worker.groupName); rename one of them"
            yield Problem((*here, *additional[default]), default, message)
        if default in _KEPT_NAMES:
            raw_path = ("values", *path) if "groupName" in groups.get(("worker",), {}) else path
            yield Problem((*here, *raw_path), default, "is kept for the head pod; choose another name")
    for name in sorted(_KEPT_NAMES & additional.keys()):
        yield Problem((*here, *additional[name]), name, "is kept for the head pod; choose another name")


def _group_checks(
    settings: StackSettings, cluster: RayClusterSettings, here: Place, group: GroupSettings, *, scales: bool
) -> Iterator[Problem]:
    yield from request_problems(here, group)
    yield from core_problems(here, group)
    yield from _node_checks(here, group, group_architecture(settings, cluster, group))
    yield from _environment_checks(here, group)
    if group.ray_labels and (lack := lacking("Ray labels", kuberay=settings.kuberay_version)):
        yield Problem((*here, "rayLabels"), group.ray_labels, lack)
    if isinstance(group, WorkerGroupSettings):
        yield from _replica_checks(here, group, scales=scales, autoscaling=cluster.autoscaling is not None)


def _shape_checks(here: Place, group: GroupSettings) -> Iterator[Problem]:
    """Lists and containers, which are Kubernetes' own."""
    given = {
        "envFrom": group.env_from,
        "initContainers": group.init_containers,
        "sidecarContainers": group.sidecars,
    }
    for problem in group_value_problems((), {key: items for key, items in given.items() if items}):
        key, *rest = problem.path
        yield replace(problem, path=(*here, "sidecars" if key == "sidecarContainers" else key, *rest))


def request_problems(here: Place, pod: GroupSettings | SubmitterSettings) -> Iterator[Problem]:
    """Requests above their limits."""
    for key, request, limit in (
        ("cpuRequest", pod.cpu_request, pod.cpu),
        ("memoryRequest", pod.memory_request, pod.memory),
    ):
        if request is not None and parse_quantity(request) > parse_quantity(limit):
            yield Problem(
                (*here, key), request, f"is more than the limit {limit}: Kubernetes refuses such a pod"
            )


def core_problems(
    here: Place, sizes: GroupSettings | AutoscalingSettings | OperatorSettings
) -> Iterator[Problem]:
    """Hundreds of cores with the memory of a few."""
    cores = parse_quantity(sizes.cpu)
    is_plain = sizes.cpu.replace(".", "").isdecimal()
    if is_plain and cores >= 100 and parse_quantity(sizes.memory) < cores * _LEAST_MEMORY_OF_A_CORE:
        why = (
            f"is {cores.normalize():f} cores, far too many for {sizes.memory} of memory; did you mean"
            f" '{int(cores)}m'?"
        )
        yield Problem((*here, "cpu"), sizes.cpu, why)


def _node_checks(here: Place, group: GroupSettings, architecture: str) -> Iterator[Problem]:
    pinned = group.node_selector.get(ARCHITECTURE_LABEL)
    if pinned is not None:
        at = (*here, "nodeSelector", ARCHITECTURE_LABEL)
        yield Problem(at, pinned, f"is set by architecture (here {architecture}); leave it out")
    if group.gpus and group.tpus:
        yield Problem((*here, "tpus"), group.tpus, "cannot be together with gpus: no node has both")


def _environment_checks(here: Place, group: GroupSettings) -> Iterator[Problem]:
    for variable in sorted(_SET_BY_SETTINGS.keys() & group.env.keys()):
        yield Problem((*here, "env", variable), "…", f"is set by {_SET_BY_SETTINGS[variable]}; leave it out")


def _volume_checks(
    settings: StackSettings, cluster: Place, path: Place, group: GroupSettings, *, logs: str
) -> Iterator[Problem]:
    here = (*cluster, *path)
    names = [volume.name for volume in group.volumes] + [logs]
    mounted = {LOG_FOLDER: logs}
    for claim, folder in group.storage.items():
        at = (*here, "storage", claim)
        if claim not in settings.storage:
            known = (
                f"{did_you_mean(claim, settings.storage)}; it has: {', '.join(settings.storage) or 'none'}"
            )
            yield Problem(at, folder, f"is for a claim that the stack's storage has not{known}")
        if claim in names:
            yield Problem(
                at, folder, "is for a claim with the name of a volume of this group; rename one of them"
            )
        if other := mounted.get(_plain(folder)):
            yield Problem(at, folder, f"is where {other} is mounted already; choose another folder")
        mounted.setdefault(_plain(folder), claim)
    for index, mount in enumerate(group.volume_mounts):
        at = (*here, "volumeMounts", str(index))
        if mount.name not in names:
            known = f"{did_you_mean(mount.name, names)}; it has: {', '.join(names)}"
            yield Problem((*at, "name"), mount.name, f"is no volume of this group{known}")
        folder = _plain(mount.mount_path)
        if (other := mounted.get(folder)) == logs and mount.name in names[:-1]:
            instead = (
                f"{'.'.join((*cluster, 'values', *path))}.volumes: [{{name: {logs}, …}}] with the source"
                f" of {mount.name}"
            )
            why = (
                f"is where {logs} is, for Ray's logs; mount {mount.name} elsewhere, or put it in that"
                f" one's place: {instead}"
            )
            yield Problem((*at, "mountPath"), mount.mount_path, why)
        elif other is not None:
            yield Problem(
                (*at, "mountPath"),
                mount.mount_path,
                f"is where {other} is mounted already; choose another folder",
            )
        mounted.setdefault(folder, mount.name)
    seen: set[str] = {logs}
    for index, volume in enumerate(group.volumes):
        if volume.name in seen:
            at = (*here, "volumes", str(index), "name")
            yield Problem(at, volume.name, "is the name of another volume of this group")
        seen.add(volume.name)


def _plain(folder: str) -> str:
    """The folder however its slashes are written."""
    return normpath(f"/{folder.lstrip('/')}")


def _replica_checks(
    here: Place, group: WorkerGroupSettings, *, scales: bool, autoscaling: bool
) -> Iterator[Problem]:
    default = isinstance(group, DefaultWorkerGroupSettings)
    enabled = not default or group.enabled
    if scales and enabled and group.max_replicas == 0:
        yield Problem((*here, "maxReplicas"), 0, _NO_MAXIMUM)
    elif group.max_replicas is not None and group.replicas > group.max_replicas:
        more = f"is more than maxReplicas ({group.max_replicas}), the most KubeRay would run"
        yield Problem((*here, "replicas"), group.replicas, more)
    if group.replicas < group.min_replicas:
        fewer = f"is less than minReplicas ({group.min_replicas}), the fewest KubeRay would run"
        yield Problem((*here, "replicas"), group.replicas, fewer)
    if autoscaling and enabled and group.max_replicas is None:
        needed = "is required with autoscaling: the most workers of this group there may be"
        yield Problem((*here, "maxReplicas"), None, needed)
    if default and not enabled and (unused := group.model_fields_set - {"enabled"}):
        names = ", ".join(sorted(type(group).model_fields[name].alias or name for name in unused))
        yield Problem(
            (*here, "enabled"), False, f"leaves the group out, so that these have no effect: {names}"
        )


def _image_checks(
    settings: StackSettings,
    cluster: RayClusterSettings,
    here: Place,
    groups: dict[Place, GroupSettings],
    raw_values: Mapping[Place, Mapping[str, Any]],
) -> Iterator[Problem]:
    """An own image whose tag says aarch64 cannot start on x86 nodes; each such setting
    is named once, with the first group it fails.
    """
    named: set[Place] = set()
    for path, group in groups.items():
        raw = (
            isinstance(cluster.values.get("image"), dict)
            and {"repository", "tag"} & cluster.values["image"].keys()
        )
        levels: tuple[tuple[Place, str | None], ...] = (
            ((*here, "values", *path), _own_raw_image(settings, cluster, group, raw_values.get(path, {}))),
            ((*here, *path), group.image),
            ((*here, "values"), custom_image(settings, cluster, group) if raw else None),
            (here, cluster.image),
            ((), settings.image),
        )
        at, image = next(((at, image) for at, image in levels if image), ((), None))
        if image is None or at in named or group_architecture(settings, cluster, group) != "x86":
            continue
        if (split_reference(image)[1] or "").endswith("-aarch64"):
            named.add(at)
            yield Problem(
                (*at, "image"),
                image,
                f"is an aarch64 image, but {'.'.join((*here, *path))} runs on x86 nodes",
            )


def _own_raw_image(
    settings: StackSettings, cluster: RayClusterSettings, group: GroupSettings, raw_values: Mapping[str, Any]
) -> str | None:
    """The image that the raw values of a group name, in whole or in part."""
    raw: Mapping[str, Any] = raw_values.get("image") or {}
    if not {"repository", "tag"} & raw.keys():
        return None
    below = group_image(settings, cluster, group)
    return f"{raw.get('repository', below.repository)}:{raw.get('tag', below.tag)}"
