"""Ways in from outside the Kubernetes cluster: who may come in by them, and whether
they lead anywhere. Pure.
"""

from collections.abc import Iterator

from kuberay.checks.messages import Problem
from kuberay.checks.workload_clusters import clusters_without_dashboard
from kuberay.facts.versions import NEEDS, lacking
from kuberay.plan.cluster import ClusterPlan
from kuberay.plan.expose import Route
from kuberay.plan.protection import uses_token
from kuberay.plan.stack import StackPlan


def route_problems(plan: StackPlan) -> Iterator[Problem]:
    """Every problem of the ways in."""
    hosts: dict[str, str] = {}
    heads = {cluster.head_service: f"clusters.{name}" for name, cluster in plan.clusters.items()}
    without_dashboard = clusters_without_dashboard(plan) if plan.routes else set[str]()
    for route in plan.routes:
        here, host = tuple(route.key.split(".")), route.settings.host
        if host in hosts:
            yield Problem(
                (*here, "host"),
                host,
                f"is the host of {hosts[host]} too: requests could go to either; choose another",
            )
        hosts.setdefault(host, route.key)
        if route.settings.gateway:
            for key, value in (
                ("ingressClass", route.settings.ingress_class),
                ("tlsSecret", route.settings.tls_secret),
            ):
                if value:
                    yield Problem(
                        (*here, key), value, "is for an Ingress, and gateway makes an HTTPRoute; leave it out"
                    )
        own = route.service["metadata"]["name"] if route.service else None
        if own in heads:
            yield Problem(
                here,
                host,
                f"leads a gateway to Service {own}, which is the name of the head's Service of {heads[own]};"
                " give that another name (headService)",
            )
        service = plan.settings.services.get(route.whose.removeprefix("services."))
        if route.target == "serve" and service and service.cluster_upgrade_options:
            yield Problem(
                here,
                host,
                "leads to no Service: with incremental upgrades requests go to the Gateway that KubeRay"
                " makes; leave it out",
            )
        if route.whose in without_dashboard:
            yield Problem(
                here, host, "leads to no dashboard: rayStartParams or ports of the head leave it out"
            )
        elif not (asks_for_token(plan, route) or route.may_be_open):
            yield Problem(
                here,
                host,
                f"would let everyone who knows the address run code: {_why_open(plan, route)}; {_REMEDY}",
            )


_REMEDY = "withoutToken: true, if something else says who gets in"


def asks_for_token(plan: StackPlan, route: Route) -> bool:
    """Whether Ray asks those for a token who come in by this way; of Serve's
    applications it never does.
    """
    if route.target == "serve":
        return False
    made = plan.workload_clusters.get(route.whose)
    return bool(made.token_options if made else _cluster_of(plan, route).token_secret)


def _why_open(plan: StackPlan, route: Route) -> str:
    protection = plan.settings.protection
    ray = _cluster_of(plan, route).settings.ray_version or plan.settings.ray_version
    if protection.token_authentication == "disabled":
        return "protection.tokenAuthentication is disabled"
    if not uses_token(protection, ray):
        return (
            f"Ray asks for a token from rayVersion {NEEDS['token authentication'].ray} on, and this is {ray}"
        )
    return f"a token {lacking('token authentication', kuberay=plan.settings.kuberay_version)}"


def _cluster_of(plan: StackPlan, route: Route) -> ClusterPlan:
    made = plan.workload_clusters.get(route.whose)
    return made.plan if made else plan.clusters[route.whose.removeprefix("clusters.")]
