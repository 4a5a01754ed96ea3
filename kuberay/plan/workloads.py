"""The clusters that KubeRay makes for jobs and services, which no chart renders and whose names KubeRay chooses; and all of a stack."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kuberay.plan.ray_cluster_spec import ray_cluster_spec
from kuberay.plan.token_auth import auth_options, uses_token
from kuberay.plan.values import ClusterPlan, plan_cluster, plan_ray_cluster
from kuberay.settings.cluster import RayClusterSettings
from kuberay.settings.stack import StackSettings


@dataclass(frozen=True)
class OwnCluster:
    """One of them."""

    what: str
    """Whose it is: ``jobs.train``, ``services.chat``."""
    settings: RayClusterSettings
    plan: ClusterPlan
    token_options: dict[str, Any]
    """By which KubeRay makes a token that the cluster asks for; empty where it does not, or where the operator knows none."""

    @property
    def spec(self) -> dict[str, Any]:
        """The RayCluster's spec."""
        return ray_cluster_spec(self.plan.values) | self.token_options


@dataclass(frozen=True)
class PlacedPlan:
    """Any cluster of a stack, and where its settings are."""

    here: tuple[str, ...]
    settings: RayClusterSettings
    plan: ClusterPlan

    def path(self, group: str) -> tuple[str, ...]:
        """Where the settings of a group are, within the cluster's."""
        if group == "head":
            return ("head",)
        return ("worker",) if group == self.plan.values["worker"].get("groupName") else ("additionalWorkerGroups", group)

    def place(self, group: str, key: str) -> tuple[str, ...]:
        """Where a value of a group was set: among the settings, or the raw values that are laid over them."""
        path = self.path(group)
        raw: Any = self.settings.values
        for part in path:
            raw = raw.get(part) or {}
        return (*self.here, *(["values"] if key in raw else []), *path, key)


def placed_plans(settings: StackSettings) -> Iterator[PlacedPlan]:
    """All clusters of a stack, its own first."""
    for name, cluster in settings.clusters.items():
        yield PlacedPlan(("clusters", name), cluster, plan_cluster(settings, name))
    for own in own_clusters(settings):
        yield PlacedPlan((*own.what.split("."), "rayCluster"), own.settings, own.plan)


def own_cluster_settings(settings: StackSettings) -> dict[str, RayClusterSettings]:
    """The settings of all of a stack, by whose they are: ``jobs.train``, ``services.chat``."""
    jobs = {f"jobs.{name}": job.ray_cluster or RayClusterSettings() for name, job in settings.jobs.items() if job.cluster is None}
    return jobs | {f"services.{name}": service.ray_cluster for name, service in settings.services.items()}


def own_clusters(settings: StackSettings) -> Iterator[OwnCluster]:
    """All of a stack."""
    return (own_cluster(settings, what) for what in own_cluster_settings(settings))


def own_cluster(settings: StackSettings, what: str) -> OwnCluster:
    """The one that is ``what``'s."""
    cluster = own_cluster_settings(settings)[what]
    token = uses_token(settings.protection, cluster.ray_version or settings.ray_version)
    # The name is for Secrets of the stack's own, a Redis password: no cluster has it.
    plan = plan_ray_cluster(settings, what.replace(".", "-"), cluster)
    return OwnCluster(what, cluster, plan, auth_options(settings.kuberay_version) if token else {})
