"""A Ray cluster that no longer asks for a token."""

from lightkube.types import PatchType

from kuberay.live.client import connect
from kuberay.live.watch import RayClusterResource


async def ask_for_no_token(cluster: str, namespace: str) -> None:
    """Takes `authOptions` off the RayCluster.

    Pulumi takes away what a stack no longer has at the end of a run. While the spec still asks for a token, the operator makes no pods of a
    Ray that knows none (KubeRay 1.5.1 to 1.6.2): the wait for them would never come to that end.
    """
    async with connect(namespace) as client:
        await client.patch(RayClusterResource, cluster, {"spec": {"authOptions": None}}, patch_type=PatchType.MERGE)
