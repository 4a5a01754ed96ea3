"""Who reaches Ray's ports: the NetworkPolicy of a namespace's Ray pods."""

from typing import Any

from kuberay.settings.stack import StackSettings


def network_policy(settings: StackSettings, name: str) -> dict[str, Any]:
    """Lets only the pods of the namespace, and those of namespaces that the settings name, reach Ray pods.

    It holds for every Ray pod of the namespace, so for those of jobs and services too, whose clusters have names of KubeRay's choice.
    """
    policy = settings.protection.network_policy
    ingress: list[dict[str, Any]] = [{"from": [{"podSelector": {}}, *_pods_of(policy.allowed_namespaces)]}]
    if settings.metrics.enabled and settings.metrics.allowed_namespaces:
        ingress.append({"from": _pods_of(settings.metrics.allowed_namespaces), "ports": [{"port": "metrics", "protocol": "TCP"}]})
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": settings.namespace},
        "spec": {
            "podSelector": {"matchExpressions": [{"key": "ray.io/cluster", "operator": "Exists"}]},
            "policyTypes": ["Ingress"],
            "ingress": ingress,
        },
    }


def _pods_of(namespaces: list[str]) -> list[dict[str, Any]]:
    if not namespaces:
        return []
    # The label that every namespace carries by itself since Kubernetes 1.22.
    names = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": namespaces}
    return [{"namespaceSelector": {"matchExpressions": [names]}}]
