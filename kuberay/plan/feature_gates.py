"""Which feature gates of the operator a stack needs. Pure.

With the gate off the operator refuses the whole resource, and does nothing more for it
(`ValidateRayClusterSpec`, `ValidateRayJobSpec`, `ValidateRayServiceSpec`, KubeRay 1.3.0
to 1.7.0).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from kuberay.facts.objects import value_at
from kuberay.settings.cluster import RayClusterSettings
from kuberay.settings.stack import StackSettings
from kuberay.settings.workloads import CLUSTER_FIELD, INCREMENTAL

Place = tuple[str, ...]
Asked = Iterator[tuple[str, Place]]
Gates = Mapping[str, tuple[str, str | None]]
"""Fields of a spec and their gates; with a value, where the field has that one."""

_OF_CLUSTERS: Gates = {
    "historyServerOptions": ("RayClusterHistoryServer", None),
    "networkPolicy": ("RayClusterNetworkPolicy", None),
    "tlsOptions": ("RayClusterMTLS", None),
    "gcsFaultToleranceOptions.backend": ("GCSFaultToleranceEmbeddedStorage", "rocksdb"),
}
_OF_JOBS: Gates = {
    "deletionPolicy": ("RayJobDeletionPolicy", None),
    "deletionStrategy": ("RayJobDeletionPolicy", None),
}
_OF_SERVICES: Gates = {"upgradeStrategy.type": ("RayServiceIncrementalUpgrade", INCREMENTAL)}


def needed_gates(settings: StackSettings) -> dict[str, Place]:
    """The gates that a stack needs, and the place of the first setting that does."""
    needed: dict[str, Place] = {}
    for gate, place in _asked(settings):
        needed.setdefault(gate, place)
    return needed


def _asked(settings: StackSettings) -> Asked:
    for name, cluster in settings.clusters.items():
        here = ("clusters", name)
        yield from _of_cluster(here, cluster)
        yield from _of_cluster_spec((*here, "spec"), cluster.spec)
    for name, job in settings.jobs.items():
        here = ("jobs", name)
        if job.schedule:
            yield "RayCronJob", (*here, "schedule")
        if job.deletion_rules:
            yield "RayJobDeletionPolicy", (*here, "deletionRules")
        at = (*here, "spec", *(["jobTemplate"] if job.schedule else []))
        yield from _of_cluster((*here, "rayCluster"), job.ray_cluster)
        yield from _of_run(at, job.run_spec, _OF_JOBS, CLUSTER_FIELD["jobs"])
    for name, service in settings.services.items():
        here = ("services", name)
        if service.upgrade_strategy == INCREMENTAL:
            yield "RayServiceIncrementalUpgrade", (*here, "upgradeStrategy")
        yield from _of_cluster((*here, "rayCluster"), service.ray_cluster)
        yield from _of_run((*here, "spec"), service.spec, _OF_SERVICES, CLUSTER_FIELD["services"])


def _of_run(here: Place, spec: Any, gates: Gates, cluster: str) -> Asked:
    """What is merged over a job or a service; ``cluster``: where its cluster is."""
    yield from _of_fields(here, spec, gates)
    yield from _of_cluster_spec((*here, cluster), value_at(spec, [cluster]))


def _of_cluster(here: Place, cluster: RayClusterSettings | None) -> Asked:
    if cluster and cluster.history_server:
        yield "RayClusterHistoryServer", (*here, "historyServer")


def _of_cluster_spec(here: Place, spec: Any) -> Asked:
    yield from _of_fields(here, spec, _OF_CLUSTERS)
    groups = value_at(spec, ["workerGroupSpecs"])
    for index, group in enumerate(groups if isinstance(groups, list) else ()):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        if value_at(group, ["suspend"]) is True:
            yield "RayJobDeletionPolicy", (*here, "workerGroupSpecs", str(index), "suspend")


def _of_fields(here: Place, spec: Any, gates: Gates) -> Asked:
    for field, (gate, wanted) in gates.items():
        given = value_at(spec, field.split("."))
        if given is not None and wanted in (None, given):
            yield gate, (*here, *field.split("."))
