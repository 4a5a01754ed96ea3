"""The values of the operator's chart."""

import typing
from typing import Any

import pytest

from kuberay.checks.loading import load_settings
from kuberay.facts.charts import feature_gates
from kuberay.facts.versions import KubeRayVersion
from kuberay.plan.operator import operator_values, plan_operator
from kuberay.settings.stack import StackSettings
from tests.stack_config import load

VERSIONS: tuple[str, ...] = typing.get_args(KubeRayVersion)


def settings(version: str, **operator: Any) -> StackSettings:
    return StackSettings.model_validate({"kuberayVersion": version, "operator": operator})


@pytest.mark.parametrize("version", VERSIONS)
def test_no_feature_gate_is_left_to_the_operators_default(version: str) -> None:
    gates = {gate["name"]: gate["enabled"] for gate in operator_values(settings(version))["featureGates"]}
    assert set(gates) == set(feature_gates(version))
    assert [name for name, enabled in gates.items() if enabled] == ["RayClusterStatusConditions"]


@pytest.mark.parametrize("written", ["operatorComand", "operatorCommand"])
@pytest.mark.parametrize(
    ("version", "spelt"),
    [("1.3.2", "operatorComand"), ("1.4.0", "operatorCommand"), ("1.7.0", "operatorCommand")],
)
def test_a_renamed_value_may_be_written_either_way(version: str, spelt: str, written: str) -> None:
    assert operator_values(settings(version, values={written: "/x"}))[spelt] == "/x"


def test_the_operators_feature_gates_are_written_in_full() -> None:
    gates = {gate["name"]: gate["enabled"] for gate in operator_values(load_settings({}))["featureGates"]}
    assert gates == {"RayClusterStatusConditions": True, "RayJobDeletionPolicy": False}


def test_the_operator_watches_all_namespaces_unless_kept_to_its_own() -> None:
    assert operator_values(load())["singleNamespaceInstall"] is False
    assert operator_values(load(operator={"singleNamespaceInstall": True}))["singleNamespaceInstall"] is True


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({}, "kuberay-operator"),
        ({"fullnameOverride": "ray"}, "ray"),
        ({"nameOverride": "Ray_of_ours"}, "kuberay-operator"),
        ({"fullnameOverride": ""}, "kuberay-operator"),
        ({"fullnameOverride": "", "nameOverride": "ray"}, "kuberay-operator"),
        ({"fullnameOverride": "", "nameOverride": "blue"}, "kuberay-operator-blue"),
    ],
)
def test_the_deployment_is_called_as_the_chart_calls_it(values: dict[str, Any], name: str) -> None:
    assert plan_operator(settings("1.3.0", values=values)).deployment == name
