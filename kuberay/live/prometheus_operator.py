"""Whether the cluster knows the kinds of the Prometheus operator."""

from httpx2 import HTTPStatusError

from kuberay.live.api.client import code_of, connect_blocking
from kuberay.live.api.connection import Connection
from kuberay.live.api.kinds import kind_of
from kuberay.plan.metrics import MonitoringKind


def unknown_kind(kind: MonitoringKind) -> str:
    """What to say of what is not made."""
    return f"left out, the cluster knows no {kind} (monitoring.coreos.com); install the Prometheus operator"


def knows_kind(connection: Connection, namespace: str, kind: MonitoringKind) -> bool:
    """Whether the cluster knows the kind; an account that may not list such objects may
    still make them.
    """
    client = connect_blocking(connection, namespace, timeout=3, patience=0)
    try:
        for _ in client.list(kind_of("monitoring.coreos.com/v1", kind)):
            break
    except HTTPStatusError as error:
        return code_of(error) != 404
    return True
