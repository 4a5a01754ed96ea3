"""The official charts: CHARTS names a folder with `kuberay-operator` and `ray-cluster`, or with the same below `v<version>/helm-chart`."""

import os
from pathlib import Path

import yaml

from local.charts.assemble import VERSIONS


def _official() -> dict[str, Path]:
    """Folder of the official charts for each version at hand that has a double."""
    root = os.environ.get("CHARTS")
    if not root:
        return {}
    found = {version: Path(root, f"v{version}", "helm-chart") for version in VERSIONS}
    flat = Path(root, "ray-cluster", "Chart.yaml")
    if flat.exists():
        found[yaml.safe_load(flat.read_text())["version"]] = Path(root)
    return {version: folder for version, folder in found.items() if version in VERSIONS and folder.is_dir()}


OFFICIAL = _official()
