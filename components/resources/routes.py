"""The ways in to a cluster or a service from outside the Kubernetes cluster."""

from collections.abc import Iterable

import pulumi

from components.resources.kubernetes_object import NOT_WAITED_FOR, KubernetesObject, in_namespace
from components.stack import conceal_texts
from kuberay.plan.expose import Route


def make_routes(
    routes: Iterable[Route], namespace: pulumi.Input[str], target: pulumi.Resource, parent: pulumi.Resource
) -> None:
    """Makes them after what they lead to, and deletes them before it.

    Nobody waits for an address here: not every controller writes one, and Ray is up
    without it.
    """
    for route in routes:
        opts = pulumi.ResourceOptions(parent=parent, depends_on=[target])
        name = f"{parent.pulumi_resource_name}.{route.target}"
        if route.policy:
            KubernetesObject(name, in_namespace(route.policy, namespace), opts)
        if route.service:
            placed = in_namespace(route.service, namespace, annotations=NOT_WAITED_FOR)
            service = KubernetesObject(name, placed, opts)
            opts = pulumi.ResourceOptions(parent=parent, depends_on=[target, service])
        given = conceal_texts(route.settings.annotations, route.whose.partition(".")[0])
        placed = in_namespace(route.manifest, namespace, annotations={**given, **NOT_WAITED_FOR})
        KubernetesObject(name, placed, opts)


def addresses(routes: Iterable[Route]) -> dict[str, str]:
    """Where they begin, for the outputs: ``{"dashboardUrl":
    "https://ray.example.com"}``.
    """
    return {f"{route.target}Url": route.address for route in routes}
