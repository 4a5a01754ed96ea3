"""What is in a chart, from wherever the chart comes: a folder, an archive, a Helm
repository or an OCI registry.

Helm installs a chart's CRDs with the first release and never touches them again, and
its Release resource hands nobody the archive that it downloads. So a first `up` and an
upgrade read the chart once more; so does the preview of an upgrade, and each run where
the chart is later than any known one. Helm looks at no digest either: whatever `up`
hands to it is held against the repository's index before.
"""

import asyncio
import gzip
import io
import re
import subprocess
import tarfile
import threading
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx2
import yaml

from kuberay.facts.addresses import without_logins, without_queries
from kuberay.facts.chart_source import ChartSource
from kuberay.live.charts import download

_ONE_AT_A_TIME = threading.Lock()

#: As Helm finds them.
_CRD_FILES = re.compile(r"crds/.+\.(yaml|yml|json)")
#: In a file that is more than comments and marks between documents.
_SAYS_SOMETHING = re.compile(r"^[^#\s-]", re.MULTILINE)
_TEXTS = re.compile(rf"values\.yaml|templates/[^/]+|{_CRD_FILES.pattern}")

_MISTAKES = (
    OSError,
    EOFError,
    zlib.error,
    httpx2.HTTPError,
    httpx2.InvalidURL,
    subprocess.SubprocessError,
    tarfile.TarError,
    yaml.YAMLError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


class ChartError(Exception):
    """A chart that cannot be read; the message says which and why, in one line."""


def chart_crds(source: ChartSource) -> list[dict[str, Any]]:
    """Every CRD in the chart's `crds` folder."""
    with _reading(source):
        return [crd for text in crd_texts(source) for crd in yaml.load_all(text, download.LOADER) if crd]


def crd_texts(source: ChartSource) -> list[str]:
    """The files of the chart's `crds` folder, not parsed: they are long."""
    with _reading(source):
        texts = [text for text in _files(source, _CRD_FILES).values() if _SAYS_SOMETHING.search(text)]
    if not texts:
        raise ChartError(f"the chart {_named(source)} has no CRDs")
    return texts


@dataclass(frozen=True)
class ChartTexts:
    """What a chart is made of."""

    values: dict[str, Any]
    """Its values.yaml."""
    templates: list[str]
    crds: list[str]
    """Files with CRDs, not parsed: they are long."""

    def crd(self, name: str) -> dict[str, Any] | None:
        """One of the CRDs."""
        texts = (text for text in self.crds if name in text)
        crds = (crd for text in texts for crd in yaml.load_all(text, download.LOADER) if crd)
        return next((crd for crd in crds if crd["metadata"]["name"] == name), None)


def chart_texts(source: ChartSource) -> ChartTexts:
    """What a chart is made of, after one download."""
    with _reading(source):
        files = _files(source, _TEXTS)
        return ChartTexts(
            values=yaml.load(files["values.yaml"], download.LOADER) or {},  # noqa: S506
            templates=[text for name, text in files.items() if name.startswith("templates/")],
            crds=[text for name, text in files.items() if name.startswith("crds/")],
        )


def chart_archive(source: ChartSource) -> bytes:
    """A chart as it is packed; of no folder."""
    with _reading(source):
        return download.packed_chart(source)


async def check_chart(source: ChartSource) -> None:
    """Ends where a repository gives the chart that its index says, or where the chart
    comes from none; each is looked at once a run.

    Raises:
        ChartError: it gives another, or none.
    """

    def look() -> None:
        with _ONE_AT_A_TIME:
            _look_once(source)

    if source.repository:
        await asyncio.to_thread(look)


@lru_cache(maxsize=8)
def _look_once(source: ChartSource) -> None:
    chart_archive(source)


@contextmanager
def _reading(source: ChartSource) -> Generator[None]:
    try:
        yield
    except _MISTAKES as error:
        reason = without_logins(without_queries(" ".join(str(error).split())))
        raise ChartError(
            f"the chart {_named(source)} cannot be read: {reason or type(error).__name__}"
        ) from error


def _named(source: ChartSource) -> str:
    return f"{source.chart} {source.version}" + (
        f" of {without_queries(source.repository)}" if source.repository else ""
    )


def _files(source: ChartSource, wanted: re.Pattern[str]) -> dict[str, str]:
    """The chart's own files, by their paths in it."""
    folder = Path(source.chart)
    if source.repository is None and folder.is_dir():
        paths = {str(file.relative_to(folder)): file for file in sorted(folder.rglob("*")) if file.is_file()}
        return {name: file.read_text() for name, file in paths.items() if wanted.fullmatch(name)}
    texts: dict[str, str] = {}
    with tarfile.open(fileobj=io.BytesIO(_unpack(download.packed_chart(source)))) as archive:
        for member in sorted(archive.getmembers(), key=lambda member: member.name):
            name = member.name.partition("/")[2]
            if wanted.fullmatch(name) and (content := archive.extractfile(member)):
                texts[name] = content.read().decode()
    return texts


def _unpack(packed: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(packed)) as stream:
        content = stream.read(download.MOST + 1)
    if len(content) > download.MOST:
        raise ValueError(f"it unpacks to more than {download.MOST >> 20} MiB")
    return content
