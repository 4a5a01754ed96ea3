"""Whether the cluster knows the Prometheus operator's PodMonitors."""

from httpx2 import HTTPStatusError

from kuberay.live.api.client import code_of, connect_blocking
from kuberay.live.api.connection import Connection
from kuberay.live.api.kinds import PodMonitor

NO_POD_MONITORS = "left out, the cluster knows no PodMonitor (monitoring.coreos.com); install the Prometheus operator"


def knows_pod_monitors(connection: Connection, namespace: str) -> bool:
    """Whether the cluster knows the kind; an account that may not list PodMonitors may still make them."""
    try:
        for _ in connect_blocking(connection, namespace, timeout=3, patience=0).list(PodMonitor):
            break
    except HTTPStatusError as error:
        return code_of(error) != 404
    return True
