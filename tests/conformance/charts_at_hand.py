"""The charts that can be rendered here: 1.6.2's official ones, those of `CHARTS`, and
the double of 1.3.0's unless `CHARTS` has these.
"""

import os
from pathlib import Path

import yaml

from local import tools
from local.chart_repository import DOUBLED, chart_folders, official_charts

NEWEST = "1.6.2"


def _official() -> dict[str, Path]:
    """The folder that holds both official charts, by version."""
    found = {NEWEST: folder} if (folder := official_charts(NEWEST)) else {}
    if chosen := os.environ.get("CHARTS"):
        found |= {_version(chart): chart.parent for chart in chart_folders(Path(chosen).expanduser())}
    return found


def _version(chart: Path) -> str:
    return yaml.safe_load((chart / "Chart.yaml").read_text())["version"]


DOUBLE = tools.LOCAL / "charts"
OFFICIAL = dict(sorted(_official().items()))
ALL = {DOUBLED: DOUBLE} | OFFICIAL
