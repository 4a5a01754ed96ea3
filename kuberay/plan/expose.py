"""Ways in from outside the Kubernetes cluster: from settings to an Ingress, or an
HTTPRoute of the Gateway API. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from kuberay.facts.labels import CLUSTER_LABEL, GROUP_LABEL, HEAD_GROUP
from kuberay.facts.objects import Manifest, manifest
from kuberay.plan.namespace import NETWORKING, requests_of
from kuberay.settings.expose import (
    ClusterExposeSettings,
    DashboardRouteSettings,
    RouteSettings,
    ServiceExposeSettings,
)
from kuberay.settings.stack import StackSettings

Target = Literal["dashboard", "serve"]

GATEWAY_API = "gateway.networking.k8s.io/v1"


@dataclass(frozen=True)
class Route:
    """One way in, to one port of one cluster or service."""

    whose: str
    """Of what: ``clusters.research``, ``services.chat``."""
    target: Target
    settings: RouteSettings
    manifest: Manifest
    service: Manifest | None
    """The Service that it leads to, where none of KubeRay's will do."""
    policy: Manifest | None
    """The NetworkPolicy that lets its requests through; None where the stack has none
    that keeps them out.
    """

    @property
    def key(self) -> str:
        """Where it stands in the settings: ``clusters.research.expose.dashboard``."""
        return f"{self.whose}.expose.{self.target}"

    @property
    def is_https(self) -> bool:
        return self.settings.https or self.settings.tls_secret is not None

    @property
    def address(self) -> str:
        """``https://ray.example.com``"""
        return f"{'https' if self.is_https else 'http'}://{self.settings.host}"

    @property
    def may_be_open(self) -> bool:
        """Whether it is said that no token has to be asked for: of Serve's applications
        Ray asks for none in any case.
        """
        return not isinstance(self.settings, DashboardRouteSettings) or self.settings.without_token


def plan_routes(
    settings: StackSettings,
    whose: str,
    wanted: ClusterExposeSettings,
    services: Mapping[Target, str],
    ports: Mapping[str, int],
    cluster: str | None = None,
) -> tuple[Route, ...]:
    """The ways in to a cluster or a service.

    Args:
        settings: of the stack.
        whose: ``clusters.research``.
        wanted: what its settings ask for.
        services: the Kubernetes Services that lead to the dashboard and to Serve.
        ports: where Ray listens, by KubeRay's names.
        cluster: name of the RayCluster, where KubeRay does not choose it.
    """
    serve = wanted.serve if isinstance(wanted, ServiceExposeSettings) else None
    given: dict[Target, RouteSettings | None] = {"dashboard": wanted.dashboard, "serve": serve}
    pods: Manifest = {"matchExpressions": [{"key": CLUSTER_LABEL, "operator": "Exists"}]}
    if cluster:
        pods = {"matchLabels": {CLUSTER_LABEL: cluster, GROUP_LABEL: HEAD_GROUP}}
    is_limited = settings.protection.network_policy.enabled
    routes: list[Route] = []
    for target, route in given.items():
        if route is None:
            continue
        at = settings.namespace, services[target], ports[target]
        service = (
            _http_service(cluster, pods, settings.namespace, ports[target])
            if route.gateway and target == "dashboard"
            else None
        )
        leads_to = service["metadata"]["name"] if service else services[target]
        policy = _policy(route, *at, pods) if is_limited else None
        routes.append(Route(whose, target, route, _manifest(route, *at, leads_to), service, policy))
    return tuple(routes)


def _http_service(cluster: str | None, pods: Manifest, namespace: str, port: int) -> Manifest | None:
    """KubeRay says of the ports of a head's Service that they are `tcp`
    (`appProtocol`, 1.3.0 to 1.7.0), and a gateway may refuse to lead HTTP there, as
    Traefik does. None where KubeRay chooses the RayCluster's name.
    """
    if cluster is None:
        return None
    spec = {"selector": pods["matchLabels"], "ports": [{"name": "http", "port": port}]}
    return manifest("v1", "Service", f"{cluster}-dashboard", namespace, spec)


def _policy(route: RouteSettings, namespace: str, service: str, port: int, pods: Manifest) -> Manifest:
    """Comes and goes with the way in, beside the NetworkPolicy that closes all: what
    one of them lets in gets in.
    """
    opened = requests_of([route.controller_namespace], [port])
    spec = {"podSelector": pods, "policyTypes": ["Ingress"], "ingress": [opened]}
    return manifest(NETWORKING, "NetworkPolicy", service, namespace, spec)


def _manifest(route: RouteSettings, namespace: str, service: str, port: int, leads_to: str) -> Manifest:
    """Called like the Service, whose name is the stack's in this namespace."""
    if gateway := route.gateway:
        at = {"sectionName": gateway.listener} if gateway.listener else {}
        spec: Manifest = {
            "parentRefs": [{"name": gateway.name, "namespace": gateway.namespace, **at}],
            "hostnames": [route.host],
            "rules": [{"backendRefs": [{"name": leads_to, "port": port}]}],
        }
        return manifest(GATEWAY_API, "HTTPRoute", service, namespace, spec, annotations=route.annotations)
    backend = {"service": {"name": leads_to, "port": {"number": port}}}
    spec = {
        "rules": [
            {"host": route.host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
        ]
    }
    if route.ingress_class:
        spec["ingressClassName"] = route.ingress_class
    if route.tls_secret:
        spec["tls"] = [{"hosts": [route.host], "secretName": route.tls_secret}]
    return manifest(NETWORKING, "Ingress", service, namespace, spec, annotations=route.annotations)
