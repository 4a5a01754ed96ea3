"""The fields that an owner gives a resource's spec, held against the CRD of the stack's
version of KubeRay.

The API server's dry run says the same of most, but not what was meant; and a preview
may reach no API server, or one whose CRDs are to be upgraded first.
"""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

from kuberay.facts.chart_source import ChartSource
from kuberay.facts.objects import plural
from kuberay.live.api.client import connect, find
from kuberay.live.api.connection import Connection
from kuberay.live.api.kinds import PlainCrd
from kuberay.live.charts.contents import chart_texts
from kuberay.live.crds.schemas import Schema, storage_schema

_TIMEOUT = 3.0


async def spec_schemas(
    connection: Connection | None, kinds: Collection[str], source: ChartSource
) -> dict[str, Schema]:
    """The schema of the spec of each kind: of the cluster's CRDs, or of the chart's
    where they cannot be read.

    Args:
        connection: of the stack; None where the cluster's CRDs are not of its version
            yet.
        kinds: ``RayCluster``, ``RayJob`` …
        source: of the operator's chart.

    Raises:
        ChartError: the chart cannot be read either.
    """
    names = {f"{plural(kind)}.ray.io": kind for kind in kinds}
    found = await _of_cluster(connection, names) if connection else {}
    if missing := names.keys() - found.keys():
        texts = await asyncio.to_thread(chart_texts, source)
        found |= {name: crd for name in missing if (crd := await asyncio.to_thread(texts.crd, name))}
    return {
        kind: storage_schema(found[name])["properties"]["spec"]
        for name, kind in names.items()
        if name in found
    }


async def _of_cluster(connection: Connection, names: Collection[str]) -> dict[str, Mapping[str, Any]]:
    try:
        async with connect(connection, "default", timeout=_TIMEOUT, patience=0) as client:
            found = await asyncio.gather(*(find(client, PlainCrd, name) for name in names))
    except Exception:  # Whatever keeps the program from them: the chart has them too.
        return {}
    return {name: crd for name, crd in zip(names, found, strict=True) if crd}
