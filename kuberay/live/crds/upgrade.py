"""KubeRay's CRDs at the operator's version.

Helm installs the CRDs of a chart with the first release and never upgrades them. So
before the operator's release changes, a hook of `up` brings them to its version: each
carries, as an annotation, the version it was brought to, so that a run that was killed
goes on where it stopped. They are no resources of the stack: at a megabyte each they
would make every preview ten times as long. `destroy` leaves them, and with them every
Ray cluster that another stack or person made. So a new stack may find CRDs of whoever
was there before: older ones are brought to its version, newer ones are refused.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from lightkube import ApiError, AsyncClient
from lightkube.types import PatchType

from kuberay.facts.charts import ChartSource
from kuberay.facts.labels import VERSION_ANNOTATION
from kuberay.facts.phrases import Report, first_few
from kuberay.facts.versions import at_least
from kuberay.live.api.client import connect, or_none
from kuberay.live.api.connection import Connection
from kuberay.live.api.kinds import PlainCrd, kind_of
from kuberay.live.crds.chart_archive import chart_crds
from kuberay.live.crds.schemas import lost_fields, storage_schema, unknown_fields

Crd = dict[str, Any]

NAMES = ("rayclusters.ray.io", "rayjobs.ray.io", "rayservices.ray.io", "raycronjobs.ray.io")
#: RayCronJobs came with 1.6.
OF_EACH_VERSION = NAMES[:3]
#: A CRD is a megabyte, and the API server takes a second or more for each.
_TIMEOUT = 60.0
#: A busy one gives up after half a minute, and takes it at the second try.
_PATIENCE = 120.0
_PREVIEW_TIMEOUT = 3.0


class CrdError(Exception):
    """CRDs that cannot be brought to a version; the message is the cause in
    one line.
    """


async def bring_to_version(
    connection: Connection,
    version: str,
    source: ChartSource,
    was: str | None,
    report: Report,
    *,
    dry_run: bool = False,
) -> None:
    """Before the operator's release changes: brings the CRDs to its version, or refuses
    to where someone would lose something by it.

    Args:
        connection: of the stack.
        version: of the operator to be.
        source: of its chart, which has the CRDs.
        was: the version of the operator's release until now, if there is one.
        report: takes a line that says what is done.
        dry_run: says and refuses the same, and changes nothing.
    """
    timeout, patience = (_PREVIEW_TIMEOUT, 0) if dry_run else (_TIMEOUT, _PATIENCE)
    client = connect(connection, "default", timeout=timeout, patience=patience)
    try:
        try:
            present = {name: crd for name in NAMES if (crd := await _get(client, name))}
        except ApiError as error:
            if error.status.code != 403:
                raise
            report(
                f"the CRDs are left as they are, for you may not read them; KubeRay {version} needs its own:"
                " ask who may"
            )
            return
        # Helm makes what is not there with a first install only.
        deleted = was is not None and any(name not in present for name in OF_EACH_VERSION)
        if not deleted and not any(
            is_stale(_annotations(crd).get(VERSION_ANNOTATION), version, was) for crd in present.values()
        ):
            return
        crds = {crd["metadata"]["name"]: crd for crd in await asyncio.to_thread(chart_crds, source)}
        new = [name for name in crds if name not in present]
        old = [
            name
            for name in crds
            if name in present and is_stale(_annotations(present[name]).get(VERSION_ANNOTATION), version, was)
        ]
        if was is None:
            refuse_newer(present, crds, version)
        for name in old:
            await _refuse_to_lose(client, present[name], crds[name], version)
        report(f"CRDs brought to KubeRay {version}: {', '.join(sorted(new + old))}")
        if not dry_run:
            # New ones first: while one is missing, those that are there say by their
            # version that there is more to do.
            for names in (new, old):
                await asyncio.gather(*(_apply(client, crds[name], version) for name in names))
    finally:
        await client.close()


def is_stale(found: str | None, version: str, was: str | None) -> bool:
    """Whether a CRD has to be brought to a version.

    Args:
        found: the version that it was brought to, if it was.
        version: the operator's version to be.
        was: the version of the operator's release until now, if there is one.
    """
    if found is None:
        return was != version  # Helm installed it: it is as old as its release.
    if found == version:
        return False
    # One of a newer version may be another operator's; it is taken back only when this
    # operator itself is.
    return was not in (None, version) or not at_least(found, version)


def refuse_newer(present: Mapping[str, Crd], wanted: Mapping[str, Crd], version: str) -> None:
    """Before a first install: CRDs that another install made, and that its operator may
    need, are not taken back to an older version.

    No version is written on those. But each version of KubeRay takes a few fields away
    and adds many: of two CRDs, the newer has more that the other does not know.

    Args:
        present: the CRDs of the cluster, by name.
        wanted: those of the version, by name.
        version: the operator's version to be.

    Raises:
        CrdError: they are newer than that version.
    """
    for name in NAMES:
        if name not in present or name not in wanted or VERSION_ANNOTATION in _annotations(present[name]):
            continue
        now, then = _spec(storage_schema(present[name])), _spec(storage_schema(wanted[name]))
        fields = [f"spec.{field}" for field in unknown_fields(now, then)]
        if len(fields) > len(unknown_fields(then, now)):
            raise CrdError(
                "kuberay:kuberayVersion: the CRDs of the cluster are another install's and newer than"
                f" KubeRay {version}, which does not know {first_few(fields, 2)} of {name}; set"
                " kuberayVersion to the version they are of, or use the operator that is there"
                " (`operator.install: false`), or, when nobody needs them, delete them and with them every"
                f" Ray object: `kubectl delete crd {' '.join(present)}`"
            )


async def _get(client: AsyncClient, name: str) -> Crd | None:
    found = await or_none(client.get(PlainCrd, name))
    return found.to_dict() if found else None


async def _apply(client: AsyncClient, crd: Crd, version: str) -> None:
    # Annotations of the archive stay: controller-gen's version, by which people tell
    # CRDs apart.
    annotated = {
        **crd,
        "metadata": {**crd["metadata"], "annotations": {**_annotations(crd), VERSION_ANNOTATION: version}},
    }
    name = crd["metadata"]["name"]
    try:
        await client.patch(PlainCrd, name, annotated, patch_type=PatchType.APPLY, force=True)
    except ApiError as error:
        raise CrdError(f"the CRD {name} of KubeRay {version} was not taken: {error}") from error


async def _refuse_to_lose(client: AsyncClient, present: Crd, wanted: Crd, version: str) -> None:
    """A downgrade may take fields away that stored objects use: the API server would
    drop them without a word.
    """
    names = present["spec"]["names"]
    storage = next(each["name"] for each in present["spec"]["versions"] if each["storage"])
    kind = kind_of(
        f"{present['spec']['group']}/{storage}", names["kind"], namespaced=True, path=names["plural"]
    )
    now, then = storage_schema(present), storage_schema(wanted)
    found: list[str] = []

    for stored in [stored.to_dict() async for stored in client.list(kind, namespace="*")]:
        fields = [*lost_fields(stored.get("spec", {}), _spec(now), _spec(then), "spec")]
        if fields:
            found.append(
                f"{names['kind']} {stored['metadata']['namespace']}/{stored['metadata']['name']}"
                f" ({', '.join(fields[:3])})"
            )
    if found:
        raise CrdError(
            f"kuberay:kuberayVersion: KubeRay {version} does not know fields that are in use and would be"
            f" lost: {first_few(found)}; take them away first, or keep the newer version"
        )


def _spec(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    return schema["properties"]["spec"]


def _annotations(crd: Crd) -> dict[str, str]:
    return crd["metadata"].get("annotations") or {}
