"""What protects Ray, and what is open."""

import json
from typing import Any

import pytest

from commands.preview.meaning.protection import protection_of
from commands.preview.meaning.steps import COMPONENT, Preview, Step
from commands.stack.state import RELEASE
from kuberay.checks.exposure import exposures
from kuberay.checks.loading import load_settings
from kuberay.checks.quota import demands
from kuberay.facts.digests import secret_digest
from kuberay.plan.cluster import plan_cluster, plan_ray_cluster
from kuberay.plan.fault_tolerance import for_charts_before_1_5
from kuberay.plan.namespace import limit_range, network_policy, resource_quota
from kuberay.plan.operator import operator_values
from kuberay.settings.stack import StackSettings

TOKEN = "a-token-of-the-owner-that-is-long-enough"


def load(secret_keys: tuple[str, ...] = (), **settings: Any) -> StackSettings:
    config = {f"kuberay:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in settings.items()}
    return load_settings(config, secret_keys=[f"kuberay:{key}" for key in secret_keys])


def values(**settings: Any) -> dict[str, Any]:
    return plan_cluster(load(**settings), "raycluster").values


def names(environment: list[dict[str, Any]]) -> list[str]:
    return [variable["name"] for variable in environment]


# --- Tokens -------------------------------------------------------------------------------------------------------------------


def test_ray_asks_for_a_token_as_soon_as_it_can() -> None:
    assert values(rayVersion="2.51.1")["common"]["containerEnv"] == []
    assert names(values(rayVersion="2.52.0")["common"]["containerEnv"]) == ["RAY_AUTH_MODE", "RAY_AUTH_TOKEN"]


def test_an_owners_own_variables_do_not_take_the_token_away() -> None:
    own = {"values": {"common": {"containerEnv": [{"name": "A", "value": "b"}]}}}
    made = values(rayVersion="2.52.0", clusters={"raycluster": own})
    assert names(made["common"]["containerEnv"]) == ["A", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"]


def test_the_autoscaler_has_the_token_and_the_restricted_context() -> None:
    cluster = {"autoscaling": {}, "worker": {"maxReplicas": 3}}
    options = values(rayVersion="2.52.0", clusters={"raycluster": cluster})["head"]["autoscalerOptions"]
    assert names(options["env"]) == ["RAY_AUTH_MODE", "RAY_AUTH_TOKEN"]
    assert options["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_another_token_restarts_every_pod_and_stands_in_no_value() -> None:
    plans = [
        plan_cluster(load(("authToken",), rayVersion="2.52.0", authToken=token), "raycluster") for token in (TOKEN, TOKEN[::-1], TOKEN)
    ]
    fingerprints = [[group.fingerprint for group in plan.groups] for plan in plans]
    assert fingerprints[0] == fingerprints[2]
    assert not set(fingerprints[0]) & set(fingerprints[1])
    assert TOKEN not in repr(plans[0])


def test_a_token_is_in_no_text_that_is_made_of_the_settings() -> None:
    settings = load(("authToken",), rayVersion="2.52.0", authToken=TOKEN)
    assert TOKEN not in repr(settings) + str(settings) + settings.model_dump_json()


def test_a_digest_tells_secrets_apart_and_is_none_of_the_usual_hashes() -> None:
    assert secret_digest("a", "s") != secret_digest("b", "s")
    assert secret_digest("a", "s") != secret_digest("a", "t")


# --- Pod security --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "mode", "restricted"),
    [
        (None, "auto", True),
        ("registry.example/mirror", "auto", True),
        ("registry.example/rayproject/ray:2.46.0", "auto", True),
        ("registry.example/team/ray:1", "auto", False),
        ("registry.example/team/ray:1", "restricted", True),
        (None, "none", False),
    ],
)
def test_pods_of_rays_images_are_restricted_and_of_own_ones_when_asked(image: str | None, mode: str, restricted: bool) -> None:
    own = {"image": image} if image else {}
    made = values(protection={"podSecurity": mode}, **own)
    for group in ("head", "worker"):
        assert bool(made[group]["securityContext"]) == bool(made[group]["podSecurityContext"]) == restricted


def test_an_owner_can_add_to_the_context() -> None:
    own = {"values": {"head": {"securityContext": {"readOnlyRootFilesystem": True}}}}
    context = values(clusters={"raycluster": own})["head"]["securityContext"]
    assert context["readOnlyRootFilesystem"] is True
    assert context["allowPrivilegeEscalation"] is False


# --- Network, rights ------------------------------------------------------------------------------------------------------------


def test_only_the_namespace_reaches_ray_unless_others_are_named() -> None:
    policy = network_policy(load(namespace="team"), "ray-dev")
    assert policy["metadata"] == {"name": "ray-dev", "namespace": "team"}
    assert policy["spec"]["ingress"] == [{"from": [{"podSelector": {}}]}]
    named = network_policy(load(protection={"networkPolicy": {"allowedNamespaces": ["a", "b"]}}), "ray-dev")
    assert named["spec"]["ingress"][0]["from"][1]["namespaceSelector"]["matchExpressions"][0]["values"] == ["a", "b"]


def test_the_operator_watches_all_namespaces_unless_kept_to_its_own() -> None:
    assert operator_values(load())["singleNamespaceInstall"] is False
    assert operator_values(load(operator={"singleNamespaceInstall": True}))["singleNamespaceInstall"] is True


# --- Quota ----------------------------------------------------------------------------------------------------------------------


def test_a_stack_without_a_quota_makes_none() -> None:
    assert resource_quota(load(), "q") is None
    assert limit_range(load(), "q") is None


def test_a_quota_counts_limits_and_a_stack_that_just_fits_is_taken() -> None:
    quota = resource_quota(load(quota={"cpu": "2.1", "memory": "4536870912", "pods": 3}), "q")
    assert quota is not None
    assert quota["spec"]["hard"] == {"limits.cpu": "2.1", "limits.memory": "4536870912", "pods": "3"}


def test_every_container_of_a_pod_counts() -> None:
    cluster = {"autoscaling": {"cpu": 1}, "worker": {"maxReplicas": 3, "cpu": "100m", "replicas": 2}}
    counted = {demand.what: float(demand.of("cpu")) for demand in demands(load(clusters={"raycluster": cluster}))}
    assert counted == {"operator": 0.1, "clusters.raycluster, head": 2, "clusters.raycluster, workergroup": 0.4}


# --- Fault tolerance --------------------------------------------------------------------------------------------------------------

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
        return plan_cluster(load(clusters={"raycluster": {"gcsFaultTolerance": REDIS | tolerance}}), "raycluster").head.fingerprint

    assert head() != head(redisAddress="other:6379")
    assert head() != plan_cluster(load(), "raycluster").head.fingerprint


def test_a_password_in_the_config_goes_into_a_secret_of_the_stack() -> None:
    clusters = {"raycluster": {"gcsFaultTolerance": {"redisAddress": "redis:6379", "redisPassword": "hunter2"}}}
    plan = plan_cluster(load(("clusters",), clusters=clusters), "raycluster")
    password = plan.values["head"]["containerEnv"][-1]
    assert password["valueFrom"]["secretKeyRef"] == {"name": "raycluster-kuberay-redis", "key": "password"}
    assert "hunter2" not in repr(plan)


# --- What is open ---------------------------------------------------------------------------------------------------------------


def test_a_stack_that_is_closed_has_nothing_to_say() -> None:
    assert list(exposures(load(rayVersion="2.52.0", operator={"singleNamespaceInstall": True}))) == []


def test_many_open_clusters_are_one_line() -> None:
    clusters = {f"team-{number}": {} for number in range(20)}
    tokens, operator = exposures(load(clusters=clusters))
    assert "team-0, team-1, team-2 and 17 more" in tokens
    assert "rayVersion 2.52.0" in tokens
    assert "operator.singleNamespaceInstall" in operator


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        ({"service": {"type": "NodePort"}}, "NodePort"),
        ({"head": {"headService": {"spec": {"type": "LoadBalancer"}}}}, "LoadBalancer"),
        ({"service": {"type": "NodePort"}, "head": {"headService": {"spec": {"type": "ClusterIP"}}}}, None),
        ({"service": {"type": ""}, "head": {"headService": {"metadata": {"annotations": {"a": "b"}}}}}, None),
    ],
)
def test_the_heads_service_is_open_by_the_type_that_counts(raw: dict[str, Any], kind: str | None) -> None:
    said = [line for line in exposures(load(clusters={"ray": {"values": raw}})) if "head's Service" in line]
    assert said == ([f"the head's Service is reached from outside the Kubernetes cluster: ray ({kind})"] if kind else [])


def test_a_preview_tells_that_the_heads_own_service_opens() -> None:
    old, new = (
        values(clusters={"raycluster": {"values": raw}}) for raw in ({}, {"head": {"headService": {"spec": {"type": "LoadBalancer"}}}})
    )
    step = Step("update", RELEASE, "ray", f"{COMPONENT}RayCluster", {"values": old}, {"values": new})
    (lost,) = protection_of(Preview((step,), {}, {}, (), (), (), {})).lost
    assert (lost.what, lost.of) == ("the head's Service is reached from within the Kubernetes cluster only", ["ray"])
