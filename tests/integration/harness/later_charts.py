"""A Helm repository on loopback with charts of versions that there are not: the
official ones of 1.6.2, changed.
"""

import functools
import io
import json
import tarfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

from local.chart_repository import CHARTS, official_charts
from tests.loopback import serving

SOURCE = "1.6.2"
#: What is written in place of what, in all files of both charts.
Changes = Mapping[str, str]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""


@contextmanager
def serving_later_charts(folder: Path, versions: Mapping[str, Changes]) -> Generator[str]:
    """The address of a repository with both charts of each version."""
    official = official_charts(SOURCE)
    assert official
    entries: dict[str, list[object]] = {chart: [] for chart in CHARTS}
    for version, changes in versions.items():
        for chart in CHARTS:
            name = f"{chart}-{version}.tgz"
            (folder / name).write_bytes(
                _packed(official / chart, {f"version: {SOURCE}": f"version: {version}", **changes})
            )
            entries[chart].append({"apiVersion": "v2", "name": chart, "version": version, "urls": [name]})
    (folder / "index.yaml").write_text(json.dumps({"apiVersion": "v1", "entries": entries}))
    with serving(functools.partial(_Quiet, directory=str(folder))) as host:
        yield f"http://{host}/"


def _packed(chart: Path, changes: Changes) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz", compresslevel=1) as archive:
        for file in sorted(file for file in chart.rglob("*") if file.is_file()):
            text = file.read_text()
            for before, after in changes.items():
                text = text.replace(before, after)
            entry = tarfile.TarInfo(f"{chart.name}/{file.relative_to(chart)}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return content.getvalue()
