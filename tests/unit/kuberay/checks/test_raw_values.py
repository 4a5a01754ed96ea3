"""Raw values that a chart does not know are refused, whatever its version."""

import json
import typing
from typing import Any

import pytest

from kuberay.checks.loading import load_plan
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
    assert (
        list(unknown_keys(plan_cluster(settings(version), "raycluster").values, "ray-cluster", version)) == []
    )


def test_a_key_that_left_the_chart_is_named_with_the_versions_that_know_it() -> None:
    (problem,) = unknown_keys({"metrics": {"serviceMonitor": {"selector": {}}}}, "kuberay-operator", "1.7.0")
    assert problem.path == ("metrics", "serviceMonitor", "selector")
    assert problem.message == "is not a value that the chart knows at 1.7.0; KubeRay 1.4.0 to 1.6.2 does"


#: In the shape of those of Ray's guide to Argo CD.
GUIDE_TO_ARGO_CD: dict[str, Any] = {
    "image": {"repository": "docker.io/rayproject/ray", "tag": "2.46.0-py310", "pullPolicy": "IfNotPresent"},
    "head": {
        "rayStartParams": {"num-cpus": "0"},
        "enableInTreeAutoscaling": True,
        "autoscalerOptions": {
            "upscalingMode": "Default",
            "idleTimeoutSeconds": 600,
            "env": [{"name": "MOST_AT_ONCE", "value": "100"}],
        },
        "resources": {"limits": {"cpu": "1", "memory": "2G"}},
    },
    "worker": {
        "groupName": "standard-worker",
        "replicas": 1,
        "maxReplicas": 200,
        "rayStartParams": {"resources": '"{\\"standard-worker\\": 1}"'},
    },
    "additionalWorkerGroups": {
        "more": {
            "image": {
                "repository": "docker.io/rayproject/ray",
                "tag": "2.46.0-py310-gpu",
                "pullPolicy": "IfNotPresent",
            },
            "disabled": False,
            "replicas": 1,
            "minReplicas": 1,
            "maxReplicas": 30,
            "rayStartParams": {"resources": '"{\\"more\\": 1}"'},
            "tolerations": [{"key": "gpu", "operator": "Exists"}],
        }
    },
}


def test_values_as_people_have_them_render_as_they_stand() -> None:
    made = load_plan({"kuberay:clusters": json.dumps({"a": {"values": GUIDE_TO_ARGO_CD}})}).clusters["a"]
    images = {group.name: group.image.rpartition(":")[2] for group in made.groups}
    assert images == {"head": "2.46.0-py310", "more": "2.46.0-py310-gpu", "standard-worker": "2.46.0-py310"}
    flags = {
        "head": made.values["head"],
        "worker": made.values["worker"],
        **made.values["additionalWorkerGroups"],
    }
    assert {name: group["rayStartParams"] for name, group in flags.items() if "rayStartParams" in group} == {
        "head": {"num-cpus": "0"},
        "worker": {"resources": '"{\\"standard-worker\\": 1}"'},
        "more": {"resources": '"{\\"more\\": 1}"'},
    }


def test_an_empty_value_that_a_chart_does_not_read_yet_is_taken() -> None:
    assert list(unknown_keys({"head": {"topologySpreadConstraints": {}}}, "ray-cluster", "1.3.0")) == []
    assert len(list(unknown_keys({"head": {"topologySpreadConstraint": {}}}, "ray-cluster", "1.3.0"))) == 1


@pytest.mark.parametrize(
    ("place", "first"), [("head", "1.4.0"), ("worker", "1.4.0"), ("additionalWorkerGroups", "1.3.0")]
)
def test_constraints_are_known_where_the_chart_writes_them_as_a_list(place: str, first: str) -> None:
    values: dict[str, Any] = {"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone"}]}
    values = {place: {"big": values} if place == "additionalWorkerGroups" else values}
    knowing = [version for version in VERSIONS if not list(unknown_keys(values, "ray-cluster", version))]
    assert knowing == list(VERSIONS[VERSIONS.index(first) :])
