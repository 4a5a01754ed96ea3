"""Helm's own rendering of a chart, by its CLI."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from commands.stack.cli import PROGRAM, StackError
from kuberay.facts.addresses import without_queries
from kuberay.facts.chart_source import ChartSource
from kuberay.live.charts.contents import chart_archive


class HelmError(StackError):
    """Helm could not render something; the message is its own, in one line."""


class Helm:
    """`helm template`, with each chart fetched once. Use as a context: the charts are
    in a folder of its own.
    """

    def __init__(self, program: str | None = None) -> None:
        """``program``: which Helm, where it is not the one on the PATH."""
        self._program = program or shutil.which("helm")
        self._charts: dict[ChartSource, str] = {}

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory()
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def fetch(self, charts: Iterable[ChartSource]) -> None:
        """Brings charts here.

        Raises:
            HelmError: there is no Helm, or a chart cannot be had.
        """
        for chart in charts:
            if chart not in self._charts:
                self._charts[chart] = self._pull(chart)

    def render(self, name: str, namespace: str, chart: ChartSource, values: Mapping[str, Any]) -> str:
        """The manifests of a release, of a chart that is here."""
        options = ["--namespace", namespace, "--values", "-"]
        return self._helm("template", name, self._charts[chart], *options, given=json.dumps(values))

    def _pull(self, chart: ChartSource) -> str:
        if chart.repository is None and not chart.chart.startswith("oci://"):
            # A relative one is from the program's folder, as for Pulumi's plugins.
            return str(PROGRAM / chart.chart)
        folder = Path(self._folder.name, str(len(self._charts)))
        if chart.login:
            # Helm takes a login as an argument, which every process of the machine can
            # read.
            folder.mkdir()
            packed = folder / "chart.tgz"
            packed.write_bytes(chart_archive(chart))
            return str(packed)
        repository = ["--repo", chart.repository] if chart.repository else []
        version = ["--version", chart.version] if chart.version else []
        self._helm("pull", chart.chart, *repository, *version, "--untar", "--untardir", str(folder))
        # By its name: Helm 3.18 leaves an empty folder beside it.
        return str(folder / chart.chart.rpartition("/")[2])

    def _helm(self, *arguments: str, given: str = "") -> str:
        if self._program is None:
            raise HelmError("there is no `helm` on the PATH")
        environment = os.environ | {"HELM_CACHE_HOME": str(Path(self._folder.name, "cache"))}
        done = subprocess.run(
            [self._program, *arguments],
            input=given,
            env=environment,
            capture_output=True,
            text=True,
            errors="backslashreplace",
            check=False,
            timeout=120,
        )
        if done.returncode:
            raise HelmError(without_queries(" ".join(done.stderr.split())) or f"helm {arguments[0]} failed")
        return done.stdout
