"""The doubles of KubeRay's charts render what the official charts render.

CHARTS names a folder with the official charts: `kuberay-operator` and `ray-cluster`, or the same below `v<version>/helm-chart`.
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
from local.charts.assemble import CHARTS, FIRST, VERSIONS, assemble, default_values
from tests.conformance.official import OFFICIAL

Values = dict[str, Any]
Manifests = list[Values]

MODULE = "github.com/ray-project/kuberay/ray-operator"
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
    since: str = ""
    before: str = ""
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

    def applies(self, version: str) -> bool:
        """Whether the case is expected to make a difference to this version's chart."""
        number = _number(version)
        after = not self.since or number >= _number(self.since)
        return not self.inert and after and not (self.before and number >= _number(self.before))


def _number(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


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
        yield Case(name=f"additional {name}", values={"additionalWorkerGroups": {"smallGroup": group}}, base=EXTRA, **entry)


MATRIX = {chart: list(_cases(chart)) for chart in CHARTS}

if not OFFICIAL:
    pytest.skip("CHARTS names no folder with the official charts", allow_module_level=True)
# Built where there is none: who names the official charts wants the comparison.
HELM = os.environ.get("HELM") or shutil.which("helm") or str(tools.ensure([tools.HELM])["helm"])


class Charts:
    """Both charts of each version, and what they render, worked out by a few helm processes at a time."""

    def __init__(self, folder: Path, pool: ThreadPoolExecutor) -> None:
        self.folder = folder
        self.pool = pool
        self.asked: set[tuple[str, str]] = set()
        self.renderings: dict[tuple[Path, str], Future[Manifests | None]] = {}

    def package(self, version: str, chart: str) -> Path:
        """The packaged double. The operator's source comes from Go's module cache or proxy."""
        archive = self.folder / "repository" / f"{chart}-{version}.tgz"
        if not archive.exists():
            command = ["go", "mod", "download", "-json", f"{MODULE}@v{version}"]
            done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
            answer = json.loads(done.stdout or "{}")
            if "Dir" not in answer:
                pytest.skip(f"no Go module {MODULE} {version}: {answer.get('Error') or done.stderr}")
            assemble(archive.parent, Path(answer["Dir"]), version, Path(HELM))
        return archive

    def chart(self, version: str, chart: str, side: str) -> Path:
        """A chart of either side without its CRDs, which the matrix does not look at and helm takes long to read."""
        folder = self.folder / side / version
        if not (folder / chart).exists():
            if side == "double":
                shutil.unpack_archive(self.package(version, chart), folder)
                shutil.rmtree(folder / chart / "crds", ignore_errors=True)
            else:
                shutil.copytree(OFFICIAL[version] / chart, folder / chart, ignore=shutil.ignore_patterns("crds"))
        return folder / chart

    def rendered(self, version: str, chart: str, side: str, case: Case) -> Manifests | None:
        """What one side makes of a case, None where helm refuses. The first question about a chart starts on all its cases."""
        if (version, chart) not in self.asked:
            self.asked.add((version, chart))
            for each in MATRIX[chart]:
                self._start(self.chart(version, chart, "official"), each)
                self._start(self.chart(version, chart, "double"), each)
        return self._start(self.chart(version, chart, side), case).result()

    def _start(self, chart: Path, case: Case) -> "Future[Manifests | None]":
        key = (chart, case.key)
        if key not in self.renderings:
            self.renderings[key] = self.pool.submit(_render, chart, case)
        return self.renderings[key]


def _render(chart: Path, case: Case, *options: str) -> Manifests | None:
    command = [HELM, "template", case.release, chart, "--namespace", case.namespace, "--values", "-", *options]
    # Helm lives too briefly to be worth a garbage collection.
    environment = {**os.environ, "GOGC": "off"}
    done = subprocess.run(command, input=json.dumps(case.all_values), env=environment, capture_output=True, text=True, check=False)
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
    ("version", "chart", "case"),
    [
        pytest.param(version, chart, case, id=f"{chart} {version}: {case.name}")
        for version in OFFICIAL
        for chart in CHARTS
        for case in MATRIX[chart]
    ],
)


@of_each_case
def test_double_renders_the_same(charts: Charts, version: str, chart: str, case: Case) -> None:
    official = charts.rendered(version, chart, "official", case)
    double = charts.rendered(version, chart, "double", case)
    assert (double is None) == (official is None), "one of the two refuses these values"
    if official is not None and double is not None:
        assert [_identity(each) for each in double] == [_identity(each) for each in official]
        assert double == official


@of_each_case
def test_case_says_something(charts: Charts, version: str, chart: str, case: Case) -> None:
    """A case whose values the official chart does not notice would hold the double to nothing."""
    official = charts.rendered(version, chart, "official", case)
    applies = case.applies(version)
    assert (official is None) == (case.fails and applies)
    if applies or not case.fails:
        assert (official != charts.rendered(version, chart, "official", case.without)) == applies


@pytest.mark.parametrize("version", OFFICIAL)
def test_crds_are_the_same(charts: Charts, version: str) -> None:
    paths = (charts.package(version, "kuberay-operator"), OFFICIAL[version] / "kuberay-operator")
    double, official = (_render(path, Case("crds"), "--include-crds") for path in paths)
    assert official
    assert len([each for each in official if each["kind"] == "CustomResourceDefinition"]) >= 3
    assert double == official


@pytest.mark.parametrize("chart", CHARTS)
@pytest.mark.parametrize("version", OFFICIAL)
def test_defaults_are_the_same(version: str, chart: str) -> None:
    assert default_values(chart, version) == yaml.safe_load((OFFICIAL[version] / chart / "values.yaml").read_text())


def test_every_default_is_in_the_matrix() -> None:
    """Each top-level key, and each key of a group, turns up in some case."""
    for chart, cases in MATRIX.items():
        used = {key for case in cases for key in case.values}
        known = {key for version in VERSIONS for key in default_values(chart, version)}
        assert known <= used, chart
    for group in ("head", "worker"):
        used = {key for case in MATRIX["ray-cluster"] for key in case.values.get(group) or {}}
        known = {key for version in VERSIONS for key in default_values("ray-cluster", version)[group]}
        assert known <= used, group


def test_unknown_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=FIRST):
        assemble(tmp_path, tmp_path, "0.1.0", Path(HELM))
