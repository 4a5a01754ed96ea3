"""A namespace, and what holds for all pods in it: quota, limits, who
reaches Ray. Pure.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_network

from kuberay.facts.labels import CLUSTER_LABEL, GROUP_LABEL, HEAD_GROUP
from kuberay.facts.objects import Manifest, manifest
from kuberay.plan.ports import DEFAULT_PORTS
from kuberay.settings.protection import ContainerLimits
from kuberay.settings.stack import StackSettings

NETWORKING = "networking.k8s.io/v1"

#: The GPUs that a quota counts.
GPU = "nvidia.com/gpu"

#: The name of what is made for Ray's pods. The program adds the stack's, for stacks may
#: share a namespace.
_RAY = "ray"


@dataclass(frozen=True)
class NamespacePlan:
    """The namespace of all that a stack has, and what holds for all pods in it."""

    name: str
    manifest: Manifest | None
    """The namespace itself; None where the stack uses one that exists (createNamespace:
    false).
    """
    account: Manifest | None
    """What is changed of the namespace's `default` service account; None where that is
    nothing.
    """
    rules: tuple[Manifest, ...]
    """Its ResourceQuota, LimitRange, NetworkPolicy and PodDisruptionBudget, where the
    settings ask for them; without the stack's name.
    """


def plan_namespace(
    settings: StackSettings, heads: Iterable[Mapping[str, int]] = (), lone_heads: Iterable[str] = ()
) -> NamespacePlan:
    """The namespace of a stack.

    Args:
        settings: of the stack.
        heads: where the heads of its clusters listen.
        lone_heads: RayClusters that are lost with their head.
    """
    rules = [resource_quota(settings, _RAY), limit_range(settings, _RAY)]
    if settings.protection.network_policy.enabled:
        rules.append(network_policy(settings, _RAY, heads))
    if settings.protection.head_disruption_budget:
        rules.append(head_disruption_budget(settings, _RAY, lone_heads))
    return NamespacePlan(
        settings.namespace,
        _namespace(settings) if settings.create_namespace else None,
        default_account(settings),
        tuple(filter(None, rules)),
    )


def default_account(settings: StackSettings) -> Manifest | None:
    """The account of pods that name none, without its token in them: nothing of Ray
    asks Kubernetes but the autoscaler, whose head KubeRay gives an account of its own.
    No chart writes `automountServiceAccountToken`, and in a template it would restart
    every pod; so it holds for pods that are made from then on. An existing namespace
    may have pods of others that need the token.
    """
    if not settings.create_namespace or settings.protection.mount_service_account_token:
        return None
    metadata = {"name": "default", "namespace": settings.namespace}
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata,
        "automountServiceAccountToken": False,
    }


def resource_quota(settings: StackSettings, name: str) -> Manifest | None:
    """The namespace's ResourceQuota, which counts limits: a request is never more than
    its limit, so that requests are bounded as well.
    """
    quota = settings.quota
    named = {
        "limits.cpu": quota.cpu,
        "limits.memory": quota.memory,
        f"requests.{GPU}": quota.gpus,
        "pods": quota.pods,
    }
    hard = {resource: str(amount) for resource, amount in named.items() if amount is not None}
    return manifest("v1", "ResourceQuota", name, settings.namespace, {"hard": hard}) if hard else None


def limit_range(settings: StackSettings, name: str) -> Manifest | None:
    """The namespace's LimitRange."""
    limits = {
        "default": named_limits(settings.limit_range.default),
        "max": named_limits(settings.limit_range.max),
    }
    limits = {key: value for key, value in limits.items() if value}
    spec = {"limits": [{"type": "Container", **limits}]}
    return manifest("v1", "LimitRange", name, settings.namespace, spec) if limits else None


