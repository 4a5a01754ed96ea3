"""A service: from settings to a RayService. Pure."""

from dataclasses import dataclass

import yaml

from kuberay.facts.digests import fingerprint
from kuberay.facts.labels import SERVE_ANNOTATIONS
from kuberay.plan.cluster import head_service_type
from kuberay.plan.expose import Route, Target, plan_routes
from kuberay.plan.workload_clusters import Spec, WorkloadCluster, WorkloadPlan, beside_cluster
from kuberay.settings.overrides import merge, without_nulls
from kuberay.settings.stack import StackSettings
from kuberay.settings.workloads import ServiceSettings, application_name


@dataclass(frozen=True, kw_only=True)
class ServicePlan(WorkloadPlan):
    """One RayService. Its fingerprint changes with anything of it."""

    settings: ServiceSettings
    applications: frozenset[str]
    port: int
    """Where the applications answer."""
    routes: tuple[Route, ...] = ()
    """The ways in to it from outside the Kubernetes cluster."""

    @property
    def kind(self) -> str:
        return "RayService"

    @property
    def serve_service(self) -> str:
        """The Kubernetes Service of the applications; KubeRay makes it once they run,
        and leads it over to each new cluster.
        """
        return _services_of(self.name)["serve"]

    @property
    def serve_service_type(self) -> str:
        """The type of that Service."""
        given = self.settings.serve_service
        return given.type if given else head_service_type(self.cluster.values)

    @property
    def head_service(self) -> str:
        """The dashboard's Service; KubeRay leads it over to each new cluster."""
        return _services_of(self.name)["dashboard"]

    @property
    def gateway(self) -> str | None:
        """The Gateway of the applications, which stands in for their Service where
        upgrades are incremental.
        """
        return f"{self.name}-gateway" if self.settings.cluster_upgrade_options else None


def _services_of(name: str) -> dict[Target, str]:
    return {"dashboard": f"{name}-head-svc", "serve": f"{name}-serve-svc"}


def service_routes(settings: StackSettings, name: str, made: WorkloadCluster) -> tuple[Route, ...]:
    """The ways in to a service from outside the Kubernetes cluster."""
    return plan_routes(
        settings, f"services.{name}", settings.services[name].expose, _services_of(name), made.plan.ports
    )


def plan_service(settings: StackSettings, name: str, made: WorkloadCluster) -> ServicePlan:
    """One of the stack's services as KubeRay takes it, on the cluster that KubeRay
    makes for it.
    """
    service = settings.services[name]
    cluster = made.plan
    spec: Spec = {
        "serveConfigV2": yaml.safe_dump(service.serve_config),
        "rayClusterConfig": made.spec,
        "upgradeStrategy": {"type": service.upgrade_strategy},
    }
    if options := service.cluster_upgrade_options:
        spec["upgradeStrategy"]["clusterUpgradeOptions"] = options.model_dump(by_alias=True)
    if service.serve_service:
        annotations = service.serve_service.annotations
        # Which are the stack's: clouds write annotations of their own.
        written = {**annotations, SERVE_ANNOTATIONS: ",".join(sorted(annotations))}
        spec["serveService"] = {
            "metadata": {"annotations": written},
            "spec": {"type": service.serve_service.type},
        }
    if service.exclude_head_pod_from_serve_svc:
        # Never as false: an operator that writes the whole object leaves that out, and
        # each refresh would find a difference.
        spec["excludeHeadPodFromServeSvc"] = True
    spec = merge(spec, beside_cluster(service.spec, "services"))
    applications = [application_name(application) for application in service.serve_config["applications"]]
    return ServicePlan(
        settings=service,
        namespace=settings.namespace,
        name=name,
        cluster=cluster,
        timeout=service.timeout_seconds or settings.timeout_seconds,
        delete_timeout=settings.timeout_seconds,
        spec=without_nulls(spec),
        annotations=without_nulls(cluster.values.get("annotations") or {}) | service.annotations,
        labels=service.all_labels,
        applications=frozenset(applications),
        port=cluster.ports["serve"],
        fingerprint=fingerprint(spec),
        summary=(
            f"{', '.join(applications)} on {cluster.cpu} CPU, {cluster.memory} memory, {cluster.head.image}"
        ),
        routes=service_routes(settings, name, made),
    )
