"""Packages the doubles of KubeRay's charts as a static Helm repository.

One set of templates renders every version: a template asks `.Chart.Version` where versions differ, and `changes/<version>.yaml`
holds what that version changed in the default values of the one before it.
"""

import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

Values = dict[str, Any]

HERE = Path(__file__).parent
CHARTS = ("kuberay-operator", "ray-cluster")
FIRST = "1.3.0"
VERSIONS = (FIRST, "1.4.2", "1.5.1", "1.6.0", "1.6.2")


def default_values(chart: str, version: str) -> Values:
    """The defaults of a chart at a version: the first version's, and every change up to that one."""
    values = _load(HERE / chart / "values.yaml")
    for step in VERSIONS[1 : VERSIONS.index(version) + 1]:
        changes = _load(HERE / "changes" / f"{step}.yaml")
        values = _merge(values, changes.get(chart, {}))
    return values


def assemble(target: Path, operator_module: Path, version: str, helm: Path) -> None:
    """Add both charts of one version to the Helm repository in `target`; any HTTP server can serve that folder.

    `operator_module` is the source of KubeRay's operator at the same version: its CRDs and role rules go into the operator's chart.
    """
    if version not in VERSIONS:
        raise ValueError(f"no double of chart version {version}: there is {', '.join(VERSIONS)}")
    target.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as staging:
        for chart in CHARTS:
            folder = Path(staging, chart)
            shutil.copytree(HERE / chart, folder)
            values = default_values(chart, version)
            (folder / "values.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
            if chart == "kuberay-operator":
                _add_operator_files(folder, operator_module / "config")
            _run(helm, "package", folder, "--version", version, "--destination", target)
    # Written without addresses, so that the folder can be served from anywhere.
    _run(helm, "repo", "index", target)


def _add_operator_files(chart: Path, config: Path) -> None:
    """Copy what the official chart takes over from the operator's source unchanged."""
    crds = sorted((config / "crd" / "bases").glob("*.yaml"))
    roles = sorted((config / "rbac").glob("*role.yaml"))
    if not crds or not roles:
        raise FileNotFoundError(f"no CRDs or roles of KubeRay's operator below {config}")
    for folder, files in (("crds", crds), ("rbac", roles)):
        (chart / folder).mkdir()
        for file in files:
            # Contents alone: files of a Go module are read-only, and a temporary folder has to be removable.
            shutil.copyfile(file, chart / folder / file.name)


def _merge(values: Values, changes: Values) -> Values:
    merged = dict(values)
    for key, change in changes.items():
        old = merged.get(key)
        if change is None:
            merged.pop(key, None)
        elif isinstance(old, dict) and isinstance(change, dict):
            merged[key] = _merge(old, change)
        else:
            merged[key] = change
    return merged


def _load(file: Path) -> Values:
    return yaml.safe_load(file.read_text())


def _run(helm: Path, *arguments: str | Path) -> None:
    done = subprocess.run([helm, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"helm {arguments[0]} failed: {done.stderr.strip()}")
