"""Takes over what a killed run was making, before it is made again; the part of recovery.py that looks at the cluster."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Literal

import pulumi
from httpx2 import HTTPStatusError
from lightkube import AsyncClient
from lightkube.generic_resource import GenericGlobalResource, GenericNamespacedResource, create_api_info
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Secret
from lightkube.types import PatchType

from kuberay.facts.labels import COMPLETE_MARK
from kuberay.live.client import connect
from kuberay.live.takeover.rules import Leftover, Object, Record, before_creating, before_install, before_upgrade, plural, read_record
from kuberay.live.watch import RayClusterResource

#: How long something that is being deleted is waited for, in seconds.
_GONE_SECONDS = 600.0


async def take_over_install(release: Mapping[str, Any], stack: str) -> None:
    """Clears the way for a Helm release that the state does not have.

    Args:
        release: its inputs: ``name``, ``namespace``, ``values``.
        stack: whose it is to be.

    Raises:
        RecoveryError: there is one that is not this stack's to take over.
    """
    release = await without_outputs(release)
    name, namespace = _name_of(release)
    values = release.get("values") or {}
    async with _Cluster(namespace) as cluster:
        records = await cluster.records(name)
        newest = max(records, key=lambda record: record.revision, default=None)
        complete = await cluster.complete(newest) if newest and newest.stack == stack else []
        await cluster.remove(before_install(name, records, stack, values, complete))


async def take_over_upgrade(release: Mapping[str, Any]) -> None:
    """Clears the way for a Helm release that the state has; as above."""
    name, namespace = _name_of(await without_outputs(release))
    async with _Cluster(namespace) as cluster:
        await cluster.remove(before_upgrade(name, await cluster.records(name)))


async def take_over_object(wanted: Mapping[str, Any], stack: str) -> None:
    """Clears the way for an object that the state does not have; as above."""
    wanted = await without_outputs(wanted)
    name, namespace = _name_of(wanted["metadata"])
    async with _Cluster(namespace or name) as cluster:
        existing = await cluster.get(wanted)
        if existing and existing["metadata"].get("deletionTimestamp"):
            await cluster.gone(wanted)
            existing = None
        in_use = []
        if existing and wanted["kind"] == "Namespace":
            in_use = [record.release for record in await cluster.records() if record.stack == stack]
        before_creating(wanted["kind"], existing, stack, in_use)


async def mark_complete(kind: Literal["Deployment", "RayCluster"], name: str, namespace: str) -> None:
    """Says on the main object of a release that some state has that release."""
    resource = Deployment if kind == "Deployment" else RayClusterResource
    async with connect(namespace) as client:
        mark = {"metadata": {"annotations": {COMPLETE_MARK: "complete"}}}
        await _unless_gone(client.patch(resource, name, mark, patch_type=PatchType.MERGE))


async def without_outputs(inputs: Any) -> Any:
    """Inputs as they are: the SDK hands a hook an Output of whatever has a secret anywhere below it."""
    if isinstance(inputs, pulumi.Output):
        return await without_outputs(await inputs.future())
    if isinstance(inputs, Mapping):
        return {key: await without_outputs(below) for key, below in inputs.items()}
    if isinstance(inputs, list):
        return [await without_outputs(below) for below in inputs]
    return inputs


def _name_of(inputs: Mapping[str, Any]) -> tuple[str, str]:
    return str(inputs["name"]), str(inputs.get("namespace") or "")


class _Cluster:
    """One namespace, as far as leftovers can lie in it."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace

    async def __aenter__(self) -> "_Cluster":
        self._client: AsyncClient = connect(self._namespace)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def records(self, release: str | None = None) -> list[Record]:
        labels: dict[str, Any] = {"owner": "helm"} | ({"name": release} if release else {})
        return [read_record(secret.to_dict()) async for secret in self._client.list(Secret, namespace=self._namespace, labels=labels)]

    async def complete(self, record: Record) -> list[str]:
        """Objects of a release that a stack has in its state."""
        found: list[str] = []
        for thing in record.objects:
            if thing["kind"] in ("Deployment", "RayCluster"):
                live = await self.get({**thing, "metadata": {"namespace": self._namespace, **thing["metadata"]}})
                if live and COMPLETE_MARK in (live["metadata"].get("annotations") or {}):
                    found.append(f"{thing['kind']} {live['metadata']['name']}")
        return found

    async def remove(self, leftover: Leftover) -> None:
        # Records last: if this run is killed too, the next one has to find them.
        for thing in leftover.objects:
            there = {**thing, "metadata": {"namespace": self._namespace, **thing["metadata"]}}
            kind, name, namespace = _kind_of(there)
            await _unless_gone(self._client.delete(kind, name, namespace=namespace))
            await self.gone(there)
        for record in leftover.records:
            await _unless_gone(self._client.delete(Secret, record.secret, namespace=self._namespace))

    async def get(self, thing: Object) -> Object | None:
        kind, name, namespace = _kind_of(thing)
        found = await _unless_gone(self._client.get(kind, name, namespace=namespace))
        return found.to_dict() if found else None

    async def gone(self, thing: Object) -> None:
        deadline = time.monotonic() + _GONE_SECONDS
        while await self.get(thing):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{thing['kind']} {thing['metadata']['name']} is being deleted and does not go; its finalizers wait")
            await asyncio.sleep(0.5)


def _kind_of(thing: Object) -> tuple[Any, str, str | None]:
    group, _, version = str(thing["apiVersion"]).rpartition("/")
    name, namespace = _name_of(thing["metadata"])
    base = GenericNamespacedResource if namespace else GenericGlobalResource
    about = create_api_info(group, version, thing["kind"], plural(thing["kind"]))
    return type(thing["kind"], (base,), {"_api_info": about}), name, namespace or None


async def _unless_gone(answer: Any) -> Any:
    try:
        return await answer
    except HTTPStatusError as error:  # An unknown API group is answered with plain text, which makes no ApiError.
        if error.response.status_code != 404:
            raise
        return None
