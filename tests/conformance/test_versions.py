"""Every version of the charts knows the values that are written, and renders the same
Ray cluster and operator from them.

The stacks are those in this repository. The charts are those at hand
(charts_at_hand.py); the tables of known keys are held against the official ones among
them.
"""

import json
import shutil
import subprocess
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kuberay.checks.loading import SettingsError, load_settings
from kuberay.facts.chart_reading import is_listed, is_read, read_values
from kuberay.facts.charts import ANY, Keys, chart_keys
from kuberay.facts.versions import at_least
from kuberay.plan.cluster import plan_cluster
from kuberay.plan.operator import operator_values
from kuberay.settings.stack import StackSettings
from local import tools
from local.chart_repository import CHARTS
from tests.conformance.charts_at_hand import ALL, OFFICIAL
from tests.stack_config import as_config

Object = dict[str, Any]

ROOT = Path(__file__).resolve().parent.parent.parent
STACKS = sorted(ROOT.glob("Pulumi.*.yaml")) + sorted(ROOT.glob("examples/**/Pulumi.*.yaml"))

#: A stack that uses what the others do not.
FULL: Object = {
    "clusters": {
        "research": {
            "head": {
                "env": {"A": "b"},
                "rayStartParams": {"num-cpus": 0},
                "labels": {"team": "x"},
                "cpuRequest": "500m",
            },
            "worker": {
                "replicas": 3,
                "volumes": [{"name": "data", "emptyDir": {}}],
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            },
            "additionalWorkerGroups": {
                "arm": {
                    "architecture": "aarch64",
                    "tolerations": [{"key": "arm", "operator": "Exists"}],
                    "serviceAccountName": "ray",
                },
                "zero": {"replicas": 0, "maxReplicas": 5},
            },
        }
    }
}

# --- The same manifests from every version --------------------------------------------


def _stack(file: Path | None, version: str) -> StackSettings:
    """A stack of this repository at another KubeRay version; skipped where that version
    cannot honour it.
    """
    config = (
        yaml.safe_load(file.read_text())["config"]
        if file
        else {f"kuberay:{key}": value for key, value in FULL.items()}
    )
    config = {key: value for key, value in config.items() if key.startswith("kuberay:")} | {
        "kuberay:kuberayVersion": version
    }
    try:
        return load_settings(as_config(config), project_folder=ROOT)
    except SettingsError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def helm() -> Path:
    return tools.ensure([tools.HELM])["helm"]


@pytest.fixture(scope="session")
def charts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folder of both charts by version. Without CRDs, which are long to read."""
    folder = tmp_path_factory.mktemp("charts")
    return {
        version: shutil.copytree(charts, folder / version, ignore=shutil.ignore_patterns("crds"))
        for version, charts in ALL.items()
    }


def _rendered(helm: Path, chart: Path, release: str, values: Object, kind: str) -> Object:
    command = [helm, "template", release, chart, "--namespace", "kuberay", "--values", "-"]
    done = subprocess.run(command, input=json.dumps(values), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return next(found for found in yaml.safe_load_all(done.stdout) if found and found["kind"] == kind)


def _said(value: Any) -> Any:
    """What an object says: charts up to 1.3 write empty fields that later ones leave
    out, and they order worker groups otherwise.
    """
    if isinstance(value, dict):
        version_labels = ("helm.sh/chart", "app.kubernetes.io/version")
        said = {key: _said(each) for key, each in value.items() if key not in version_labels}
        return {key: each for key, each in said.items() if each not in ({}, [], "", None)}
    if isinstance(value, list):
        return sorted(
            (_said(each) for each in value),
            key=lambda each: str(each.get("groupName", "")) if isinstance(each, dict) else "",
        )
    return value


@pytest.mark.parametrize("file", [*STACKS, None], ids=lambda file: file.stem if file else "full")
def test_every_chart_version_renders_the_same_ray_cluster(
    file: Path | None, helm: Path, charts: dict[str, Path]
) -> None:
    rendered: dict[str, dict[str, Object]] = {}
    for version, folder in charts.items():
        try:
            settings = _stack(file, version)
        except pytest.skip.Exception:
            continue
        plans = [plan_cluster(settings, release) for release in settings.clusters]
        rendered[version] = {
            p.release: _said(
                _rendered(helm, folder / "ray-cluster", p.release, p.values, "RayCluster")["spec"]
            )
            for p in plans
        }
    assert rendered
    first, *_ = rendered
    assert {version: specs for version, specs in rendered.items() if specs != rendered[first]} == {}


def test_no_changed_default_reaches_the_operator(helm: Path, charts: dict[str, Path]) -> None:
    deployments = {
        version: _rendered(
            helm,
            folder / "kuberay-operator",
            "kuberay-operator",
            operator_values(_stack(None, version)),
            "Deployment",
        )
        for version, folder in charts.items()
    }
    arguments: dict[str, set[str]] = {}
    rest: dict[str, Object] = {}
    for version, deployment in deployments.items():
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        assert container.pop("image") == f"quay.io/kuberay/operator:v{version}"
        arguments[version] = {
            argument for argument in container.pop("args") if not argument.startswith("--feature-gates")
        }
        rest[version] = _said(deployment["spec"])
    first, *later = charts
    assert {version: spec for version, spec in rest.items() if spec != rest[first]} == {}
    # What older operators cannot be told, later ones are told as it was.
    since = {
        "--enable-metrics=true": "1.4.0",
        "--reconcile-concurrency=1": "1.5.0",
        "--qps=100": "1.5.0",
        "--burst=200": "1.5.0",
    }
    for version in later:
        new = {
            argument
            for argument, brought in since.items()
            if at_least(version, brought) and not at_least(first, brought)
        }
        assert arguments[version] == arguments[first] | new, version


# --- The tables of known keys ---------------------------------------------------------


def _templates(chart: Path) -> Iterator[str]:
    return (file.read_text() for file in sorted((chart / "templates").iterdir()) if file.is_file())


def _paths(keys: Keys, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, below in keys.items():
        yield (*path, key)
        if below is not ANY:
            yield from _paths(below, (*path, key))


official = pytest.mark.parametrize(
    ("version", "chart"), [(version, chart) for version in OFFICIAL for chart in CHARTS]
)


@official
def test_the_table_knows_every_value_of_the_official_chart(version: str, chart: typing.Any) -> None:
    known = chart_keys(chart, version)
    folder = OFFICIAL[version] / chart
    values = yaml.safe_load((folder / "values.yaml").read_text())
    # ray-cluster defines a template with these two, which nothing includes.
    unused = (
        {("serviceAccount", "create"), ("serviceAccount", "name")}
        if chart == "ray-cluster"
        else set[tuple[str, ...]]()
    )
    if chart == "ray-cluster" and not at_least(version, "1.4.0"):
        # Left out of the default worker group, and of the head written as Kubernetes
        # refuses it.
        spread = "topologySpreadConstraints"
        unused |= {("head", spread), ("head", spread, "enabled"), ("worker", spread)}
    assert {
        path for path in read_values(_templates(folder), values, known) if not is_listed(path, known)
    } == unused


@official
def test_the_official_chart_knows_every_key_of_the_table(version: str, chart: typing.Any) -> None:
    folder = OFFICIAL[version] / chart
    known = chart_keys(chart, version)
    values = yaml.safe_load((folder / "values.yaml").read_text())
    read = read_values(_templates(folder), values, known)
    assert [path for path in _paths(known) if not is_read(path, read)] == []
