"""What jobs and services need of the cluster that they run on, and of what it leaves
behind. Pure: plans in, problems out.
"""

from collections.abc import Iterator
from typing import Any

from kuberay.checks.messages import Place, Problem
from kuberay.facts.charts import Values
from kuberay.facts.labels import STORAGE_NAMESPACE
from kuberay.facts.versions import at_least
from kuberay.plan.ray_cluster_spec import head_environment, is_off, ray_start_params
from kuberay.plan.stack import StackPlan
from kuberay.plan.workload_clusters import PlacedPlan

_DASHBOARD, _LOG_MONITOR = "include-dashboard", "include-log-monitor"


def workload_problems(plan: StackPlan) -> Iterator[Problem]:
    """Every problem of jobs and services with a cluster, and of clusters with one
    another's storage.
    """
    yield from _dashboard_problems(plan)
    yield from _log_monitor_problems(plan)
    yield from _storage_problems(plan)


def _dashboard_problems(plan: StackPlan) -> Iterator[Problem]:
    """KubeRay submits jobs to Ray's dashboard, and asks it how applications are."""
    without = {placed.here: placed for placed in plan.placed if is_off(_head_params(placed), _DASHBOARD)}
    for here, placed in without.items():
        if here[0] != "clusters":
            what = (
                "submits the job to the dashboard"
                if here[0] == "jobs"
                else "asks the dashboard how the applications are"
            )
            at = placed.place("head", "rayStartParams", _DASHBOARD)
            yield Problem(
                at, _head_params(placed)[_DASHBOARD], f"cannot be here: KubeRay {what}; leave it out"
            )
    unnamed = {placed.here: placed for placed in plan.placed if _names_no_dashboard(placed)}
    for here, placed in unnamed.items():
        if here[0] != "clusters":
            why = (
                "lacks one of the name dashboard: KubeRay finds Ray's dashboard by that; add {name:"
                " dashboard, containerPort: 8265}"
            )
            yield Problem(placed.place("head", "ports"), placed.plan.values["head"]["ports"], why)
    for name, job in plan.settings.jobs.items():
        if job.cluster and ("clusters", job.cluster) in unnamed:
            why = (
                "has no port of the name dashboard (values.head.ports), by which KubeRay finds where to"
                " submit jobs"
            )
            yield Problem(("jobs", name, "cluster"), job.cluster, why)
        if job.cluster and ("clusters", job.cluster) in without:
            why = "has no dashboard (rayStartParams.include-dashboard: false), to which KubeRay submits jobs"
            yield Problem(("jobs", name, "cluster"), job.cluster, why)


def clusters_without_dashboard(plan: StackPlan) -> set[str]:
    """The stack's own clusters, as ``clusters.research``, whose head has no dashboard,
    or none that its Service leads to.
    """
    own = [placed for placed in plan.placed if placed.here[0] == "clusters"]
    return {
        ".".join(placed.here)
        for placed in own
        if is_off(_head_params(placed), _DASHBOARD) or _names_no_dashboard(placed)
    }


def _names_no_dashboard(placed: PlacedPlan) -> bool:
    """Ports of one's own stand in for all of KubeRay's (`getServicePorts`)."""
    ports: list[Values] = placed.plan.values["head"].get("ports") or []
    return bool(ports) and not any(port.get("name") == "dashboard" for port in ports)


def _log_monitor_problems(plan: StackPlan) -> Iterator[Problem]:
    """Earlier operators take it for a switch, which `false` leaves out
    (`convertParamMap`).
    """
    version = plan.settings.kuberay_version
    for placed in plan.placed:
        given = _head_params(placed).get(_LOG_MONITOR, "")
        # They pass other words for it on (`no`), and Ray takes them.
        if given.lower() == "false" and not at_least(version, "1.7.0"):
            at = placed.place("head", "rayStartParams", _LOG_MONITOR)
            yield Problem(
                at,
                given,
                f"has no effect before KubeRay 1.7.0, which alone passes it on; kuberayVersion is {version}",
            )


def _storage_problems(plan: StackPlan) -> Iterator[Problem]:
    """Whoever starts with the keys of another cluster in Redis takes that one's state
    for its own.
    """
    used: dict[tuple[str, str], str] = {}
    for placed in plan.placed:
        storage = _storage(placed)
        if storage is None:
            continue
        at: Place = (*placed.here, "gcsFaultTolerance", "externalStorageNamespace")
        _, namespace = storage
        if placed.here[0] == "services":
            yield Problem(
                at,
                namespace,
                "would be shared by the two clusters of an upgrade, and the new one take the old one's state;"
                " leave it out",
            )
        elif placed.here[0] == "jobs" and plan.settings.jobs[placed.here[1]].backoff_limit:
            yield Problem(
                at,
                namespace,
                "would be shared by the clusters of all tries (backoffLimit), and each take the state of the"
                " one before; leave it out",
            )
        elif storage in used:
            yield Problem(
                at,
                namespace,
                f"is that of {used[storage]} in the same Redis too: each would take the other's state; choose"
                " another",
            )
        used.setdefault(storage, ".".join(placed.here))


def _storage(placed: PlacedPlan) -> tuple[str, str] | None:
    """Redis and the prefix of the keys, where the owner has chosen one; else it is the
    cluster's UID.
    """
    values: Any = placed.plan.values
    options = values.get("gcsFaultTolerance") or {}
    if options.get("enabled") is False:
        options = {}
    namespace = options.get("externalStorageNamespace") or (values.get("annotations") or {}).get(
        STORAGE_NAMESPACE
    )
    address = options.get("redisAddress") or head_environment(values).get("RAY_REDIS_ADDRESS")
    # Names of hosts know no case, and the scheme says how to talk to the same Redis.
    return (str(address).lower().rpartition("://")[2], str(namespace)) if namespace and address else None


def _head_params(placed: PlacedPlan) -> dict[str, str]:
    return ray_start_params(placed.plan.values["head"])
