"""The little that `up` itself changes on objects that Helm or KubeRay has made."""

from collections.abc import Mapping
from typing import Any, Literal

from httpx2 import HTTPError
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Service
from lightkube.types import PatchType

from kuberay.facts.labels import COMPLETE_MARK, SERVE_ANNOTATIONS, SERVICE_FINALIZER
from kuberay.facts.objects import Object
from kuberay.facts.phrases import Report
from kuberay.facts.versions import at_least
from kuberay.live.api.client import ApiError, AsyncClient, code_of, connect, find, find_all, or_none, refusal
from kuberay.live.api.connection import Connection
from kuberay.live.api.kinds import RayCluster, RayService
from kuberay.plan.operator import OperatorPlan


async def mark_complete(
    connection: Connection, kind: Literal["Deployment", "RayCluster"], name: str, namespace: str
) -> None:
    """Annotates the main object of a release: a Pulumi state has the release, so no
    other state may take it over.
    """
    resource = Deployment if kind == "Deployment" else RayCluster
    async with connect(connection, namespace) as client:
        mark = {"metadata": {"annotations": {COMPLETE_MARK: "complete"}}}
        await or_none(client.patch(resource, name, mark, patch_type=PatchType.MERGE))


async def ask_for_no_token(connection: Connection, cluster: str, namespace: str) -> None:
    """Takes `authOptions` off a RayCluster that is there.

    Pulumi takes away what a stack no longer has at the end of a run. While the spec
    still asks for a token, the operator makes no pods of a Ray that knows none (KubeRay
    1.5.1 to 1.7.0): the wait for them would never come to that end.
    """
    async with connect(connection, namespace) as client:
        without: Object = {"spec": {"authOptions": None}}
        await or_none(client.patch(RayCluster, cluster, without, patch_type=PatchType.MERGE))


async def free_services(connection: Connection, operator: OperatorPlan, report: Report) -> None:
    """Takes the finalizer of a later operator off the RayServices that an operator
    works on: one that does not know it takes it off none, and a RayService that is
    deleted would stay for good.

    ``operator``: the one that runs; ``report``: takes a line that says what is done.
    """
    version = operator.charts.version
    if at_least(version, "1.6.0"):
        return
    async with connect(connection, operator.namespace) as client:
        for watched in operator.watched:
            try:
                found = await find_all(client, RayService, namespace=watched)
            except HTTPError as error:
                # A cluster without KubeRay's CRDs is told of elsewhere.
                if code_of(error) not in (403, 404):
                    raise
                continue
            for service in found:
                await _free(client, service, version, report)


async def _free(client: AsyncClient, service: Object, version: str, report: Report) -> None:
    patch = without_finalizer(service, SERVICE_FINALIZER)
    if not patch:
        return
    name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
    said = f"RayService {namespace}/{name}: KubeRay {version} does not know its finalizer"
    try:
        await client.patch(RayService, name, patch, namespace=namespace, patch_type=PatchType.JSON)
        report(f"{said}: taken off")
    except ApiError as error:
        # Someone has been here between, or this account may not.
        if error.status.code != 404:
            report(f"{said}, which stays: {refusal(error)}")


def without_finalizer(obj: Object, finalizer: str) -> list[dict[str, Any]]:
    """The JSON patch that takes a finalizer off an object; empty where it has none."""
    finalizers: list[str] = obj["metadata"].get("finalizers") or []
    if finalizer not in finalizers:
        return []
    path = f"/metadata/finalizers/{finalizers.index(finalizer)}"
    # Only if it is still there: another one may have gone between.
    return [{"op": "test", "path": path, "value": finalizer}, {"op": "remove", "path": path}]


# --- The Service of a service's applications ------------------------------------------


async def bring_serve_service(
    connection: Connection, name: str, namespace: str, chosen_type: str, annotations: Mapping[str, str] | None
) -> None:
    """Gives the Service of a RayService's applications the type and annotations of the
    settings, where there is one already.

    KubeRay makes it of these, and brings changes of them to none that there is
    (`reconcileServices`, 1.3.0 to 1.7.0): of the type when it leads the Service over to
    another cluster, of annotations never.
    """
    async with connect(connection, namespace) as client:
        found = await find(client, Service, name)
        if found and (patch := serve_service_patch(found, chosen_type, annotations)):
            await client.patch(Service, name, patch, patch_type=PatchType.MERGE)


def serve_service_patch(
    found: Object, chosen_type: str, annotations: Mapping[str, str] | None
) -> dict[str, Any]:
    """The patch that gives the Service the wanted type and annotations; annotations
    that others have written stay.

    Args:
        found: the Service.
        chosen_type: what it is to be.
        annotations: what the settings ask for; None where they say nothing of this
            Service.
    """
    has: Mapping[str, str] = found["metadata"].get("annotations") or {}
    if annotations is None and SERVE_ANNOTATIONS not in has:
        return {}
    wanted: dict[str, str | None] = dict.fromkeys(filter(None, has.get(SERVE_ANNOTATIONS, "").split(",")))
    wanted |= {
        **(annotations or {}),
        SERVE_ANNOTATIONS: None if annotations is None else ",".join(sorted(annotations)),
    }
    changed = {key: value for key, value in wanted.items() if has.get(key) != value}
    patch: dict[str, Any] = {"metadata": {"annotations": changed}} if changed else {}
    return patch | ({"spec": {"type": chosen_type}} if found["spec"].get("type") != chosen_type else {})


# --- What Ray's autoscaler has set ----------------------------------------------------


async def read_replicas(connection: Connection, cluster: str, namespace: str) -> dict[str, int]:
    """The replicas of each worker group of a RayCluster; none where there is none."""
    async with connect(connection, namespace) as client:
        groups = await _worker_groups(client, cluster)
    return {group["groupName"]: group.get("replicas") or 0 for group in groups}


async def restore_replicas(
    connection: Connection, cluster: str, namespace: str, before: dict[str, int]
) -> None:
    """Gives the worker groups of a RayCluster the replicas that they had."""
    async with connect(connection, namespace) as client:
        if patch := replicas_to_restore(before, await _worker_groups(client, cluster)):
            await client.patch(RayCluster, cluster, patch, patch_type=PatchType.JSON)


def replicas_to_restore(before: dict[str, int], groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The JSON patch that gives groups the replicas they had, within what is allowed
    now.

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
            # Only if this is still the same group: another update may have come
            # between.
            patch += [
                {"op": "test", "path": f"{at}/groupName", "value": name},
                {"op": "add", "path": f"{at}/replicas", "value": kept},
            ]
    return patch


async def _worker_groups(client: AsyncClient, cluster: str) -> list[dict[str, Any]]:
    found = await find(client, RayCluster, cluster)
    return (found["spec"].get("workerGroupSpecs") or []) if found else []
