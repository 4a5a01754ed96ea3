"""Settings of what protects the stack: who reaches Ray, and what its pods may do."""

from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from kuberay.facts.quantities import parse_quantity
from kuberay.settings.base import Cpu, Memory, Name, NumberToo, Settings, of_its_keys


def _check_range(addresses: str) -> str:
    try:
        network = ip_network(addresses)
    except ValueError:
        raise ValueError("is not a range of IP addresses, such as 169.254.169.254/32") from None
    if network.prefixlen == 0:
        raise ValueError(
            "is every address, and Kubernetes takes an exception that is smaller than that; name what to"
            " block"
        )
    return str(network)


#: In CIDR notation, IPv4 or IPv6.
AddressRange = Annotated[str, AfterValidator(_check_range)]


def _check_quantity(quantity: str) -> str:
    parse_quantity(quantity)
    return quantity


#: Of many nodes together.
TotalCpu = Annotated[str, NumberToo, AfterValidator(_check_quantity)]


class NetworkPolicySettings(Settings):
    """Who reaches Ray's ports: a NetworkPolicy for every Ray pod of the namespace. The
    cluster's network has to enforce such policies.
    """

    enabled: bool = True
    """`false`: every pod of the Kubernetes cluster reaches Ray."""
    allowed_namespaces: list[Name] = []
    """Namespaces whose pods reach every port of Ray, beside its own. An operator that
    runs elsewhere needs it for jobs and services.
    """
    serve_namespaces: list[Name] = []
    """Namespaces whose pods reach Serve's applications (port 8000 or their
    `http_options.port`) and nothing else of Ray: an ingress controller's.
    """
    dashboard_namespaces: list[Name] = []
    """Namespaces whose pods reach the dashboard and its jobs API (port 8265 or its
    `dashboard-port`) and nothing else of Ray.
    """
    client_namespaces: list[Name] = []
    """Namespaces whose pods reach Ray's client port (10001 or its
    `ray-client-server-port`) and nothing else of Ray: notebooks'.
    """
    blocked_addresses: list[AddressRange] = []
    """Addresses that Ray's pods do not reach: `169.254.169.254/32` is where clouds hand
    out the node's own credentials.
    """


class ProtectionSettings(Settings):
    """What protects Ray; each protection can be turned off, and a preview says what is
    open then.
    """

    token_authentication: Literal["auto", "token", "disabled"] = "auto"
    """Whether jobs, dashboard and clients need a token: `auto` where Ray can (2.52.0),
    `token` always, `disabled` never.
    """
    network_policy: NetworkPolicySettings = of_its_keys()
    """Who reaches Ray's ports."""
    pod_security: Literal["auto", "restricted", "none"] = "auto"
    """Security context of Ray pods: `restricted` as Kubernetes' pod security standard
    has it (no root, no new privileges, so no `sudo`), as user 1000 of Ray's images;
    `auto` for Ray's images and `none` for own ones.
    """
    namespace_pod_security: Literal["privileged", "baseline", "restricted"] = "privileged"
    """Pod security standard that the API server enforces on all pods of the namespace;
    for a namespace that this stack makes.
    """
    namespace_pod_security_warnings: Literal["privileged", "baseline", "restricted"] = "restricted"
    """Pod security standard below which the API server warns whoever makes a pod, and
    notes it in its audit log; `privileged`: of nothing. For a namespace that this stack
    makes.
    """
    mount_service_account_token: bool = False
    """Whether pods that name no service account carry the token of the namespace's
    `default` one. An autoscaler has its own either way. For a namespace that this stack
    makes.
    """
    head_disruption_budget: bool = True
    """Whether drained nodes and node autoscalers have to leave the heads of the stack's
    clusters where they are (a PodDisruptionBudget): without GCS fault tolerance a
    cluster is lost with its head. `false`: to drain a node under a head, for one.
    """
    keep_nodes_of: Literal["none", "heads", "all"] = "none"
    """Pods that node autoscalers do not move to spare a node, by annotations for
    cluster-autoscaler (`safe-to-evict`) and Karpenter (`do-not-disrupt`). A change
    restarts these pods.
    """
    seal_fingerprints: bool = False
    """Whether the fingerprints on pods are sealed with the stack's key also where
    nothing in its config is encrypted. `true` keeps the key when the last encrypted
    setting goes, so that no pod restarts.
    """


class QuotaSettings(Settings):
    """The most that all pods of the namespace may take together: a ResourceQuota."""

    cpu: TotalCpu | None = None
    """CPU limits of all pods together."""
    memory: Memory | None = None
    """Memory limits of all pods together."""
    gpus: Annotated[int, Field(ge=0)] | None = None
    """GPUs (`nvidia.com/gpu`) of all pods together."""
    pods: Annotated[int, Field(ge=1)] | None = None
    """How many pods, the operator's included."""


class ContainerLimits(Settings):
    """Resources of a container."""

    cpu: Cpu | None = None
    """CPU."""
    memory: Memory | None = None
    """Memory."""


class LimitRangeSettings(Settings):
    """What a single container of the namespace may take: a LimitRange."""

    default: ContainerLimits = of_its_keys()
    """Limits and requests of containers that name none; with a quota, such containers
    are refused otherwise.
    """
    max: ContainerLimits = of_its_keys()
    """The most that one container may take."""
