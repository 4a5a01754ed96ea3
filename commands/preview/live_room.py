"""What room a cluster has, asked at the report's edge. Changes nothing."""

from commands.preview.live_drift import ClusterError
from commands.preview.meaning.fit import Room
from kuberay.facts.phrases import error_line
from kuberay.live.api.client import ApiError, HTTPError, refusal
from kuberay.live.inventory import Cluster


def room_of(cluster: Cluster) -> Room:
    """Its nodes, the pods on them, and what node autoscalers say.

    Raises:
        ClusterError: the account may not ask that, or there is no answer.
    """
    try:
        # Beside the autoscaler, which can be in any namespace.
        status = cluster.list("v1", "ConfigMap", fields={"metadata.name": "cluster-autoscaler-status"})
        return Room(
            nodes=cluster.list("v1", "Node"),
            pods=cluster.list("v1", "Pod"),
            node_pools=cluster.list("karpenter.sh/v1", "NodePool"),
            autoscaler_status=str((status[0].get("data") or {}).get("status") or "") if status else None,
        )
    except ApiError as error:
        raise ClusterError(f"the API server refuses: {refusal(error)}") from None
    except HTTPError as error:
        raise ClusterError(error_line(error)) from None
