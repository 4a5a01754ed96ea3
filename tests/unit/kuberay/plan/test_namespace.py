"""What holds for a namespace: who reaches Ray, and how much its pods may take."""

from typing import Any

from kuberay.plan.namespace import limit_range, network_policy, plan_namespace, resource_quota
from kuberay.plan.stack import plan_stack
from tests.stack_config import load


def test_only_the_namespace_reaches_ray_unless_others_are_named() -> None:
    policy = network_policy(load(namespace="team"), "ray-dev")
    assert policy["metadata"] == {"name": "ray-dev", "namespace": "team"}
    assert policy["spec"]["ingress"] == [{"from": [{"podSelector": {}}]}]
    named = network_policy(load(protection={"networkPolicy": {"allowedNamespaces": ["a", "b"]}}), "ray-dev")
    assert named["spec"]["ingress"][0]["from"][1]["namespaceSelector"]["matchExpressions"][0]["values"] == [
        "a",
        "b",
    ]


def test_a_namespace_may_be_let_in_for_one_purpose_alone() -> None:
    purposes = {
        "serveNamespaces": ["ingress"],
        "dashboardNamespaces": ["ops"],
        "clientNamespaces": ["notebooks"],
    }
    ingress = network_policy(load(protection={"networkPolicy": purposes}), "ray-dev")["spec"]["ingress"]
    assert [
        (
            rule["from"][0]["namespaceSelector"]["matchExpressions"][0]["values"],
            [port["port"] for port in rule["ports"]],
        )
        for rule in ingress[1:]
    ] == [(["ingress"], [8000]), (["ops"], [8265]), (["notebooks"], [10001])]


def test_what_pods_do_not_reach_is_all_that_egress_leaves_out() -> None:
    blocked = {"blockedAddresses": ["169.254.169.254", "fd00:ec2::254/128"]}
    spec = network_policy(load(protection={"networkPolicy": blocked}), "ray-dev")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert spec["egress"] == [
        {
            "to": [
                {"namespaceSelector": {}},
                {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.169.254/32"]}},
                {"ipBlock": {"cidr": "::/0", "except": ["fd00:ec2::254/128"]}},
            ]
        }
    ]
    assert network_policy(load(), "ray-dev")["spec"]["policyTypes"] == ["Ingress"]


def test_a_stack_without_a_quota_makes_none() -> None:
    assert resource_quota(load(), "q") is None
    assert limit_range(load(), "q") is None


def test_a_quota_counts_limits_and_a_stack_that_just_fits_is_taken() -> None:
    quota = resource_quota(load(quota={"cpu": "2.1", "memory": "4536870912", "pods": 3}), "q")
    assert quota is not None
    assert quota["spec"]["hard"] == {"limits.cpu": "2.1", "limits.memory": "4536870912", "pods": "3"}


def test_a_namespace_warns_and_audits_what_is_not_restricted_unless_told_otherwise() -> None:
    def labels(**protection: str) -> dict[str, str]:
        manifest = plan_namespace(load(protection=protection)).manifest
        assert manifest is not None
        return {
            key.removeprefix("pod-security.kubernetes.io/"): value
            for key, value in manifest["metadata"].get("labels", {}).items()
        }

    assert labels() == {"audit": "restricted", "warn": "restricted"}
    assert labels(namespacePodSecurity="baseline") == {
        "enforce": "baseline",
        "audit": "restricted",
        "warn": "restricted",
    }
    assert labels(namespacePodSecurityWarnings="privileged") == {}


def test_pods_without_an_account_of_their_own_get_no_token_in_a_namespace_of_the_stack() -> None:
    account = plan_namespace(load(namespace="team")).account
    assert account == {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "default", "namespace": "team"},
        "automountServiceAccountToken": False,
    }
    assert plan_namespace(load(protection={"mountServiceAccountToken": True})).account is None
    # Pods of others may need it.
    assert plan_namespace(load(createNamespace="false")).account is None


def test_nobody_evicts_a_head_that_its_cluster_is_lost_with() -> None:
    redis = {"gcsFaultTolerance": {"redisAddress": "redis:6379"}}
    head = {"containerEnv": [{"name": "RAY_REDIS_ADDRESS", "value": "redis:6379"}]}
    raw = {"values": {"annotations": {"ray.io/ft-enabled": "true"}, "head": head}}
    clusters = {"one": {}, "two": {}, "safe": redis, "raw": raw}
    (budget,) = budgets(clusters=clusters)
    assert budget["spec"] == {
        "minAvailable": 2,
        # A head that is not ready holds up nobody who drains its node.
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {
            "matchLabels": {"ray.io/group": "headgroup"},
            "matchExpressions": [
                {"key": "ray.io/cluster", "operator": "In", "values": ["one-kuberay", "two-kuberay"]}
            ],
        },
    }
    assert budgets(clusters={"safe": redis}) == []
    assert budgets(clusters={"safe": redis}, kuberayVersion="1.6.2") == []
    assert budgets(protection={"headDisruptionBudget": False}) == []


def budgets(**settings: Any) -> list[dict[str, Any]]:
    return [
        rule for rule in plan_stack(load(**settings)).namespace.rules if rule["kind"] == "PodDisruptionBudget"
    ]
