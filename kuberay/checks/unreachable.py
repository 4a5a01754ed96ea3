"""What does not reach the jobs and services of a stack, though it is to. Pure."""

from collections.abc import Iterator

from kuberay.facts.phrases import first_few
from kuberay.plan.stack import StackPlan
from kuberay.settings.stack import StackSettings


def unreachable_workloads(plan: StackPlan) -> Iterator[str]:
    """Jobs and services that the operator cannot reach, as far as the settings tell, so
    that it never learns how they are; and services that are to be reached from outside
    the cluster and are not.
    """
    settings = plan.settings
    policy = settings.protection.network_policy
    named = [*(f"jobs.{name}" for name in settings.jobs), *(f"services.{name}" for name in settings.services)]
    if named and not settings.operator.install and policy.enabled and not policy.allowed_namespaces:
        yield (
            f"{first_few(named)}: an operator of another namespace does not reach Ray: "
            "name its namespace in protection.networkPolicy.allowedNamespaces"
        )
    outside = [f"services.{name}" for name in reached_from_outside(settings)]
    if outside and policy.enabled:
        yield (
            f"{first_few(outside)}: protection.networkPolicy lets no requests in from outside the Kubernetes"
            " cluster: they need a NetworkPolicy of your own beside it, or networkPolicy.enabled: false"
        )
    by_gateway = [
        route.key
        for route in plan.routes
        if route.target == "dashboard" and route.settings.gateway and not route.service
    ]
    if by_gateway:
        yield (
            f"{first_few(by_gateway)}: KubeRay says of that port that it is tcp (appProtocol), and some"
            " gateways, Traefik for one, lead no HTTPRoute there; an Ingress does not ask"
        )


def reached_from_outside(settings: StackSettings) -> dict[str, str]:
    """The services whose applications are to be reached from outside the Kubernetes
    cluster, and by which type of Service.
    """
    given = {name: service.serve_service for name, service in settings.services.items()}
    return {name: one.type for name, one in given.items() if one and one.type != "ClusterIP"}