def head_disruption_budget(settings: StackSettings, name: str, lone_heads: Iterable[str]) -> Manifest | None:
    """Lets nobody evict a head that its cluster would be lost with.

    One for all of them, in absolute numbers: a RayCluster has no scale, so that
    Kubernetes could not count by anything else. A head that is not ready may go. The
    clusters of jobs and services are left out: KubeRay chooses their names, and nothing
    else on their pods tells whose they are.
    """
    clusters = sorted(lone_heads)
    if not clusters:
        return None
    spec = {
        "minAvailable": len(clusters),
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {
            "matchLabels": {GROUP_LABEL: HEAD_GROUP},
            "matchExpressions": [{"key": CLUSTER_LABEL, "operator": "In", "values": clusters}],
        },
    }
    return manifest("policy/v1", "PodDisruptionBudget", name, settings.namespace, spec)


def network_policy(settings: StackSettings, name: str, heads: Iterable[Mapping[str, int]] = ()) -> Manifest:
    """Lets only the pods of the namespace, and those of namespaces that the settings
    name, reach Ray pods.

    It holds for every Ray pod of the namespace, so for those of jobs and services too,
    whose clusters have names of KubeRay's choice.
    """
    policy = settings.protection.network_policy
    ingress: list[Manifest] = [{"from": [{"podSelector": {}}, *_pods_of(policy.allowed_namespaces)]}]
    if settings.metrics.enabled and settings.metrics.allowed_namespaces:
        ingress.append(requests_of(settings.metrics.allowed_namespaces, ["metrics"]))
    # By number: KubeRay gives the containers of the head no port of these names by
    # itself.
    every_head = list(heads) or [DEFAULT_PORTS]
    for namespaces, port in (
        (policy.serve_namespaces, "serve"),
        (policy.dashboard_namespaces, "dashboard"),
        (policy.client_namespaces, "client"),
    ):
        if namespaces:
            ingress.append(requests_of(namespaces, sorted({head[port] for head in every_head})))
    egress = _all_but(policy.blocked_addresses)
    spec = {
        "podSelector": {"matchExpressions": [{"key": CLUSTER_LABEL, "operator": "Exists"}]},
        "policyTypes": ["Ingress", "Egress"] if egress else ["Ingress"],
        "ingress": ingress,
        **({"egress": egress} if egress else {}),
    }
    return manifest(NETWORKING, "NetworkPolicy", name, settings.namespace, spec)


def named_limits(limits: ContainerLimits) -> dict[str, str]:
    """The limits that the settings name, by resource."""
    return limits.model_dump(exclude_none=True)


def _all_but(blocked: list[str]) -> list[Manifest]:
    """Egress to everything but these addresses; none where there are none."""
    if not blocked:
        return []
    ranges = [("0.0.0.0/0", 4), ("::/0", 6)]
    excepted = {
        version: [each for each in blocked if ip_network(each).version == version] for _, version in ranges
    }
    blocks = [
        {"ipBlock": {"cidr": every, **({"except": excepted[version]} if excepted[version] else {})}}
        for every, version in ranges
    ]
    # Not every network takes an address for that of a pod.
    return [{"to": [{"namespaceSelector": {}}, *blocks]}]


def _namespace(settings: StackSettings) -> Manifest:
    protection = settings.protection
    warned = protection.namespace_pod_security_warnings
    standards = {"enforce": protection.namespace_pod_security, "audit": warned, "warn": warned}
    # None of the loosest, which is what holds without a label.
    labels = {
        f"pod-security.kubernetes.io/{what}": standard
        for what, standard in standards.items()
        if standard != "privileged"
    }
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": settings.namespace, **({"labels": labels} if labels else {})},
    }


def requests_of(namespaces: list[str], ports: Iterable[int | str]) -> Manifest:
    """Of a NetworkPolicy: what lets the pods of namespaces in at these ports."""
    return {"from": _pods_of(namespaces), "ports": [{"port": port, "protocol": "TCP"} for port in ports]}


def _pods_of(namespaces: list[str]) -> list[Manifest]:
    """Of a NetworkPolicy: all pods of these namespaces."""
    if not namespaces:
        return []
    # The label that every namespace carries by itself since Kubernetes 1.22.
    names = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": namespaces}
    return [{"namespaceSelector": {"matchExpressions": [names]}}]
