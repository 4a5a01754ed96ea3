"""Sizes with which Ray does not start, or is of little use. Pure: plans in, problems
and advice out.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kuberay.checks.messages import Place, Problem
from kuberay.facts.object_store import OBJECT_STORE_SHARE, SMALLEST_OBJECT_STORE
from kuberay.facts.quantities import in_gb, in_mb, parse_quantity
from kuberay.plan.memory import HEAD, LARGEST_ON_DISK, PodMemory, cluster_memory, own_processes_of
from kuberay.plan.pods import limits_of, rendered_groups
from kuberay.plan.ray_cluster_spec import ray_start_params
from kuberay.plan.workload_clusters import PlacedPlan

#: A head that is smaller has little left beside Ray's own processes: KubeRay's samples
#: and charts start at this size.
_SMALLEST_HEAD = 2_000_000_000
#: A worker process that does nothing: Ray starts as many of them as the pod has CPUs
#: (`num_prestart_python_workers`).
_IDLE_WORKER = 50_000_000


def memory_problems(plans: Iterable[PlacedPlan]) -> Iterator[Problem]:
    """Sizes that Ray refuses whatever else is so: where, the value, and why."""
    for placed in plans:
        for name, group in rendered_groups(placed.plan.values).items():
            at = placed.place(name, "rayStartParams")
            yield from _problems(at, limits_of(group).get("memory"), ray_start_params(group))


def memory_advice(plans: Iterable[PlacedPlan]) -> Iterator[str]:
    """Sizes with which Ray is known to fail, or to be of little use: a line each."""
    for placed in plans:
        groups = rendered_groups(placed.plan.values)
        for name, memory in cluster_memory(placed.plan).items():
            params, limit = ray_start_params(groups[name]), limits_of(groups[name])["memory"]
            line = _advice(
                memory, limit, params, is_head=name == "head", is_shared=placed.here[0] == "clusters"
            )
            if line:
                yield f"{'.'.join((*placed.here, *placed.path(name)))}: {line}"


def _problems(here: Place, limit: Any, params: Mapping[str, str]) -> Iterator[Problem]:
    store = params.get("object-store-memory", "")
    if not store.isdecimal():
        return
    at = (*here, "object-store-memory")
    if int(store) < SMALLEST_OBJECT_STORE:
        yield Problem(at, store, f"is less than Ray's smallest object store, {SMALLEST_OBJECT_STORE} bytes")
    elif "plasma-directory" not in params and limit and int(store) > parse_quantity(limit) > 0:
        yield Problem(at, store, f"is more than the pod's memory ({limit}): Ray refuses to start")


def _advice(
    memory: PodMemory, limit: str, params: Mapping[str, str], *, is_head: bool, is_shared: bool
) -> str | None:
    own = own_processes_of(params, is_head=is_head)
    if memory.object_store < SMALLEST_OBJECT_STORE:
        enough = own.before_the_store + SMALLEST_OBJECT_STORE / OBJECT_STORE_SHARE
        return (
            f"memory {limit} is too little: Ray would take {in_mb(memory.object_store)} for its object store"
            f" (30 % of what is free when it starts) and ends with exit code 1 below {SMALLEST_OBJECT_STORE}"
            f" bytes; it starts from about {in_mb(int(enough))}"
            + (", and a head is of use from 2G" if own is HEAD else "")
        )
    shared = memory.shared_memory
    if "plasma-directory" not in params and shared is not None and memory.object_store > shared:
        beyond = (
            "refuses to start" if memory.object_store > LARGEST_ON_DISK else "puts it on disk, which is slow"
        )
        store = in_gb(memory.object_store)
        return f"the object store of {store} is larger than /dev/shm ({in_gb(shared)}): Ray {beyond}"
    if own is HEAD and memory.limit < _SMALLEST_HEAD:
        # KubeRay needs it for every job and service.
        without = (
            ", or, where no job runs on it, leave the dashboard out (rayStartParams.include-dashboard: false)"
        )
        return (
            f"memory {limit} is little for a head: Ray's own processes take about {in_gb(own.in_all)} of it, "
            f"the object store {in_gb(memory.object_store)}; give it 2G" + (without if is_shared else "")
        )
    idle = memory.cpus * _IDLE_WORKER
    if memory.kills_from is not None and own.in_all + idle > memory.kills_from:
        return (
            f"memory {limit} is too little for {memory.cpus} CPUs: Ray starts a worker process for each, "
            f"about {in_mb(idle)} before any does something, beside its own {in_gb(own.in_all)}, "
            f"and kills tasks from {in_gb(memory.kills_from)} on; give it more memory, or fewer CPUs "
            "(rayStartParams.num-cpus)"
        )
    return None
