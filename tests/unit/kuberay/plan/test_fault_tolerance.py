"""Fault tolerance reaches KubeRay as each version takes it."""

from typing import Any

from kuberay.plan.cluster import plan_cluster, plan_ray_cluster
from kuberay.plan.fault_tolerance import for_charts_before_1_5
from tests.stack_config import load


def values(**settings: Any) -> dict[str, Any]:
    return plan_cluster(load(**settings), "raycluster").values


def names(environment: list[dict[str, Any]]) -> list[str]:
    return [variable["name"] for variable in environment]


REDIS = {"redisAddress": "redis:6379", "redisPassword": {"secretKeyRef": {"name": "redis", "key": "auth"}}}


def test_a_chart_that_cannot_write_the_options_is_told_by_annotation_and_environment() -> None:
    made = values(clusters={"raycluster": {"gcsFaultTolerance": REDIS, "head": {"env": {"A": "b"}}}})
    assert "gcsFaultTolerance" not in made
    assert made["annotations"] == {"ray.io/ft-enabled": "true"}
    assert names(made["head"]["containerEnv"]) == ["A", "RAY_REDIS_ADDRESS", "REDIS_PASSWORD"]
    assert made["head"]["rayStartParams"] == {"redis-password": "$REDIS_PASSWORD"}


def test_a_chart_that_can_is_given_the_options() -> None:
    settings = load(clusters={"raycluster": {"gcsFaultTolerance": REDIS | {"externalStorageNamespace": "x"}}})
    made = plan_ray_cluster(settings, "raycluster", settings.clusters["raycluster"]).values
    assert made["gcsFaultTolerance"] == {
        "enabled": True,
        "redisAddress": "redis:6379",
        "externalStorageNamespace": "x",
        "redisPassword": {"valueFrom": {"secretKeyRef": {"name": "redis", "key": "auth"}}},
    }
    assert "annotations" not in made
    assert for_charts_before_1_5(made)["annotations"]["ray.io/external-storage-namespace"] == "x"


def test_fault_tolerance_that_changes_restarts_the_head() -> None:
    def head(**tolerance: Any) -> str:
        return plan_cluster(
            load(clusters={"raycluster": {"gcsFaultTolerance": REDIS | tolerance}}), "raycluster"
        ).head.fingerprint

    assert head() != head(redisAddress="other:6379")
    assert head() != plan_cluster(load(), "raycluster").head.fingerprint


def test_a_password_in_the_config_goes_into_a_secret_of_the_stack() -> None:
    clusters = {
        "raycluster": {"gcsFaultTolerance": {"redisAddress": "redis:6379", "redisPassword": "hunter2"}}
    }
    plan = plan_cluster(load(("clusters",), clusters=clusters), "raycluster")
    password = plan.values["head"]["containerEnv"][-1]
    assert password["valueFrom"]["secretKeyRef"] == {"name": "raycluster-kuberay-redis", "key": "password"}
    assert "hunter2" not in repr(plan)
