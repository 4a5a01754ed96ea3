"""KubeRay's CRDs at the operator's version.

Helm installs the CRDs of a chart with the first release, gives the API server a minute
for them, and never upgrades them. So before the operator's release is made or changes,
a hook of `up` brings them to its version: each carries, as an annotation, the version
it was brought to, so that a run that was killed goes on where it stopped. They are no
resources of the stack: at a megabyte each they would make every preview ten times as
long. `destroy` leaves them, and with them every Ray cluster that another stack or
person made. So a new stack may find CRDs of whoever was there before: older ones are
brought to its version, newer ones are refused.
"""

import asyncio
import re
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import yaml
from httpx2 import HTTPError
from lightkube import ApiError, AsyncClient
from lightkube.types import PatchType

from kuberay.facts.chart_source import ChartSource
from kuberay.facts.labels import VERSION_ANNOTATION
from kuberay.facts.phrases import Report, first_few
from kuberay.facts.versions import at_least
from kuberay.live.api.client import apply_text, code_of, connect, find, find_all
from kuberay.live.api.connection import Connection
from kuberay.live.api.kinds import PlainCrd, RayCluster, RayCronJob, RayJob, RayService, kind_of_crd
from kuberay.live.charts.contents import chart_crds, crd_texts
from kuberay.live.crds.schemas import lost_fields, storage_schema, unknown_fields
from kuberay.live.wait_loop import Look, every, wait

Crd = Mapping[str, Any]

_KINDS = {
    "rayclusters.ray.io": RayCluster,
    "rayjobs.ray.io": RayJob,
    "rayservices.ray.io": RayService,
    "raycronjobs.ray.io": RayCronJob,
}
NAMES = tuple(_KINDS)
#: RayCronJobs came with 1.6.
OF_EACH_VERSION = NAMES[:3]
#: Between documents of a file, and where a CRD begins that has schemas.
_DOCUMENTS = re.compile(r"^---(?=\s|$).*", re.MULTILINE)
_SPEC = re.compile(r"^spec:", re.MULTILINE)
_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
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
    timeout: float,
    in_preview: bool = False,
) -> None:
    """Before the operator's release is made or changes: brings the CRDs to its version,
    or refuses to where someone would lose something by it.

    Args:
        connection: of the stack.
        version: of the operator to be.
        source: of its chart, which has the CRDs.
        was: the version of the operator's release until now, if there is one.
        report: takes a line that says what is done.
        timeout: until the API server serves what is new, in seconds.
        in_preview: says and refuses the same, and changes nothing; of a first install
            there is nothing to say.
    """
    answered, patience = (_PREVIEW_TIMEOUT, 0) if in_preview else (_TIMEOUT, _PATIENCE)
    async with connect(connection, "default", timeout=answered, patience=patience) as client:
        try:
            present = {name: crd for name in NAMES if (crd := await find(client, PlainCrd, name))}
        except ApiError as error:
            if error.status.code != 403:
                raise
            report(
                f"the CRDs are left as they are, for you may not read them; KubeRay {version} needs its own:"
                " ask who may"
            )
            return
        if was is None and not present:
            if not in_preview:
                await _install(connection, client, version, source, timeout, report)
            return
        missing = any(name not in present for name in OF_EACH_VERSION)
        stale = {
            name
            for name, crd in present.items()
            if is_stale(_annotations(crd).get(VERSION_ANNOTATION), version, was)
        }
        if not missing and not stale:
            return
        crds = {crd["metadata"]["name"]: crd for crd in await asyncio.to_thread(chart_crds, source)}
        new = [name for name in crds if name not in present]
        old = [name for name in crds if name in stale]
        if was is None:
            refuse_newer(present, crds, version)
        for name in old:
            await _refuse_to_lose(client, present[name], crds[name], version)
        report(f"CRDs brought to KubeRay {version}: {', '.join(sorted(new + old))}")
        if not in_preview:
            # New ones first: while one is missing, those that are there say by their
            # version that there is more to do.
            for names in (new, old):
                await asyncio.gather(*(_apply(client, crds[name], version) for name in names))
            await _until_served(client, new, timeout, report)


