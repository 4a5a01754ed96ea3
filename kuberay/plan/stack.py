"""What a whole stack is to bring up, worked out once: checks, advice, components and
commands are handed the same plans. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from kuberay.facts.charts import OPERATOR_RELEASE
from kuberay.facts.digests import Seal
from kuberay.plan.cluster import ClusterPlan, plan_cluster, seal_cluster
from kuberay.plan.expose import Route
from kuberay.plan.fault_tolerance import is_fault_tolerant
from kuberay.plan.job import JobPlan, plan_job
from kuberay.plan.metrics import MetricsPlan, plan_metrics
from kuberay.plan.namespace import NamespacePlan, plan_namespace
from kuberay.plan.operator import OperatorPlan, plan_operator
from kuberay.plan.service import ServicePlan, plan_service, service_routes
from kuberay.plan.storage import ClaimPlan, plan_claims
from kuberay.plan.workload_clusters import (
    PlacedPlan,
    WorkloadCluster,
    plan_workload_cluster,
    workload_cluster_settings,
)
from kuberay.settings.adoption import AdoptedRelease
from kuberay.settings.stack import StackSettings


@dataclass(frozen=True)
class Adopted:
    """A Helm release that was made by hand and that the stack takes over."""

    revision: int
    """Which revision of it was read."""
    as_found: bool
    """Whether the stack's values are still those that render what it has rendered."""


@dataclass(frozen=True)
class StackPlan:
    """A stack's settings, and the plans made from them."""

    settings: StackSettings
    namespace: NamespacePlan
    operator: OperatorPlan
    clusters: Mapping[str, ClusterPlan]
    """The stack's own Ray clusters, by release."""
    workload_clusters: Mapping[str, WorkloadCluster]
    """The clusters that KubeRay makes, by whose they are: ``jobs.train``,
    ``services.chat``.
    """
    metrics: MetricsPlan | None
    """None where the settings ask for none."""
    routes: tuple[Route, ...] = ()
    """The ways in from outside the Kubernetes cluster, of clusters and services."""
    claims: tuple[ClaimPlan, ...] = ()
    """Storage that outlives pods."""
    seal: Seal | None = None
    """What its fingerprints are sealed with, where it holds secrets."""

    @cached_property
    def jobs(self) -> dict[str, JobPlan]:
        """The stack's jobs, by name."""
        settings = self.settings
        runs_on = {name: self._cluster_of(name, job.cluster) for name, job in settings.jobs.items()}
        planned = {name: plan_job(settings, name, cluster) for name, cluster in runs_on.items()}
        return {
            name: replace(job, fingerprint=self.as_shown(job.fingerprint)) for name, job in planned.items()
        }

    @cached_property
    def services(self) -> dict[str, ServicePlan]:
        """The stack's services, by name."""
        made = self.workload_clusters
        planned = {
            name: plan_service(self.settings, name, made[f"services.{name}"])
            for name in self.settings.services
        }
        return {
            name: replace(service, fingerprint=self.as_shown(service.fingerprint))
            for name, service in planned.items()
        }

    @property
    def adopted(self) -> dict[str, Adopted]:
        """The Helm releases, made by hand, that the stack takes over, by name."""
        given: dict[str, tuple[AdoptedRelease | None, str]] = {
            OPERATOR_RELEASE: (self.settings.operator.adopted, self.operator.fingerprint)
        }
        given |= {
            name: (cluster.adopted, self.clusters[name].fingerprint)
            for name, cluster in self.settings.clusters.items()
        }
        return {
            name: Adopted(release.revision, as_found=self.as_shown(release.fingerprint) == fingerprint)
            for name, (release, fingerprint) in given.items()
            if release
        }

    @cached_property
    def placed(self) -> list[PlacedPlan]:
        """All clusters of the stack and where their settings are, of workloads last."""
        own = [PlacedPlan(("clusters", name), plan) for name, plan in self.clusters.items()]
        made = self.workload_clusters.values()
        return own + [PlacedPlan((*cluster.what.split("."), "rayCluster"), cluster.plan) for cluster in made]

    def as_shown(self, fingerprint: str) -> str:
        """A fingerprint as anyone may see it."""
        return self.seal(fingerprint) if self.seal else fingerprint

    def _cluster_of(self, job: str, cluster: str | None) -> ClusterPlan | WorkloadCluster:
        return self.workload_clusters[f"jobs.{job}"] if cluster is None else self.clusters[cluster]


def plan_stack(settings: StackSettings) -> StackPlan:
    """Plans every part of a stack. The settings have to be in order
    (kuberay/checks).
    """
    clusters = {release: plan_cluster(settings, release) for release in settings.clusters}
    made = {what: plan_workload_cluster(settings, what) for what in workload_cluster_settings(settings)}
    heads = [cluster.ports for cluster in (*clusters.values(), *(each.plan for each in made.values()))]
    routes = [route for cluster in clusters.values() for route in cluster.routes]
    routes += [
        route
        for name in settings.services
        for route in service_routes(settings, name, made[f"services.{name}"])
    ]
    operator = plan_operator(settings)
    lone_heads = [cluster.name for cluster in clusters.values() if not is_fault_tolerant(cluster.values)]
    return StackPlan(
        settings=settings,
        namespace=plan_namespace(settings, heads, lone_heads),
        operator=operator,
        clusters=clusters,
        workload_clusters=made,
        metrics=plan_metrics(settings, operator),
        routes=tuple(routes),
        claims=plan_claims(settings),
    )


def seal_stack(plan: StackPlan, seal: Seal) -> StackPlan:
    """The plan of a stack that holds secrets, with fingerprints that anyone may see."""
    return replace(
        plan,
        operator=replace(plan.operator, fingerprint=seal(plan.operator.fingerprint)),
        clusters={name: seal_cluster(cluster, seal) for name, cluster in plan.clusters.items()},
        workload_clusters={
            what: replace(made, plan=seal_cluster(made.plan, seal))
            for what, made in plan.workload_clusters.items()
        },
        seal=seal,
    )
