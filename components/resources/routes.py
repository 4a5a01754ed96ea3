"""The ways in to a cluster or a service from outside the Kubernetes cluster."""

from collections.abc import Iterable, Mapping

import pulumi

from components.resources.kubernetes_object import KubernetesObject
from components.stack import conceal_texts
from kuberay.plan.expose import Manifest, Route


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
            KubernetesObject(
                name, {**route.policy, "metadata": {**route.policy["metadata"], "namespace": namespace}}, opts
            )
        if route.service:
            service = KubernetesObject(name, _not_waited_for(route.service, namespace, {}), opts)
            opts = pulumi.ResourceOptions(parent=parent, depends_on=[target, service])
        given = conceal_texts(route.settings.annotations, route.whose.partition(".")[0])
        KubernetesObject(name, _not_waited_for(route.manifest, namespace, given), opts)


def _not_waited_for(
    manifest: Manifest, namespace: pulumi.Input[str], annotations: Mapping[str, pulumi.Input[str]]
) -> Manifest:
    metadata = {
        "name": manifest["metadata"]["name"],
        "namespace": namespace,
        "annotations": {**annotations, "pulumi.com/skipAwait": "true"},
    }
    return {**manifest, "metadata": metadata}


def addresses(routes: Iterable[Route]) -> dict[str, str]:
    """Where they begin, for the outputs: ``{"dashboardUrl":
    "https://ray.example.com"}``.
    """
    return {f"{route.target}Url": route.address for route in routes}
