"""Raw values that a chart does not know are refused, whatever its version."""

import typing
from typing import Any

import pytest

from kuberay.checks.raw_values import unknown_keys
from kuberay.facts.versions import KubeRayVersion
from kuberay.plan.cluster import plan_cluster
from kuberay.plan.operator import operator_values
from kuberay.settings.stack import StackSettings

VERSIONS: tuple[str, ...] = typing.get_args(KubeRayVersion)


def settings(version: str, **operator: Any) -> StackSettings:
    return StackSettings.model_validate({"kuberayVersion": version, "operator": operator})


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_of_the_charts_knows_every_value_that_is_written(version: str) -> None:
    assert list(unknown_keys(operator_values(settings(version)), "kuberay-operator", version)) == []
    assert list(unknown_keys(plan_cluster(settings(version), "raycluster").values, "ray-cluster", version)) == []


def test_a_key_that_left_the_chart_is_named_with_the_versions_that_know_it() -> None:
    (problem,) = unknown_keys({"metrics": {"serviceMonitor": {"selector": {}}}}, "kuberay-operator", "1.7.0")
    assert problem.path == ("metrics", "serviceMonitor", "selector")
    assert problem.message == "is not a value that the chart knows at 1.7.0; KubeRay 1.4.0 to 1.6.2 does"


@pytest.mark.parametrize(("place", "first"), [("head", "1.4.0"), ("worker", "1.4.0"), ("additionalWorkerGroups", "1.3.0")])
def test_constraints_are_known_where_the_chart_writes_them_as_a_list(place: str, first: str) -> None:
    values: dict[str, Any] = {"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone"}]}
    values = {place: {"big": values} if place == "additionalWorkerGroups" else values}
    knowing = [version for version in VERSIONS if not list(unknown_keys(values, "ray-cluster", version))]
    assert knowing == list(VERSIONS[VERSIONS.index(first) :])
