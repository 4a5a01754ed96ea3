"""A cluster of real nodes, where a Docker engine runs.

Kept small: kind brings the cluster, everything else is as on a simulated one. It was written without a Docker engine at hand and has
not been run yet.
"""

import platform
import shutil
import subprocess
from functools import cached_property
from pathlib import Path
from typing import Any

from local import control_plane, sources
from local.cluster import LocalCluster
from local.control_plane import Ports, Program
from local.errors import LocalError
from local.progress import step


class KindCluster(LocalCluster):
    """The same as a simulated cluster for whoever uses it."""

    nodes = "kind"

    @cached_property
    def sources(self) -> sources.Sources:
        """Without the control plane's own programs: kind has its images."""
        return sources.prepare(self.kuberay_versions, nodes="kind")

    def adapted(self, config: dict[str, Any]) -> dict[str, Any]:
        """Real nodes run images of this machine's architecture alone."""
        return config | {"kuberay:architecture": "aarch64" if platform.machine() in ("aarch64", "arm64") else "x86"}

    @property
    def running(self) -> bool:
        """Whether kind knows the cluster."""
        return self._name in self._kind("get", "clusters").split()

    @property
    def _name(self) -> str:
        return f"kuberay-{self.home.folder.name}"

    def start(self) -> None:
        """Makes the cluster when it is not there."""
        self._supervise()
        if not self.running:
            with step(f"kind cluster {self._name}"):
                self._kind("create", "cluster", "--name", self._name, "--kubeconfig", str(self.kubeconfig), "--wait", "120s")

    def stop(self, keep: bool = False) -> None:
        """Deletes the cluster; what ran in it cannot be kept."""
        if shutil.which("docker"):
            self._kind("delete", "cluster", "--name", self._name, "--kubeconfig", str(self.kubeconfig))
        super().stop(keep)

    def _programs(self, ports: Ports) -> list[Program]:
        return [control_plane.chart_server(self.home, ports)] if isinstance(self.sources.charts, Path) else []

    def _write_access(self, ports: Ports) -> None:
        """Kind writes the kubeconfig."""

    def _kind(self, *arguments: str) -> str:
        answer = subprocess.run([self.sources.tools["kind"], *arguments], capture_output=True, text=True, check=False)
        if answer.returncode:
            raise LocalError(f"kind {' '.join(arguments[:2])} failed: {answer.stderr.strip()}")
        return answer.stdout
