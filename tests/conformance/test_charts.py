"""The doubles of KubeRay's charts 1.3.0 render what the official charts render, where
CHARTS names a folder that has these.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from local import tools
from local.chart_repository import CHARTS, DOUBLED, package_double
from tests.conformance.charts_at_hand import DOUBLE, OFFICIAL

Values = dict[str, Any]
Manifests = list[Values]

# An additional group of the chart's own defaults, to lay a case's values over.
EXTRA: Values = {"additionalWorkerGroups": {"smallGroup": {"disabled": False}}}


@dataclass(frozen=True)
class Case:
    """One entry of chart_cases.yaml, which says what the fields mean."""

    name: str
    values: Values = field(default_factory=dict[str, Any])
    base: Values = field(default_factory=dict[str, Any])
    release: str = "raycluster"
    namespace: str = "kuberay"
    fails: bool = False
    inert: bool = False

    @property
    def all_values(self) -> Values:
        return _merge(self.base, self.values)

    @property
    def without(self) -> "Case":
        """What the case differs from."""
        return Case("without", values=self.base)

    @property
    def key(self) -> str:
        return json.dumps([self.release, self.namespace, self.all_values])


def _merge(under: Values, over: Values) -> Values:
    merged = dict(under)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _cases(chart: str) -> Iterator[Case]:
    file = Path(__file__).with_name("chart_cases.yaml")
    for entry in yaml.safe_load(file.read_text())[chart]:
        group = entry.pop("group", None)
        if group is None:
            yield Case(**entry)
            continue
        name = entry.pop("name")
        yield Case(name=f"head {name}", values={"head": group}, **entry)
        yield Case(name=f"worker {name}", values={"worker": group}, **entry)
        yield Case(
            name=f"additional {name}",
            values={"additionalWorkerGroups": {"smallGroup": group}},
            base=EXTRA,
            **entry,
        )


MATRIX = {chart: list(_cases(chart)) for chart in CHARTS}

if DOUBLED not in OFFICIAL:
    pytest.skip(f"CHARTS names no folder with the official charts {DOUBLED}", allow_module_level=True)
HELM = tools.ensure([tools.HELM])["helm"]
#: Taken once: helm is started from threads, and pytest writes to the environment for
#: each test. Helm lives too briefly to be worth a garbage collection.
ENVIRONMENT = {**os.environ, "GOGC": "off"}


class Charts:
    """What the charts of either side render, worked out by a few helm processes at a
    time.
    """

    def __init__(self, folder: Path, pool: ThreadPoolExecutor) -> None:
        self.pool = pool
        sides = {"official": OFFICIAL[DOUBLED], "double": _unpacked_double(folder)}
        self.folders = {side: _without_crds(charts, folder / side) for side, charts in sides.items()}
        self.asked: set[str] = set()
        self.renderings: dict[tuple[Path, str], Future[Manifests | None]] = {}

    def rendered(self, chart: str, side: str, case: Case) -> Manifests | None:
        """What one side makes of a case, None where helm refuses. The first question
        about a chart starts on all its cases.
        """
        if chart not in self.asked:
            self.asked.add(chart)
            for each in MATRIX[chart]:
                self._start(self.folders["official"] / chart, each)
                self._start(self.folders["double"] / chart, each)
        return self._start(self.folders[side] / chart, case).result()

    def _start(self, chart: Path, case: Case) -> "Future[Manifests | None]":
        key = (chart, case.key)
        if key not in self.renderings:
            self.renderings[key] = self.pool.submit(_render, chart, case)
        return self.renderings[key]


def _unpacked_double(folder: Path) -> Path:
    """The double as it is packaged: with the CRDs and roles of the
    operator's source.
    """
    package_double(folder, HELM)
    for archive in folder.glob("*.tgz"):
        shutil.unpack_archive(archive, folder / "unpacked")
    return folder / "unpacked"


def _without_crds(charts: Path, target: Path) -> Path:
    """What the matrix looks at; helm takes long to read CRDs."""
    return shutil.copytree(charts, target, ignore=shutil.ignore_patterns("crds"))


def _render(chart: Path, case: Case, *options: str) -> Manifests | None:
    command = [
        HELM,
        "template",
        case.release,
        chart,
        "--namespace",
        case.namespace,
        "--values",
        "-",
        *options,
    ]
    done = subprocess.run(
        command,
        input=json.dumps(case.all_values),
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    return None if done.returncode else _parse(done.stdout)


def _parse(text: str) -> Manifests:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found = [each for each in yaml.load_all(text, loader) if each]
    for each in found:
        if each["kind"] == "ConfigMap":
            # A file in the file: what counts is its contents, too.
            each["data"] = {name: yaml.safe_load(content) for name, content in each["data"].items()}
    return sorted(found, key=_identity)


def _identity(manifest: Values) -> tuple[str, str, str]:
    metadata = manifest["metadata"]
    return manifest["kind"], metadata.get("namespace", ""), str(metadata["name"])


@pytest.fixture(scope="session")
def charts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Charts]:
    with ThreadPoolExecutor(max_workers=2 * (os.cpu_count() or 1)) as pool:
        yield Charts(tmp_path_factory.mktemp("charts"), pool)
        pool.shutdown(cancel_futures=True)


of_each_case = pytest.mark.parametrize(
    ("chart", "case"),
    [pytest.param(chart, case, id=f"{chart}: {case.name}") for chart in CHARTS for case in MATRIX[chart]],
)


@of_each_case
def test_double_renders_the_same(charts: Charts, chart: str, case: Case) -> None:
    official = charts.rendered(chart, "official", case)
    double = charts.rendered(chart, "double", case)
    assert (double is None) == (official is None), "one of the two refuses these values"
    if official is not None and double is not None:
        assert [_identity(each) for each in double] == [_identity(each) for each in official]
        assert double == official


@of_each_case
def test_case_says_something(charts: Charts, chart: str, case: Case) -> None:
    """A case whose values the official chart does not notice would hold the double to
    nothing.
    """
    official = charts.rendered(chart, "official", case)
    assert (official is None) == case.fails
    if not case.fails:
        assert (official == charts.rendered(chart, "official", case.without)) == case.inert


def test_crds_are_the_same(charts: Charts, tmp_path: Path) -> None:
    package_double(tmp_path, HELM)
    double = _render(tmp_path / f"kuberay-operator-{DOUBLED}.tgz", Case("crds"), "--include-crds")
    official = _render(OFFICIAL[DOUBLED] / "kuberay-operator", Case("crds"), "--include-crds")
    assert official
    assert len([each for each in official if each["kind"] == "CustomResourceDefinition"]) >= 3
    assert double == official


@pytest.mark.parametrize("chart", CHARTS)
def test_defaults_are_the_same(chart: str) -> None:
    assert _defaults(DOUBLE, chart) == _defaults(OFFICIAL[DOUBLED], chart)


def test_every_default_is_in_the_matrix() -> None:
    """Each top-level key, and each key of a group, turns up in some case."""
    for chart, cases in MATRIX.items():
        assert _defaults(DOUBLE, chart).keys() <= {key for case in cases for key in case.values}, chart
    for group in ("head", "worker"):
        used = {key for case in MATRIX["ray-cluster"] for key in case.values.get(group) or {}}
        assert _defaults(DOUBLE, "ray-cluster")[group].keys() <= used, group


def _defaults(charts: Path, chart: str) -> Values:
    return yaml.safe_load((charts / chart / "values.yaml").read_text())
