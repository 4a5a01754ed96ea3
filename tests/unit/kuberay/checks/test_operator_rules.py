"""What the operator of a version refuses is refused, and nothing that it takes."""

import json
import typing
from typing import Any

import pytest

from kuberay.checks.loading import load_settings
from kuberay.checks.messages import Problem
from kuberay.checks.operator_rules import operator_rule_problems
from kuberay.facts.versions import KubeRayVersion
from kuberay.plan.stack import plan_stack
from kuberay.settings.stack import StackSettings

VERSIONS: tuple[str, ...] = typing.get_args(KubeRayVersion)
SCALED: dict[str, Any] = {"autoscaling": {"version": "v2"}, "worker": {"maxReplicas": 3}}
REDIS: dict[str, Any] = {"redisAddress": "redis:6379"}


def refused(version: str, **settings: Any) -> list[Problem]:
    """Without the other checks."""
    return list(
        operator_rule_problems(
            plan_stack(StackSettings.model_validate({"kuberayVersion": version, **settings})).placed, version
        )
    )


@pytest.mark.parametrize(
    ("cluster", "first"),
    [
        ({"head": {"rayStartParams": {"labels": "zone=a"}}}, "1.5.0"),
        ({"head": {"rayStartParams": {"redis-username": "ray"}}}, "1.3.0"),
        # Before 1.5 the chart writes no options, and the flag says the same.
        ({"gcsFaultTolerance": REDIS, "head": {"rayStartParams": {"redis-password": "x"}}}, "1.5.0"),
        ({"head": {"env": {"RAY_enable_autoscaler_v2": "true"}}}, "1.5.0"),
        (SCALED | {"values": {"head": {"autoscalerOptions": {"version": "v1"}}}}, "1.4.0"),
        ({"values": {"worker": {"minReplicas": 2}}}, "1.6.0"),
    ],
)
def test_a_setting_is_refused_from_the_version_whose_operator_does(
    cluster: dict[str, Any], first: str
) -> None:
    refusing = [version for version in VERSIONS if refused(version, clusters={"a": cluster})]
    assert refusing == list(VERSIONS[VERSIONS.index(first) :])


def test_the_cluster_of_a_job_is_given_the_options_at_every_version() -> None:
    jobs = {
        "train": {
            "entrypoint": "x",
            "rayCluster": {"gcsFaultTolerance": REDIS, "head": {"rayStartParams": {"redis-password": "x"}}},
        }
    }
    for version in VERSIONS:
        (problem,) = refused(version, clusters={}, jobs=jobs)
        assert (problem.path[-1], problem.value) == ("redis-password", "…")


@pytest.mark.parametrize(
    "cluster",
    [
        SCALED,
        {"gcsFaultTolerance": REDIS | {"redisPassword": {"secretKeyRef": {"name": "redis", "key": "auth"}}}},
        {"head": {"rayStartParams": {"labels-file": "/labels"}, "env": {"RAY_enable_autoscaler_v2": "0"}}},
        {"worker": {"env": {"RAY_enable_autoscaler_v2": "1"}}},
    ],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_what_every_operator_takes_is_taken(version: str, cluster: dict[str, Any]) -> None:
    jobs = {"train": {"entrypoint": "x", "rayCluster": cluster}}
    load_settings(
        {
            "kuberay:kuberayVersion": version,
            "kuberay:jobs": json.dumps(jobs),
            "kuberay:clusters": json.dumps({"a": cluster}),
        }
    )
