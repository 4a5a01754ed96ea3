"""Keeps what Ray's autoscaler has set through an update of the release.

The autoscaler writes `replicas` of the worker groups into the RayCluster. Helm patches a custom resource by what changed between two
manifests, and a list as a whole: any change of a worker group would set every group's `replicas` back to the chart's value.
"""

from typing import Any

import pulumi
from lightkube import ApiError
from lightkube.types import PatchType

from components.resources.hooks import resource_hook
from kuberay.live.client import connect
from kuberay.live.watch import RayClusterResource


def replicas_to_restore(before: dict[str, int], groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The JSON patch that gives groups the replicas they had, within what is allowed now.

    Args:
        before: replicas by group name, as they were.
        groups: `spec.workerGroupSpecs` of the RayCluster, as it is now.
    """
    patch: list[dict[str, Any]] = []
    for index, group in enumerate(groups):
        name, replicas = group["groupName"], before.get(group["groupName"])
        if replicas is None:
            continue
        kept = max(group.get("minReplicas") or 0, min(replicas, group.get("maxReplicas") or replicas))
        if kept != group.get("replicas"):
            at = f"/spec/workerGroupSpecs/{index}"
            # Only if this is still the same group: another update may have come between.
            patch += [{"op": "test", "path": f"{at}/groupName", "value": name}, {"op": "add", "path": f"{at}/replicas", "value": kept}]
    return patch


def keep_replicas(release: str, namespace: str, cluster: str) -> pulumi.ResourceHookBinding:
    """Hooks of a release that remember the replicas before an update and give them back after it.

    If the run is killed between the two, no pod is lost: with its autoscaler on, KubeRay leaves removing pods to it.
    """
    before: dict[str, int] = {}

    async def remember(_: pulumi.ResourceHookArgs) -> None:
        before.update({group["groupName"]: group.get("replicas") or 0 for group in await _groups(namespace, cluster)})

    async def restore(_: pulumi.ResourceHookArgs) -> None:
        patch = replicas_to_restore(before, await _groups(namespace, cluster))
        if patch:
            async with connect(namespace) as client:
                await client.patch(RayClusterResource, cluster, patch, patch_type=PatchType.JSON)

    return pulumi.ResourceHookBinding(
        before_update=[resource_hook(f"{release}.remember-replicas", remember)],
        after_update=[resource_hook(f"{release}.restore-replicas", restore)],
    )


async def _groups(namespace: str, cluster: str) -> list[dict[str, Any]]:
    async with connect(namespace) as client:
        try:
            found = await client.get(RayClusterResource, cluster)
        except ApiError as error:
            if error.status.code == 404:
                return []
            raise
    return found.to_dict()["spec"].get("workerGroupSpecs") or []
