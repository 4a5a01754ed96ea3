"""Whose an object or a Helm release is: the mark of the stack that made it, and Helm's
own record of a release. Pure.
"""

import base64
import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kuberay.facts.labels import STACK_MARK
from kuberay.facts.manifests import read_manifests
from kuberay.facts.objects import Object

#: Helm passes `global` to each chart, whatever the chart knows: the mark is kept in the
#: release's record and renders nothing.
_HELM_GLOBAL = "global"


@dataclass(frozen=True)
class Record:
    """One revision of a Helm release, as Helm keeps it in a Secret of type
    `helm.sh/release.v1`.
    """

    secret: str
    release: str
    revision: int
    status: str
    """Helm's word: `deployed`, `superseded`, `failed`, `uninstalling`,
    `pending-install`, `pending-upgrade`, `pending-rollback`.
    """
    stack: str | None
    """Whose it is; None where no stack's."""
    values: Mapping[str, Any]
    """Without the mark."""
    manifest: str
    namespace: str = ""
    chart: str = ""
    """Name of its chart."""
    version: str = ""
    """Of the chart."""
    defaults: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The chart's own values."""

    @property
    def objects(self) -> list[Object]:
        """What the release rendered."""
        return read_manifests(self.manifest)


def read_record(secret: Object) -> Record:
    """A record out of its Secret, whose data the API and Helm have each encoded."""
    release = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(secret["data"]["release"]))))
    values: dict[str, Any] = release.get("config") or {}
    chart: dict[str, Any] = release.get("chart") or {}
    about: dict[str, Any] = chart.get("metadata") or {}
    return Record(
        secret=str(secret["metadata"]["name"]),
        release=str(release["name"]),
        revision=int(release["version"]),
        status=str(release["info"]["status"]),
        stack=(values.get(_HELM_GLOBAL) or {}).get(STACK_MARK),
        values=without_mark(values),
        manifest=str(release.get("manifest") or ""),
        namespace=str(release.get("namespace") or ""),
        chart=str(about.get("name") or ""),
        version=str(about.get("version") or ""),
        defaults=chart.get("values") or {},
    )


def marked_values(values: Mapping[str, Any], stack: str) -> dict[str, Any]:
    """Values of a release of this stack."""
    return {**values, _HELM_GLOBAL: {**(values.get(_HELM_GLOBAL) or {}), STACK_MARK: stack}}


def without_mark(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as they were before they were marked."""
    shared = {key: value for key, value in (values.get(_HELM_GLOBAL) or {}).items() if key != STACK_MARK}
    rest = {key: value for key, value in values.items() if key != _HELM_GLOBAL}
    return rest | ({_HELM_GLOBAL: shared} if shared else {})


def stack_of(obj: Object) -> str | None:
    """The stack that made an object; None where no stack did."""
    return (obj["metadata"].get("annotations") or {}).get(STACK_MARK)
