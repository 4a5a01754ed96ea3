"""What Ray makes of a pod's memory, told from the settings. Pure: a plan in, figures and advice out.

The rules are those of Ray 2.46 (`_private/resource_spec.py`, `services.py`: `determine_plasma_store_config`, `ray_config_def.h`) and of
KubeRay 1.3 to 1.7 (`common/pod.go`: `generateRayStartCommand`, `addEmptyDir`). What Ray's own processes take was measured, with Ray 2.46.0
and Python 3.11 in real pods: read it as "about". What a head has when it computes its object store depends on how far its dashboard is by
then: 620 to 875 MB were seen, so its object store is told at the lower end.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from kuberay.checks.problem import Problem
from kuberay.facts.charts import Values
from kuberay.facts.quantities import parse_quantity
from kuberay.plan.cluster import ClusterPlan
from kuberay.plan.pods import rendered_groups
from kuberay.plan.ray_cluster_spec import ray_start_params
from kuberay.plan.workloads import PlacedPlan, placed_plans
from kuberay.settings.stack import StackSettings

#: Ray ends with exit code 1 where its object store would be smaller (`OBJECT_STORE_MINIMUM_MEMORY_BYTES`).
SMALLEST_OBJECT_STORE = 78_643_200
#: One that is larger than /dev/shm is put on disk up to this size, and refused above it (`REQUIRE_SHM_SIZE_THRESHOLD`).
_LARGEST_ON_DISK = 10_000_000_000

#: A head that is smaller has little left beside Ray's own processes: KubeRay's samples and charts start at this size.
_SMALLEST_HEAD = 2_000_000_000
#: A worker process that does nothing: Ray starts as many of them as the pod has CPUs (`num_prestart_python_workers`).
_IDLE_WORKER = 50_000_000


@dataclass(frozen=True)
class _OwnProcesses:
    """What Ray takes for itself in a pod, in bytes."""

    before_the_store: int
    """What runs already when it computes the object store from the memory that is free."""
    in_all: int
    """GCS, dashboard, raylet, agents; no worker process."""


_HEAD = _OwnProcesses(830_000_000, 1_020_000_000)
_HEAD_WITHOUT_DASHBOARD = _OwnProcesses(270_000_000, 400_000_000)
_WORKER = _OwnProcesses(85_000_000, 250_000_000)


@dataclass(frozen=True)
class PodMemory:
    """What Ray gets in each pod of a group; memory in bytes."""

    limit: int
    """The container's limit, which Ray reads from its cgroup."""
    schedulable: int
    """Ray's resource `memory`, for tasks that ask for some. KubeRay passes the whole limit, so it counts what follows here once more."""
    cpus: int
    """Ray's resource `CPU`, and so how many worker processes there are."""
    shared_memory: int | None
    """Size of /dev/shm, where the object store lies; None where an own volume does not say."""
    object_store: int
    """Ray's resource `object_store_memory`: what the settings say, else about 30 % of what is free when Ray starts."""
    most_object_store: int
    """The bound that holds however much is free."""
    own_processes: int
    """What Ray takes for itself, about."""
    kills_from: int | None
    """From this use on Ray's memory monitor kills tasks (95 % of the limit); None where it is off."""

    @property
    def left_for_workers(self) -> int:
        """What tasks and actors can use together once the object store is full; 0 or less where that is nothing."""
        return (self.kills_from or self.limit) - self.own_processes - self.object_store

    @property
    def summary(self) -> str:
        """One line for a reader: ``4 GB: object store 0.95 GB, Ray itself 1.02 GB, left for tasks 1.83 GB``."""
        parts = (
            f"object store {_gb(self.object_store)}, Ray itself {_gb(self.own_processes)}, "
            f"left for tasks {_gb(max(self.left_for_workers, 0))}"
        )
        return f"{_gb(self.limit)}: {parts}"


def cluster_memory(plan: ClusterPlan) -> dict[str, PodMemory]:
    """What the pods of each group of a cluster get, by the group's name; groups without a memory limit are left out."""
    return {
        name: _pod_memory(plan.values, group, is_head=name == "head")
        for name, group in rendered_groups(plan.values).items()
        if parse_quantity(_limits(group).get("memory", 0))
    }


def memory_problems(plans: Iterable[PlacedPlan]) -> Iterator[Problem]:
    """Sizes that Ray refuses whatever else is so: where, the value, and why."""
    for placed in plans:
        for name, group in rendered_groups(placed.plan.values).items():
            at = placed.place(name, "rayStartParams")
            yield from _problems(at, _limits(group).get("memory"), ray_start_params(group))


def memory_advice(settings: StackSettings) -> Iterator[str]:
    """Sizes with which Ray is known to fail, or to be of little use: a line each."""
    for placed in placed_plans(settings):
        groups = rendered_groups(placed.plan.values)
        for name, memory in cluster_memory(placed.plan).items():
            line = _advice(memory, _limits(groups[name])["memory"], ray_start_params(groups[name]), is_head=name == "head")
            if line:
                yield f"{'.'.join((*placed.here, *placed.path(name)))}: {line}"


