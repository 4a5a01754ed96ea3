"""Which parts of a local run are the real thing, and which are doubles because the real
one is out of reach here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from local import chart_repository, downloads, tools
from local.chart_repository import ChartSource
from local.errors import LocalError

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


def prepare(
    versions: Sequence[str], *, nodes: Nodes = "simulated", kubernetes: tools.Tool = tools.KUBERNETES
) -> Sources:
    """Finds out what can be had, and builds what is missing.

    `versions`: those of KubeRay that will be run; `kubernetes`: its control plane.
    """
    always = [kubernetes, tools.HELM]
    operators = [tools.operator(version) for version in versions]
    wanted = [
        *always,
        *{
            "simulated": [tools.ETCD, tools.KWOK, *operators],
            "real": [tools.ETCD, tools.KUBELET, tools.KUBE_ROUTER, tools.COREDNS, *operators],
        }[nodes],
    ]
    pulumi, pulumi_from = _pulumi()
    plugin, plugin_from = _plugin(pulumi["pulumi"])
    toolbox = tools.Toolbox({**tools.ensure(wanted).programs, **pulumi})
    charts, origins = chart_repository.repository(versions, toolbox["helm"])
    ours = [Part("Pulumi", "real", pulumi_from), Part("Kubernetes plugin", "real", plugin_from)]
    return Sources(
        toolbox, plugin, charts, [*_cluster_parts(nodes, versions, kubernetes), *ours, *_chart_parts(origins)]
    )


def _pulumi() -> tuple[dict[str, Path], str]:
    """The CLI with its Python language host, and what it is: one on PATH, a released
    one, or one built here.
    """
    pinned = [tools.PULUMI, tools.PYTHON_HOST]
    if found := {name: path for tool in pinned for name, path in tools.on_path(tool).items()}:
        return found, f"CLI {'.'.join(map(str, tools.version_of([found['pulumi'], 'version'])))}, of PATH"
    if not all(tools.in_cache(tool) for tool in pinned) and (found := downloads.pulumi_cli()):
        return found, f"CLI {tools.PULUMI.version}, from {downloads.HOST}"
    return dict(tools.ensure(pinned).programs), f"CLI {tools.PULUMI.version}, built from its Go module"


def _plugin(pulumi: Path) -> tuple[Path, str]:
    """The Kubernetes plugin's program, and what it is."""
    name, version = "pulumi-resource-kubernetes", tools.provider_version()
    if version == tools.PROVIDER.version and (built := tools.in_cache(tools.PROVIDER)):
        return built[name], f"{version}, built from its Go module"
    if released := downloads.kubernetes_plugin(lambda: pulumi):
        return released, f"{version}, as it is released"
    if version != tools.PROVIDER.version:
        raise LocalError(
            f"the Kubernetes plugin {version}, which the installed pulumi-kubernetes asks for, cannot be"
            f" downloaded; {tools.PROVIDER.version} can be built here: pip install"
            f" pulumi-kubernetes=={tools.PROVIDER.version}"
        )
    return tools.ensure([tools.PROVIDER])[name], f"{version}, built from its Go module"


def _cluster_parts(nodes: Nodes, versions: Sequence[str], kubernetes: tools.Tool) -> list[Part]:
    plane = Part("control plane", "real", f"Kubernetes {kubernetes.version}, etcd {tools.ETCD.version}")
    operators = ", ".join(versions)
    return {
        "simulated": [
            plane,
            Part("nodes and pods", "simulated", f"kwok {tools.KWOK.version}: no container runs"),
            Part("KubeRay operator", "real", f"{operators}, a process beside its simulated pod"),
            Part(
                "Ray's REST endpoints",
                "double",
                "from local/ray_rest.py: what simulated pods answer of jobs and Serve applications",
            ),
        ],
        "real": [
            plane,
            Part(
                "nodes and pods",
                "real",
                f"containerd of Debian, kubelet and kube-proxy {tools.KUBELET.version}, CoreDNS"
                f" {tools.COREDNS.version}",
            ),
            Part("network policies", "real", f"kube-router {tools.KUBE_ROUTER.version}"),
            Part("KubeRay operator", "real", f"{operators}, in an image made here"),
            Part("Ray", "real", "from PyPI, with Debian's Python, in an image made here"),
        ],
    }[nodes]


def _chart_parts(charts: Sequence[ChartSource]) -> list[Part]:
    return [Part("charts", chart.kind, f"{chart.version} from {chart.source}") for chart in charts]
