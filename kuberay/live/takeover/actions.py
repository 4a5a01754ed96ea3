"""Takes over what a killed run was making, before it is made again."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from lightkube import AsyncClient
from lightkube.resources.core_v1 import Secret

from kuberay.facts.labels import COMPLETE_MARK
from kuberay.facts.objects import Object
from kuberay.facts.phrases import Report
from kuberay.live.api.client import HTTPError, connect, find, find_all, or_none
from kuberay.live.api.connection import Connection
from kuberay.live.api.kinds import kind_of_object
from kuberay.live.takeover.marks import Record, read_record
from kuberay.live.takeover.rules import (
    Leftover,
    RecoveryError,
    before_creating,
    before_install,
    before_upgrade,
    half_removed,
    what_it_waits_for,
)
from kuberay.live.wait_loop import Look, every, wait
from kuberay.plan.stack import Adopted

_LOOK_AGAIN = 0.5


@dataclass(frozen=True)
class Run:
    """The run that takes things over."""

    connection: Connection
    stack: str
    """Whose everything is to be."""
    timeout: float
    """How long something that is being deleted is waited for, in seconds."""
    report: Report
    """Takes a line of progress meanwhile."""
    adopted: Mapping[str, Adopted] = field(default_factory=dict[str, Adopted])
    """The releases made by hand that the stack takes over, by release."""


async def take_over_install(run: Run, release: Mapping[str, Any]) -> None:
    """Clears the way for a Helm release that the state does not have. ``release``: its
    inputs ``name``, ``namespace``, ``values``.

    Raises:
        RecoveryError: there is one that is not this stack's to take over.
        NotUpError: what has to go does not go.
    """
    name, namespace = _name_of(release)
    values, stack = release.get("values") or {}, run.stack
    async with _cluster(run, namespace) as cluster:
        records = await cluster.records(name)
        newest = max(records, key=lambda record: record.revision, default=None)
        complete = await cluster.complete(newest) if newest and newest.stack == stack else []
        await cluster.remove(before_install(name, records, stack, values, complete, run.adopted.get(name)))


async def look_at_adopted(run: Run, release: Mapping[str, Any]) -> int | None:
    """The revision that a run would take over of a release made by hand; None where
    there is nothing to take over. It changes nothing.

    Raises:
        RecoveryError: it is not as the stack was told.
    """
    name, namespace = _name_of(release)
    async with _cluster(run, namespace) as cluster:
        records = await cluster.records(name)
        newest = max(records, key=lambda record: record.revision, default=None)
        before_install(name, records, run.stack, {}, adopted=run.adopted.get(name))
        return newest.revision if newest and newest.stack != run.stack else None


async def take_over_upgrade(run: Run, release: Mapping[str, Any]) -> None:
    """Clears the way for a Helm release that the state has.

    Raises:
        RecoveryError: it was removed, or half removed.
    """
    name, namespace = _name_of(release)
    async with _cluster(run, namespace) as cluster:
        await cluster.remove(before_upgrade(name, await cluster.records(name)))


async def take_over_object(run: Run, wanted: Mapping[str, Any]) -> None:
    """Clears the way for an object that the state does not have.

    Raises:
        RecoveryError: there is one that is not this stack's to take over.
        NotUpError: there is one that is being deleted and does not go.
    """
    name, namespace = _name_of(wanted["metadata"])
    async with _cluster(run, namespace or name) as cluster:
        existing = await cluster.get(wanted)
        if existing and existing["metadata"].get("deletionTimestamp"):
            await cluster.gone(wanted)
            existing = None
        in_namespace = await cluster.records() if existing and wanted["kind"] == "Namespace" else []
        ours = [record for record in in_namespace if record.stack == run.stack]
        complete = [found for record in ours for found in await cluster.complete(record)]
        before_creating(wanted["kind"], existing, run.stack, in_namespace, complete)


async def refuse_half_removed(client: AsyncClient, namespace: str, release: str) -> None:
    """Fails where a run that was killed had begun to uninstall the Helm release.

    Raises:
        RecoveryError: it had.
    """
    labels = {"owner": "helm", "name": release, "status": "uninstalling"}
    with suppress(HTTPError):  # Who may not read secrets can still look at the rest.
        if await find_all(client, Secret, namespace=namespace, labels=labels):
            raise RecoveryError(half_removed(release))


@asynccontextmanager
async def _cluster(run: Run, namespace: str) -> AsyncGenerator["_Cluster"]:
    async with connect(run.connection, namespace) as client:
        yield _Cluster(run, client)


def _name_of(inputs: Mapping[str, Any]) -> tuple[str, str]:
    return str(inputs["name"]), str(inputs.get("namespace") or "")


@dataclass(frozen=True)
class _Cluster:
    """One namespace, as far as leftovers can lie in it."""

    run: Run
    client: AsyncClient

    async def records(self, release: str | None = None) -> list[Record]:
        labels = {"owner": "helm"} | ({"name": release} if release else {})
        return [read_record(secret) for secret in await find_all(self.client, Secret, labels=labels)]

    async def complete(self, record: Record) -> list[str]:
        """Objects of a release that a stack has in its state."""
        found: list[str] = []
        for obj in record.objects:
            if obj["kind"] in ("Deployment", "RayCluster"):
                live = await self.get(self._placed(obj))
                if live and COMPLETE_MARK in (live["metadata"].get("annotations") or {}):
                    found.append(f"{obj['kind']} {live['metadata']['name']}")
        return found

    async def remove(self, leftover: Leftover) -> None:
        # Records last: if this run is killed too, the next one has to find them.
        for obj in map(self._placed, leftover.objects):
            name, namespace = _name_of(obj["metadata"])
            await or_none(self.client.delete(kind_of_object(obj), name, namespace=namespace))
            await self.gone(obj)
        for record in leftover.records:
            await or_none(self.client.delete(Secret, record.secret))

    def _placed(self, obj: Object) -> Object:
        return {**obj, "metadata": {"namespace": self.client.namespace, **obj["metadata"]}}

    async def get(self, obj: Object) -> Object | None:
        name, namespace = _name_of(obj["metadata"])
        return await find(self.client, kind_of_object(obj), name, namespace or None)

    async def gone(self, obj: Object) -> None:
        """Waits until an object that is being deleted is gone."""
        what = f"{obj['kind']} {obj['metadata']['name']}"

        async def look() -> Look:
            live = await self.get(obj)
            if live is None:
                return Look(up=True)
            return Look(progress=f"{what} is being deleted{what_it_waits_for(live)}")

        await wait(
            look,
            what=what,
            so_far="it has not gone",
            timeout=self.run.timeout,
            report=self.run.report,
            pause=every(_LOOK_AGAIN),
        )
