"""Settings of ways in from outside the Kubernetes cluster: an Ingress, or an HTTPRoute
of the Gateway API.
"""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from kuberay.settings.base import Matching, Name, Settings

_HOST = r"([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)*[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"


def _check_host(host: str) -> str:
    if re.fullmatch(_HOST, host) is None or len(host) > 253:
        bare = re.sub(r"[:/].*", "", re.sub(r"^[a-z]+://", "", host.lower()), flags=re.DOTALL)
        hint = f"; did you mean '{bare}'?" if bare and re.fullmatch(_HOST, bare) else ""
        raise ValueError(f"is not a host name alone, such as ray.example.com{hint}")
    return host


HostName = Annotated[str, AfterValidator(_check_host)]
#: A name that may have dots, as those of Secrets and classes may.
DottedName = Annotated[
    str,
    Field(max_length=253),
    Matching(
        r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
        "is not a Kubernetes name: lower-case letters, digits, '-' and '.'",
    ),
]


class GatewaySettings(Settings):
    """A Gateway that runs: the parent of an HTTPRoute. It has to let routes of this
    namespace attach to it.
    """

    name: DottedName
    """Its name."""
    namespace: Name
    """Its namespace."""
    listener: DottedName | None = None
    """Which of its listeners (`sectionName`); all that fit where not set."""


class RouteSettings(Settings):
    """One way in: an Ingress, or with `gateway` an HTTPRoute, for a host of its own."""

    host: HostName
    """Host name that leads here: `ray.example.com`. Its DNS entry is yours to make."""
    controller_namespace: Name
    """Namespace that requests come from: of the ingress controller's pods, or of the
    gateway's. The NetworkPolicy opens that one port to it.
    """
    ingress_class: DottedName | None = None
    """Class of the Ingress; the cluster's default one where not set."""
    gateway: GatewaySettings | None = None
    """A Gateway, for an HTTPRoute in place of an Ingress. The Gateway API's CRDs have
    to be there.
    """
    tls_secret: DottedName | None = None
    """Secret of the namespace with the certificate for the host, for an Ingress."""
    https: bool = False
    """Whether the address begins with `https://` without `tlsSecret`: where a Gateway's
    listener or a load balancer has the certificate.
    """
    annotations: dict[str, str] = {}
    """Annotations of the Ingress or HTTPRoute, by which a controller is told more."""


class DashboardRouteSettings(RouteSettings):
    """A way in to the dashboard and its jobs API, which run any code they are given."""

    without_token: bool = False
    """Whether it is open although Ray asks for no token. Something else has to say then
    who gets in.
    """


class ClusterExposeSettings(Settings):
    """What of a cluster is reached from outside the Kubernetes cluster."""

    dashboard: DashboardRouteSettings | None = None
    """The dashboard and its jobs API."""


class ServiceExposeSettings(ClusterExposeSettings):
    """What of a service is reached from outside the Kubernetes cluster."""

    serve: RouteSettings | None = None
    """The applications. Ray asks for no token there, whatever `protection` says."""
