"""Which parts of a local run are the real thing, and which are doubles because the real one is out of reach here."""

import hashlib
import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from local import tools
from local.errors import LocalError
from local.progress import step

PLUGIN_HOST = "https://get.pulumi.com/"
CHART_REPOSITORY = "https://ray-project.github.io/kuberay-helm/"
REMEMBERED_SECONDS = 24 * 3600

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
    charts = find_charts(toolbox, operators)
    return Sources(toolbox, plugin or toolbox["pulumi-resource-kubernetes"], charts, _parts(nodes, versions, charts=charts))


def _parts(nodes: Nodes, versions: Sequence[str], charts: str | Path) -> list[Part]:
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
        _charts_part(charts),
    ]


def _charts_part(charts: str | Path) -> Part:
    if isinstance(charts, str):
        return Part("charts", "real", charts)
    if "CHARTS" in os.environ:
        return Part("charts", "real", f"from CHARTS={os.environ['CHARTS']}")
    return Part("charts", "double", "from local/charts (the official repository is out of reach)")


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


def find_charts(toolbox: tools.Toolbox, operators: Sequence[tools.Tool]) -> str | Path:
    """The charts of `CHARTS` (a repository's address or a folder), the official repository, or the doubles in this project."""
    if chosen := os.environ.get("CHARTS"):
        if chosen.startswith(("http://", "https://", "oci://")):
            return chosen
        folder = Path(chosen).expanduser().resolve()
        if (folder / "index.yaml").exists():
            return folder
        return _package(folder, toolbox["helm"])
    if remembered(CHART_REPOSITORY, lambda: _answers(f"{CHART_REPOSITORY}index.yaml")):
        return CHART_REPOSITORY
    return _doubles(toolbox["helm"], operators)


def _package(folder: Path, helm: Path) -> Path:
    """Makes a repository of the chart folders in this folder."""
    charts = sorted(file.parent for file in folder.glob("*/Chart.yaml"))
    if not charts:
        raise LocalError(f"CHARTS={folder} holds neither an index.yaml nor a folder with a Chart.yaml")
    target = tools.cache_folder() / "charts" / hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for chart in charts:
        _helm(helm, "package", chart, "--destination", target)
    _helm(helm, "repo", "index", target)
    return target


def _helm(helm: Path, *arguments: str | Path) -> None:
    answer = subprocess.run([helm, *arguments], capture_output=True, text=True, check=False)
    if answer.returncode:
        raise LocalError(f"helm {arguments[0]} failed: {answer.stderr.strip()}")


def _doubles(helm: Path, operators: Sequence[tools.Tool]) -> Path:
    """The repository made from this project's doubles, made again when one of its files or an operator's pin changes."""
    from local.charts.assemble import assemble

    digest = hashlib.sha256()
    for file in sorted((tools.LOCAL / "charts").rglob("*")):
        if file.is_file() and file.suffix != ".pyc":
            digest.update(str(file.relative_to(tools.LOCAL)).encode() + file.read_bytes())
    for operator in operators:
        digest.update(operator.key.encode())
    target = tools.cache_folder() / "charts" / digest.hexdigest()[:12]
    if not (target / "index.yaml").exists():
        go = tools.find_go()
        with tools.building_alone(), step("charts"):
            unfinished = target.with_name(f"{target.name}.unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            for operator in operators:
                assemble(unfinished, tools.module_folder(operator, go), operator.version, helm)
            if not target.exists():
                unfinished.rename(target)
    return target


def remembered(question: str, find_out: Callable[[], bool]) -> bool:
    """The answer to a slow question about this machine's surroundings, asked once a day."""
    file = tools.cache_folder() / "reachable.json"
    try:
        known: dict[str, tuple[bool, float]] = json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        known = {}
    answer, asked = known.get(question, (False, 0.0))
    if time.time() - asked > REMEMBERED_SECONDS:
        answer = find_out()
        known[question] = (answer, time.time())
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(f".{os.getpid()}")
        unfinished.write_text(json.dumps(known))
        unfinished.replace(file)
    return answer


def _answers(address: str) -> bool:
    request = urllib.request.Request(address, method="HEAD")  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=3):  # noqa: S310
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False