def _problems(here: tuple[str, ...], limit: Any, params: Mapping[str, str]) -> Iterator[Problem]:
    for flag in ("memory", "object-store-memory", "num-cpus", "num-gpus"):
        if flag in params and not params[flag].isdecimal():
            unit = "a whole number of bytes, without a unit" if "memory" in flag else "a whole number"
            yield Problem((*here, flag), params[flag], f"is refused by `ray start`: it must be {unit}")
            return
    store = params.get("object-store-memory")
    if store is None:
        return
    at = (*here, "object-store-memory")
    if int(store) < SMALLEST_OBJECT_STORE:
        yield Problem(at, store, f"is less than Ray's smallest object store, {SMALLEST_OBJECT_STORE} bytes")
    elif "plasma-directory" not in params and limit and int(store) > parse_quantity(limit) > 0:
        yield Problem(at, store, f"is more than the pod's memory ({limit}): Ray refuses to start")


def _advice(memory: PodMemory, limit: str, params: Mapping[str, str], *, is_head: bool) -> str | None:
    own = _own_processes(params, is_head=is_head)
    if memory.object_store < SMALLEST_OBJECT_STORE:
        enough = own.before_the_store + SMALLEST_OBJECT_STORE / Decimal("0.3")
        return (
            f"memory {limit} is too little: Ray would take {_mb(memory.object_store)} for its object store (30 % of what is free when it "
            f"starts) and ends with exit code 1 below {SMALLEST_OBJECT_STORE} bytes; it starts from about {_mb(int(enough))}"
            + (", and a head is of use from 2G" if own is _HEAD else "")
        )
    if "plasma-directory" not in params and memory.shared_memory is not None and memory.object_store > memory.shared_memory:
        beyond = "refuses to start" if memory.object_store > _LARGEST_ON_DISK else "puts it on disk, which is slow"
        return f"the object store of {_gb(memory.object_store)} is larger than /dev/shm ({_gb(memory.shared_memory)}): Ray {beyond}"
    if own is _HEAD and memory.limit < _SMALLEST_HEAD:
        return (
            f"memory {limit} is little for a head: Ray's own processes take about {_gb(own.in_all)} of it, "
            f"the object store {_gb(memory.object_store)}; give it 2G, or leave the dashboard out (rayStartParams.include-dashboard: false)"
        )
    idle = memory.cpus * _IDLE_WORKER
    if memory.kills_from is not None and own.in_all + idle > memory.kills_from:
        return (
            f"memory {limit} is too little for {memory.cpus} CPUs: Ray starts a worker process for each, about {_mb(idle)} before any does "
            f"something, beside its own {_gb(own.in_all)}, and kills tasks from {_gb(memory.kills_from)} on; give it more memory, or fewer "
            "CPUs (rayStartParams.num-cpus)"
        )
    return None


def _pod_memory(values: Values, group: Values, *, is_head: bool) -> PodMemory:
    params, environment = ray_start_params(group), _environment(values, group)
    limits = _limits(group)
    limit = int(parse_quantity(limits["memory"]))
    own = _own_processes(params, is_head=is_head)
    shared = _shared_memory(group, limit)
    portion = _number(environment, "RAY_DEFAULT_OBJECT_STORE_MEMORY_PROPORTION", "0.3")
    cap = int(_number(environment, "RAY_DEFAULT_OBJECT_STORE_MAX_MEMORY_BYTES", "200000000000"))
    if shared is not None:
        cap = min(cap, max(_LARGEST_ON_DISK, int(shared * Decimal("0.95"))))
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


def _own_processes(params: Mapping[str, str], *, is_head: bool) -> _OwnProcesses:
    if not is_head:
        return _WORKER
    return _HEAD_WITHOUT_DASHBOARD if params.get("include-dashboard") == "false" else _HEAD


def _shared_memory(group: Values, limit: int) -> int | None:
    """KubeRay mounts a volume `shared-mem` of the limit's size, unless the pod has its own."""
    mounts: list[Values] = group.get("volumeMounts") or []
    name = next((mount.get("name") for mount in mounts if str(mount.get("mountPath")).rstrip("/") == "/dev/shm"), "shared-mem")
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
    return {variable["name"]: str(variable["value"]) for variable in both if variable.get("value") is not None}


def _number(environment: Mapping[str, str], name: str, default: str) -> Decimal:
    """As Ray reads its variables; one that is no number is Ray's to refuse."""
    try:
        return Decimal(environment.get(name, default))
    except InvalidOperation:
        return Decimal(default)


def _limits(group: Values) -> Values:
    return (group.get("resources") or {}).get("limits") or {}


def _gb(amount: int) -> str:
    return f"{float(round(Decimal(amount) / 10**9, 2)):g} GB"


def _mb(amount: int) -> str:
    return f"{amount // 10**6} MB"
