"""The Helm repository that a local cluster serves: KubeRay's charts in the versions
that are run.

Each version's charts come from the official repository, from KubeRay's Go module where
the proxy has it, or, 1.3.0's alone, from a double in `local/charts`, which
tests/conformance holds against the official ones.
"""

import hashlib
import itertools
import os
import shutil
import subprocess
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import yaml

from local import tools
from local.errors import LocalError
from local.progress import step
from local.surroundings import remembered

CHARTS = ("kuberay-operator", "ray-cluster")
DOUBLED = "1.3.0"
MODULE = "github.com/ray-project/kuberay"
OFFICIAL_REPOSITORY = "https://ray-project.github.io/kuberay-helm/"
#: For both charts of a version, 200 kB together.
DOWNLOAD_SECONDS = 20


@dataclass(frozen=True)
class ChartSource:
    """Where the charts of one version come from."""

    version: str
    kind: Literal["real", "double"]
    source: str


def repository(versions: Sequence[str], helm: Path) -> tuple[str | Path, list[ChartSource]]:
    """A repository's address, or a folder to serve, with both charts of each version;
    and where they come from.

    `CHARTS` in the environment goes before all: the address of a repository, a folder
    that is one, or a folder of charts.
    """
    if chosen := os.environ.get("CHARTS"):
        said = [ChartSource(version, "real", f"CHARTS={chosen}") for version in versions]
        if chosen.startswith(("http://", "https://", "oci://")):
            return chosen, said
        folder = Path(chosen).expanduser().resolve()
        made = folder if (folder / "index.yaml").exists() else _packaged(folder, helm)
        _require(versions, made, chosen)
        return made, said
    found = [_charts_of(version, helm) for version in versions]
    return _together([folder for folder, _ in found], helm), [source for _, source in found]


def chart_folders(folder: Path) -> list[Path]:
    """KubeRay's charts in a folder that has them side by side, or as KubeRay's source
    does, below `v<version>/helm-chart`.
    """
    found = [
        file.parent
        for pattern in ("*", "v*/helm-chart/*")
        for file in sorted(folder.glob(f"{pattern}/Chart.yaml"))
    ]
    return [chart for chart in found if chart.name in CHARTS]


def official_charts(version: str) -> Path | None:
    """The folder of the official charts in KubeRay's Go module; None for versions that
    this project does not pin it in.
    """
    module = tools.LOCAL / f"tools/charts-{version}"
    if not module.is_dir():
        return None
    return tools.module_folder(tools.Tool(module.name, module, MODULE, {}), tools.find_go()) / "helm-chart"


def package_double(target: Path, helm: Path) -> None:
    """Packages the doubles of 1.3.0's charts, with what the official chart takes over
    from the operator's source unchanged.
    """
    source = tools.module_folder(tools.operator(DOUBLED), tools.find_go()) / "config"
    with TemporaryDirectory() as staging:
        for chart in CHARTS:
            folder = Path(staging, chart)
            shutil.copytree(tools.LOCAL / "charts" / chart, folder)
            if chart == "kuberay-operator":
                _copy(sorted((source / "crd/bases").glob("*.yaml")), folder / "crds")
                _copy(sorted((source / "rbac").glob("*role.yaml")), folder / "rbac")
            _run(helm, "package", folder, "--destination", target)


def _charts_of(version: str, helm: Path) -> tuple[Path, ChartSource]:
    """The folder in the cache with the packaged charts of a version, and where they
    come from.
    """
    official = _cached(f"official-{version}")
    if not official.is_dir():
        remembered(f"{OFFICIAL_REPOSITORY} {version}", lambda: _download(version, official, helm))
    if official.is_dir():
        return official, ChartSource(version, "real", OFFICIAL_REPOSITORY)
    if folder := official_charts(version):
        return _packaged(folder, helm), ChartSource(version, "real", f"the Go module {MODULE}")
    if version != DOUBLED:
        raise LocalError(
            f"KubeRay's charts {version} are out of reach, {OFFICIAL_REPOSITORY} does not answer;"
            " CHARTS=<folder> takes others"
        )
    target = _cached(f"double-{_digest(tools.LOCAL / 'charts')}")
    with _made(target) as unfinished:
        if unfinished:
            package_double(unfinished, helm)
    return target, ChartSource(version, "double", "local/charts, as the official repository is out of reach")


