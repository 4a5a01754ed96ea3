"""Which parts of a local run are the real thing, and which are doubles because the real one is out of reach here."""

import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from local import chart_repository, tools
from local.chart_repository import ChartSource
from local.progress import step
from local.surroundings import remembered

PLUGIN_HOST = "https://get.pulumi.com/"

Nodes = Literal["simulated", "real"]


@dataclass(frozen=True)
class Part:
    """One line of what a run is made of."""

    name: str
    kind: Literal["real", "simulated", "double"]
    source: str


@dataclass(frozen=True)
class Sources:
    """Everything a run needs that can be real or not."""

    tools: tools.Toolbox
    provider: Path
    """The kubernetes provider plugin's program."""
    charts: str | Path
    """A chart repository's address, or a folder to serve."""
    parts: list[Part]

    def table(self) -> str:
        """The parts, aligned, for the terminal."""
        width = max(len(part.name) for part in self.parts)
        return "\n".join(f"  {part.name:<{width}}  {part.kind:<9}  {part.source}" for part in self.parts)


def prepare(versions: Sequence[str], *, nodes: Nodes = "simulated") -> Sources:
    """Finds out what can be had, and builds what is missing.

    `versions`: those of KubeRay that will be run.
    """
    always = [tools.PULUMI, tools.PYTHON_HOST, tools.KUBERNETES, tools.HELM]
    operators = [tools.operator(version) for version in versions]
    wanted = [
        *always,
        *{
            "simulated": [tools.ETCD, tools.KWOK, *operators],
            "real": [tools.ETCD, tools.KUBELET, tools.COREDNS, *operators],
        }[nodes],
    ]
    plugin = downloaded_plugin()
    toolbox = tools.ensure(wanted if plugin else [*wanted, tools.PROVIDER])
    charts, origins = chart_repository.repository(versions, toolbox["helm"])
    return Sources(toolbox, plugin or toolbox["pulumi-resource-kubernetes"], charts, _parts(nodes, versions, origins))


def _parts(nodes: Nodes, versions: Sequence[str], charts: Sequence[ChartSource]) -> list[Part]:
    plane = Part("control plane", "real", f"Kubernetes {tools.KUBERNETES.version}, etcd {tools.ETCD.version}")
    operators = ", ".join(versions)
    cluster = {
        "simulated": [
            plane,
            Part("nodes and pods", "simulated", f"kwok {tools.KWOK.version}: no container runs"),
            Part("KubeRay operator", "real", f"{operators}, a process beside its simulated pod"),
            Part("Ray's REST endpoints", "double", "from local/ray_rest.py: what simulated pods answer of jobs and Serve applications"),
        ],
        "real": [
            plane,
            Part("nodes and pods", "real", f"containerd of Debian, kubelet {tools.KUBELET.version}, CoreDNS {tools.COREDNS.version}"),
            Part("KubeRay operator", "real", f"{operators}, in an image made here"),
            Part("Ray", "real", "from PyPI, with Debian's Python, in an image made here"),
        ],
    }[nodes]
    return [
        *cluster,
        Part("Pulumi", "real", f"CLI {tools.PULUMI.version}, Kubernetes plugin {tools.PROVIDER.version}"),
        *(Part("charts", chart.kind, f"{chart.version} from {chart.source}") for chart in charts),
    ]


def downloaded_plugin() -> Path | None:
    """The kubernetes provider plugin as it is released: one that the user has installed, or one from Pulumi's plugin host."""
    inside = f"plugins/resource-kubernetes-v{tools.provider_version()}/pulumi-resource-kubernetes"
    homes = [Path(os.environ.get("PULUMI_HOME") or "~/.pulumi").expanduser(), tools.cache_folder() / "pulumi"]
    for home in homes:
        if (home / inside).exists():
            return home / inside
    if remembered(PLUGIN_HOST, lambda: _answers(PLUGIN_HOST) and _install_plugin(homes[-1])):
        return homes[-1] / inside if (homes[-1] / inside).exists() else None
    return None


def _install_plugin(home: Path) -> bool:
    pulumi = tools.ensure([tools.PULUMI])["pulumi"]
    version = tools.provider_version()
    with step(f"kubernetes provider {version} from {PLUGIN_HOST}"):
        command = [pulumi, "plugin", "install", "resource", "kubernetes", f"v{version}"]
        environment = os.environ | {"PULUMI_HOME": str(home), "PULUMI_SKIP_UPDATE_CHECK": "true"}
        try:
            return subprocess.run(command, env=environment, capture_output=True, timeout=180, check=False).returncode == 0
        except subprocess.TimeoutExpired:
            return False


def _answers(address: str) -> bool:
    request = urllib.request.Request(address, method="HEAD")  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=3):  # noqa: S310
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False