def is_stale(found: str | None, version: str, was: str | None) -> bool:
    """Whether a CRD has to be brought to a version. ``found``: that which it was
    brought to, if it was; ``was``: that of the operator's release until now, if there
    is one.
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

    ``present``, ``wanted``: the CRDs of the cluster, and those of the version, by name.

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


async def _install(
    connection: Connection,
    client: AsyncClient,
    version: str,
    source: ChartSource,
    timeout: float,
    report: Report,
) -> None:
    """Makes all of them where there is none: of these no schema has to be looked at."""
    crds = await asyncio.to_thread(_annotated_texts, source, version)
    report(f"CRDs brought to KubeRay {version}: {', '.join(sorted(crds))}")
    # One after the other: the API server works on the schemas of the first meanwhile.
    for name, text in crds.items():
        with _refused(name, version):
            await apply_text(connection, _PATH + name, text, timeout=_TIMEOUT, patience=_PATIENCE)
    await _until_served(client, crds, timeout, report)


def _annotated_texts(source: ChartSource, version: str) -> dict[str, str]:
    """The chart's CRDs by name, as texts that carry its version; those that tell by
    their absence that there is more to do come last.
    """
    documents = [document for text in crd_texts(source) for document in _DOCUMENTS.split(text)]
    crds = dict(found for document in documents if (found := _annotated(document, version)))
    return dict(sorted(crds.items(), key=lambda crd: crd[0] in OF_EACH_VERSION))


def _annotated(document: str, version: str) -> tuple[str, str] | None:
    """Name and text of a CRD that carries its version; its schemas are not read where
    they come last. None where there are only comments.
    """
    spec = _SPEC.search(document)
    head, below = (document[: spec.start()], document[spec.start() :]) if spec else (document, "")
    crd = yaml.safe_load(head)
    if below and "metadata" not in (crd or {}):
        crd, below = yaml.safe_load(document), ""
    if not crd:
        return None
    return crd["metadata"]["name"], yaml.safe_dump(_with_version(crd, version)) + below


async def _until_served(client: AsyncClient, names: Iterable[str], timeout: float, report: Report) -> None:
    """Waits until the API server knows the kinds of new CRDs: an operator that starts
    before ends with an error.
    """

    async def look(name: str) -> Look:
        try:
            async for _ in client.list(_KINDS[name], namespace="*", chunk_size=1):
                break
        except HTTPError as error:
            if code_of(error) == 404:
                return Look(cause=f"`kubectl describe crd {name}` tells why")
            # Whoever may not list them cannot wait for them either.
            if code_of(error) != 403:
                raise
        return Look(up=True)

    for name in names:
        if name in _KINDS:
            await wait(
                partial(look, name),
                what=f"the CRD {name}",
                so_far="not served",
                timeout=timeout,
                report=report,
                pause=every(1.0, at_first=0.1),
            )


async def _apply(client: AsyncClient, crd: Crd, version: str) -> None:
    name = crd["metadata"]["name"]
    with _refused(name, version):
        crd = _with_version(crd, version)
        await client.patch(PlainCrd, name, crd, patch_type=PatchType.APPLY, force=True)


@contextmanager
def _refused(name: str, version: str) -> Generator[None]:
    try:
        yield
    except ApiError as error:
        raise CrdError(f"the CRD {name} of KubeRay {version} was not taken: {error}") from error


def _with_version(crd: Crd, version: str) -> Crd:
    """Annotations of the archive stay: controller-gen's version, by which people tell
    CRDs apart.
    """
    annotations = {**_annotations(crd), VERSION_ANNOTATION: version}
    return {**crd, "metadata": {**crd["metadata"], "annotations": annotations}}


async def _refuse_to_lose(client: AsyncClient, present: Crd, wanted: Crd, version: str) -> None:
    """A downgrade may take fields away that stored objects use: the API server would
    drop them without a word.
    """
    kind = kind_of_crd(present["spec"])
    now, then = storage_schema(present), storage_schema(wanted)
    found: list[str] = []

    for stored in await find_all(client, kind, namespace="*"):
        fields = [*lost_fields(stored.get("spec", {}), _spec(now), _spec(then), "spec")]
        if fields:
            found.append(
                f"{kind.__name__} {stored['metadata']['namespace']}/{stored['metadata']['name']}"
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