def _download(version: str, target: Path, helm: Path) -> bool:
    """Whether both charts came from the official repository, whole and in time: one
    that is out of reach may also say nothing.
    """
    ends = time.monotonic() + DOWNLOAD_SECONDS
    try:
        with step(f"charts {version} from {OFFICIAL_REPOSITORY}"), _made(target) as unfinished:
            for chart in CHARTS:
                pull = (
                    "pull",
                    chart,
                    "--repo",
                    OFFICIAL_REPOSITORY,
                    "--version",
                    version,
                    "--destination",
                    str(unfinished),
                )
                _run(helm, *pull, seconds=ends - time.monotonic())
                _run(helm, "show", "chart", f"{unfinished}/{chart}-{version}.tgz")
    except (LocalError, subprocess.TimeoutExpired):
        return False
    return True


def _packaged(folder: Path, helm: Path) -> Path:
    """The repository made of the charts in a folder."""
    charts = chart_folders(folder)
    if not charts:
        raise LocalError(f"{folder} holds neither an index.yaml nor KubeRay's charts, {' and '.join(CHARTS)}")
    target = _cached(f"packaged-{_digest(*charts)}")
    with _made(target) as unfinished:
        if unfinished:
            for chart in charts:
                _run(helm, "package", chart, "--destination", unfinished)
            _run(helm, "repo", "index", unfinished)
    return target


def _require(versions: Sequence[str], repository: Path, chosen: str) -> None:
    """Refuses a folder that lacks what will be run: Helm would say so only when the
    cluster is up.
    """
    entries = yaml.safe_load((repository / "index.yaml").read_text())["entries"]
    held = {chart: {entry["version"] for entry in entries.get(chart, [])} for chart in CHARTS}
    for version, chart in itertools.product(versions, CHARTS):
        if version not in held[chart]:
            raise LocalError(
                f"CHARTS={chosen} holds no {chart} {version} ({', '.join(sorted(held[chart])) or 'none'}); "
                "set kuberayVersion to a version that it holds, or leave CHARTS out"
            )


def _together(folders: Sequence[Path], helm: Path) -> Path:
    """One repository of the packaged charts in several folders."""
    target = _cached("-".join(["repository", *sorted(folder.name for folder in folders)]))
    with _made(target) as unfinished:
        if unfinished:
            _copy([archive for folder in folders for archive in folder.glob("*.tgz")], unfinished)
            # Written without addresses, so that the folder can be served from anywhere.
            _run(helm, "repo", "index", unfinished)
    return target


def _cached(name: str) -> Path:
    return tools.cache_folder() / "charts" / name


@contextmanager
def _made(target: Path) -> Generator[Path | None]:
    """A folder to fill, which then takes its place in one piece; None where that is
    there already.
    """
    if target.is_dir():
        yield None
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=target.parent, prefix=f"{target.name}.unfinished-") as scratch:
        unfinished = Path(scratch, "made")
        unfinished.mkdir()
        yield unfinished
        # Another run may have been quicker.
        with suppress(OSError):
            unfinished.rename(target)


def _digest(*folders: Path) -> str:
    digest = hashlib.sha256()
    for folder in folders:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                digest.update(f"{folder.name}/{file.relative_to(folder)}".encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def _copy(files: Sequence[Path], folder: Path) -> None:
    # Contents alone: files of a Go module are read-only, and a temporary folder has to
    # be removable.
    folder.mkdir(exist_ok=True)
    for file in files:
        shutil.copyfile(file, folder / file.name)


def _run(helm: Path, *arguments: str | Path, seconds: float | None = None) -> None:
    own = {
        f"HELM_{kind}_HOME": str(tools.cache_folder() / "helm" / kind.lower())
        for kind in ("CACHE", "CONFIG", "DATA")
    }
    done = subprocess.run(
        [helm, *arguments], env=os.environ | own, capture_output=True, text=True, timeout=seconds, check=False
    )
    if done.returncode:
        raise LocalError(f"helm {arguments[0]} failed: {done.stderr.strip()}")
