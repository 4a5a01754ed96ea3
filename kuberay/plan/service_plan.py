"""A RayService, from the stack's settings. Pure: no Pulumi resource is made here."""

from dataclasses import dataclass
from typing import Any

import yaml

from kuberay.facts.digests import fingerprint
from kuberay.plan.values import ClusterPlan
from kuberay.plan.workloads import own_cluster
from kuberay.settings.stack import StackSettings
from kuberay.settings.workloads import application_name

SERVE_PORT = 8000


@dataclass(frozen=True)
class ServicePlan:
    """One RayService."""

    name: str
    spec: dict[str, Any]
    annotations: dict[str, str]
    cluster: ClusterPlan
    """The cluster that KubeRay makes; its name is for KubeRay to choose."""
    applications: frozenset[str]
    port: int
    """Where the applications answer."""
    fingerprint: str
    """Changes with anything of it."""
    summary: str
    """One line for a reviewer."""

    @property
    def serve_service(self) -> str:
        """The Kubernetes Service of the applications; KubeRay makes it once they run, and leads it over to each new cluster."""
        return f"{self.name}-serve-svc"

    @property
    def head_service(self) -> str:
        """The Kubernetes Service of the dashboard, led over likewise."""
        return f"{self.name}-head-svc"


def plan_service(settings: StackSettings, name: str) -> ServicePlan:
    """One of the stack's services as KubeRay takes it."""
    service = settings.services[name]
    own = own_cluster(settings, f"services.{name}")
    cluster = own.plan
    spec: dict[str, Any] = {
        "serveConfigV2": yaml.safe_dump(service.serve_config),
        "rayClusterConfig": own.spec,
        "upgradeStrategy": {"type": service.upgrade_strategy},
    }
    if service.exclude_head_pod_from_serve_svc:
        # Never as false: an operator that writes the whole object leaves that out, and each refresh would find a difference.
        spec["excludeHeadPodFromServeSvc"] = True
    applications = [application_name(application) for application in service.serve_config["applications"]]
    ports = cluster.values["head"].get("ports") or []
    return ServicePlan(
        name=name,
        spec=spec,
        annotations=cluster.values.get("annotations") or {},
        cluster=cluster,
        applications=frozenset(applications),
        port=next((int(port["containerPort"]) for port in ports if port.get("name") == "serve"), SERVE_PORT),
        fingerprint=fingerprint(spec),
        summary=f"{', '.join(applications)} on {cluster.cpu} CPU, {cluster.memory} memory, {cluster.head.image}",
    )
