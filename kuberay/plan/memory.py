"""What Ray makes of a pod's memory, told from the settings. Pure: a plan in, figures
out.

The rules are those of Ray 2.46 (`_private/resource_spec.py`, `services.py`:
`determine_plasma_store_config`, `ray_config_def.h`) and of KubeRay 1.3 to 1.7
(`common/pod.go`: `generateRayStartCommand`, `addEmptyDir`). What Ray's own processes
take was measured, with Ray 2.46.0 and Python 3.11 in real pods: read it as "about".
What a head has when it computes its object store depends on how far its dashboard is by
then: 620 to 875 MB were seen, so its object store is told at the lower end.
"""

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from kuberay.facts.charts import Values
from kuberay.facts.object_store import OBJECT_STORE_SHARE
from kuberay.facts.quantities import in_gb, parse_quantity
from kuberay.plan.cluster import ClusterPlan
from kuberay.plan.pods import limits_of, rendered_groups
from kuberay.plan.ray_cluster_spec import is_off, ray_start_params

#: An object store that is larger than /dev/shm is put on disk up to this size, and
#: refused above it (`REQUIRE_SHM_SIZE_THRESHOLD`).
LARGEST_ON_DISK = 10_000_000_000


@dataclass(frozen=True)
class OwnProcesses:
    """What Ray takes for itself in a pod, in bytes."""

    before_the_store: int
    """What runs already when it computes the object store from the memory that is free.
    """
    in_all: int
    """GCS, dashboard, raylet, agents; no worker process."""


HEAD = OwnProcesses(830_000_000, 1_020_000_000)
_HEAD_WITHOUT_DASHBOARD = OwnProcesses(270_000_000, 400_000_000)
_WORKER = OwnProcesses(85_000_000, 250_000_000)


@dataclass(frozen=True)
class PodMemory:
    """What Ray gets in each pod of a group; memory in bytes."""

    limit: int
    """The container's limit, which Ray reads from its cgroup."""
    schedulable: int
    """Ray's resource `memory`, for tasks that ask for some. KubeRay passes the whole
    limit, so it includes the object store and Ray's own processes again.
    """
    cpus: int
    """Ray's resource `CPU`, and so how many worker processes there are."""
    shared_memory: int | None
    """Size of /dev/shm, where the object store lies; None where an own volume does not
    say.
    """
    object_store: int
    """Ray's resource `object_store_memory`: what the settings say, else about 30 % of
    what is free when Ray starts.
    """
    most_object_store: int
    """The bound that holds however much is free."""
    own_processes: int
    """What Ray takes for itself, about."""
    kills_from: int | None
    """From this use on Ray's memory monitor kills tasks (95 % of the limit); None where
    it is off.
    """

    @property
    def left_for_workers(self) -> int:
        """What tasks and actors can use together once the object store is full; 0 or
        less where that is nothing.
        """
        return (self.kills_from or self.limit) - self.own_processes - self.object_store

    @property
    def summary(self) -> str:
        """One line for a reader: ``4 GB: object store 0.95 GB, Ray itself 1.02 GB, left
        for tasks 1.83 GB``.
        """
        parts = (
            f"object store {in_gb(self.object_store)}, Ray itself {in_gb(self.own_processes)}, "
            f"left for tasks {in_gb(max(self.left_for_workers, 0))}"
        )
        return f"{in_gb(self.limit)}: {parts}"


def cluster_memory(plan: ClusterPlan) -> dict[str, PodMemory]:
    """What the pods of each group of a cluster get, by the group's name; groups without
    a memory limit are left out.
    """
    return {
        name: _pod_memory(plan.values, group, is_head=name == "head")
        for name, group in rendered_groups(plan.values).items()
        if parse_quantity(limits_of(group).get("memory", 0))
    }


def _pod_memory(values: Values, group: Values, *, is_head: bool) -> PodMemory:
    params, environment = ray_start_params(group), _environment(values, group)
    limits = limits_of(group)
    limit = int(parse_quantity(limits["memory"]))
    own = own_processes_of(params, is_head=is_head)
    shared = _shared_memory(group, limit)
    portion = _number(environment, "RAY_DEFAULT_OBJECT_STORE_MEMORY_PROPORTION", str(OBJECT_STORE_SHARE))
    cap = int(_number(environment, "RAY_DEFAULT_OBJECT_STORE_MAX_MEMORY_BYTES", "200000000000"))
    if shared is not None:
        cap = min(cap, max(LARGEST_ON_DISK, int(shared * Decimal("0.95"))))
    said = params.get("object-store-memory")
    threshold = _number(environment, "RAY_memory_usage_threshold", "0.95")
    watches = environment.get("RAY_memory_monitor_refresh_ms") != "0"
    return PodMemory(
        limit=limit,
        schedulable=int(params.get("memory", limit)),
        # As Kubernetes rounds a quantity to a whole number: up.
        cpus=int(params.get("num-cpus") or math.ceil(parse_quantity(limits.get("cpu", 0)))),
        shared_memory=shared,
        object_store=int(said) if said else min(cap, max(0, int((limit - own.before_the_store) * portion))),
        most_object_store=int(said) if said else min(cap, int(limit * portion)),
        own_processes=own.in_all,
        kills_from=int(limit * threshold) if watches else None,
    )


def own_processes_of(params: Mapping[str, str], *, is_head: bool) -> OwnProcesses:
    """What Ray takes for itself in a pod that is started with these flags."""
    if not is_head:
        return _WORKER
    return _HEAD_WITHOUT_DASHBOARD if is_off(params, "include-dashboard") else HEAD


def _shared_memory(group: Values, limit: int) -> int | None:
    """KubeRay mounts a volume `shared-mem` of the limit's size, unless the pod has its
    own.
    """
    mounts: list[Values] = group.get("volumeMounts") or []
    name = next(
        (mount.get("name") for mount in mounts if str(mount.get("mountPath")).rstrip("/") == "/dev/shm"),
        "shared-mem",
    )
    volume = next((volume for volume in group.get("volumes") or [] if volume.get("name") == name), None)
    if volume is None:
        return limit
    empty: Values = volume.get("emptyDir") or {}
    if empty.get("medium") != "Memory":
        return None
    with suppress(ValueError):  # The API server's to refuse.
        # The kubelet makes none larger than the pod's limit.
        return min(limit, int(parse_quantity(empty.get("sizeLimit") or limit)))
    return None


def _environment(values: Values, group: Values) -> dict[str, str]:
    both = [*(values["common"].get("containerEnv") or []), *(group.get("containerEnv") or [])]
    return {
        variable["name"]: str(variable["value"]) for variable in both if variable.get("value") is not None
    }


def _number(environment: Mapping[str, str], name: str, default: str) -> Decimal:
    """As Ray reads its variables; one that is no number is Ray's to refuse."""
    try:
        return Decimal(environment.get(name, default))
    except InvalidOperation:
        return Decimal(default)
