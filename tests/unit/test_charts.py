"""Which values each version of the charts knows, and that ours serve every version."""

import json
import typing
from typing import Any

import pytest

from kuberay.checks.loading import load_settings
from kuberay.checks.raw_values import unknown_keys
from kuberay.facts.charts import chart_keys, feature_gates, in_this_version
from kuberay.facts.versions import KubeRayVersion
from kuberay.plan.cluster import plan_cluster
from kuberay.plan.operator import operator_values
from kuberay.plan.workloads import plan_job
from kuberay.settings.stack import StackSettings

VERSIONS: tuple[str, ...] = typing.get_args(KubeRayVersion)


def settings(version: str, **operator: Any) -> StackSettings:
    return StackSettings.model_validate({"kuberayVersion": version, "operator": operator})


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_of_the_charts_knows_every_value_that_is_written(version: str) -> None:
    assert list(unknown_keys(operator_values(settings(version)), "kuberay-operator", version)) == []
    assert list(unknown_keys(plan_cluster(settings(version), "raycluster").values, "ray-cluster", version)) == []


@pytest.mark.parametrize("ray_version", ["2.46.0", "2.52.0"])
def test_the_pods_are_the_same_at_every_version(ray_version: str) -> None:
    stacks = [StackSettings.model_validate({"kuberayVersion": version, "rayVersion": ray_version}) for version in VERSIONS]
    assert len({tuple(group.fingerprint for group in plan_cluster(stack, "raycluster").groups) for stack in stacks}) == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_no_feature_gate_is_left_to_the_operators_default(version: str) -> None:
    gates = {gate["name"]: gate["enabled"] for gate in operator_values(settings(version))["featureGates"]}
    assert set(gates) == set(feature_gates(version))
    assert [name for name, enabled in gates.items() if enabled] == ["RayClusterStatusConditions"]


def test_a_feature_gate_that_was_taken_away_is_known_until_then() -> None:
    assert [version for version in VERSIONS if "AsyncJobInfoQuery" in feature_gates(version)] == ["1.6.0", "1.6.1", "1.6.2"]


@pytest.mark.parametrize("written", ["operatorComand", "operatorCommand"])
@pytest.mark.parametrize(("version", "spelt"), [("1.3.2", "operatorComand"), ("1.4.0", "operatorCommand"), ("1.7.0", "operatorCommand")])
def test_a_renamed_value_may_be_written_either_way(version: str, spelt: str, written: str) -> None:
    assert operator_values(settings(version, values={written: "/x"}))[spelt] == "/x"


def test_a_renamed_value_below_others_is_found() -> None:
    labels = {"metrics": {"serviceMonitor": {"selector": {"release": "prometheus"}}}}
    renamed = {"metrics": {"serviceMonitor": {"additionalLabels": {"release": "prometheus"}}}}
    assert in_this_version("kuberay-operator", "1.6.2", labels) == labels
    assert in_this_version("kuberay-operator", "1.7.0", labels) == renamed
    assert labels != renamed


def test_a_key_that_left_the_chart_is_named_with_the_versions_that_know_it() -> None:
    (problem,) = unknown_keys({"metrics": {"serviceMonitor": {"selector": {}}}}, "kuberay-operator", "1.7.0")
    assert problem.path == ("metrics", "serviceMonitor", "selector")
    assert problem.message == "is not a value that the chart knows at 1.7.0; KubeRay 1.4.0 to 1.6.2 does"


def test_a_patch_release_knows_what_its_minor_version_knows() -> None:
    assert chart_keys("ray-cluster", "1.6.1") == chart_keys("ray-cluster", "1.6.0") != chart_keys("ray-cluster", "1.5.2")


@pytest.mark.parametrize(("place", "first"), [("head", "1.4.0"), ("worker", "1.4.0"), ("additionalWorkerGroups", "1.3.0")])
def test_constraints_are_known_where_the_chart_writes_them_as_a_list(place: str, first: str) -> None:
    values: dict[str, Any] = {"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone"}]}
    values = {place: {"big": values} if place == "additionalWorkerGroups" else values}
    knowing = [version for version in VERSIONS if not list(unknown_keys(values, "ray-cluster", version))]
    assert knowing == list(VERSIONS[VERSIONS.index(first) :])


def test_a_cluster_that_no_chart_renders_takes_what_any_chart_knows() -> None:
    worker = {"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone"}], "runtimeClassName": "gvisor"}
    jobs = {"train": {"entrypoint": "x", "rayCluster": {"values": {"worker": worker}}}}
    (group,) = plan_job(load_settings({"kuberay:jobs": json.dumps(jobs)}), "train").spec["rayClusterSpec"]["workerGroupSpecs"]
    assert worker.items() <= group["template"]["spec"].items()
