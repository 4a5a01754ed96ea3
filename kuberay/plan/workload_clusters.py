"""The Ray clusters that KubeRay makes for jobs and services, and any cluster of a stack
with the place of its settings. Pure.

No chart renders these clusters, and KubeRay chooses their names.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from kuberay.facts.objects import value_at
from kuberay.plan.cluster import ClusterPlan, plan_ray_cluster, secrets_of, with_resource
from kuberay.plan.ports import DEFAULT_PORTS, as_port
from kuberay.plan.protection import auth_options, uses_token
from kuberay.settings.cluster import RayClusterSettings
from kuberay.settings.metrics import MetricsSettings
from kuberay.settings.stack import StackSettings
from kuberay.settings.workloads import CLUSTER_FIELD, JobSettings, ServiceSettings

Spec = dict[str, Any]


@dataclass(frozen=True)
class WorkloadCluster:
    """The Ray cluster that KubeRay makes for one job or service."""

    what: str
    """Whose it is: ``jobs.train``, ``services.chat``."""
    plan: ClusterPlan
    token_options: dict[str, Any]
    """What in its spec lets KubeRay make a token; empty where the cluster asks for
    none, or the operator knows of none.
    """

    @property
    def spec(self) -> dict[str, Any]:
        """The RayCluster's spec."""
        return self.plan.spec if self.plan.resource else self.plan.spec | self.token_options


@dataclass(frozen=True, kw_only=True)
class WorkloadPlan(ABC):
    """What KubeRay is given of a job or a service."""

    settings: JobSettings | ServiceSettings
    namespace: str
    name: str
    cluster: ClusterPlan
    """The cluster that it runs on. Where KubeRay makes it, its name is for KubeRay to
    choose.
    """
    timeout: int
    """How long `up` waits until the job has ended or the service serves, in seconds."""
    delete_timeout: int
    """How long its deletion may take, in seconds."""
    spec: Spec
    annotations: dict[str, str]
    labels: dict[str, str]
    fingerprint: str
    summary: str
    """One line for a reviewer."""

    @property
    @abstractmethod
    def kind(self) -> str:
        """The kind of the resource."""


@dataclass(frozen=True)
class PlacedPlan:
    """Any cluster of a stack, and where its settings are."""

    here: tuple[str, ...]
    plan: ClusterPlan

    def path(self, group: str) -> tuple[str, ...]:
        """Where the settings of a group are, within the cluster's."""
        if group == "head":
            return ("head",)
        return (
            ("worker",)
            if group == self.plan.values["worker"].get("groupName")
            else ("additionalWorkerGroups", group)
        )

    def place(self, group: str, key: str, *below: str) -> tuple[str, ...]:
        """Where a value of a group was set, or what is below it: among the settings, or
        the raw values that are laid over them.
        """
        if self.plan.resource and group in self.plan.resource.touched:
            field = "headGroupSpec" if group == "head" else "workerGroupSpecs"
            kind, name, *_ = self.here
            of_cluster = [CLUSTER_FIELD[kind]] if kind in CLUSTER_FIELD else []
            return (kind, name, "spec", *of_cluster, field, key, *below)
        path = self.path(group)
        raw: Any = self.plan.settings.values
        for part in path:
            raw = raw.get(part) or {}
        return (*self.here, *(["values"] if key in raw else []), *path, key, *below)


def workload_cluster_settings(settings: StackSettings) -> dict[str, RayClusterSettings]:
    """The settings of all workload clusters of a stack, by whose they are:
    ``jobs.train``, ``services.chat``.
    """
    jobs = {
        f"jobs.{name}": job.ray_cluster or RayClusterSettings()
        for name, job in settings.jobs.items()
        if job.cluster is None
    }
    return jobs | {f"services.{name}": service.ray_cluster for name, service in settings.services.items()}


def plan_workload_cluster(settings: StackSettings, what: str) -> WorkloadCluster:
    """The workload cluster of ``jobs.train`` or ``services.chat``."""
    cluster = workload_cluster_settings(settings)[what]
    kind, _, key = what.partition(".")
    owner = settings.jobs[key] if kind == "jobs" else settings.services[key]
    if isinstance(owner, JobSettings):
        # Another variable is another job to KubeRay: it would run again for a panel in
        # a dashboard that goes with it.
        settings = settings.model_copy(update={"metrics": MetricsSettings()})
    token = uses_token(settings.protection, cluster.ray_version or settings.ray_version)
    # A name for the Secrets with a Redis password and a token: KubeRay gives the
    # cluster another one.
    name = what.replace(".", "-")
    secret = f"{name}-token" if token and owner.own_token else None
    plan = plan_ray_cluster(settings, name, cluster, token_secret=secret, serve_port=_serve_port(owner))
    options = auth_options(settings.kuberay_version, secret) if token else {}
    if over := (owner.run_spec if isinstance(owner, JobSettings) else owner.spec).get(CLUSTER_FIELD[kind]):
        secrets = secrets_of(settings, name, cluster, token=secret is not None)
        plan = with_resource(plan, over, labels={}, more=options, secrets=secrets)
    return WorkloadCluster(what, plan, options)


def _serve_port(owner: JobSettings | ServiceSettings) -> int | None:
    """Where the applications of a service answer by its Serve config, if that is not
    Ray's default.
    """
    config = owner.serve_config if isinstance(owner, ServiceSettings) else {}
    port = as_port(value_at(config, ("http_options", "port")))
    return port if port != DEFAULT_PORTS["serve"] else None


def beside_cluster(over: Spec, kind: str) -> Spec:
    """What is merged over a spec: that of its cluster is there already."""
    return {key: value for key, value in over.items() if key != CLUSTER_FIELD[kind]}
