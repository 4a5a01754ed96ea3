"""What holds for a namespace: who reaches Ray, and how much its pods may take."""

from kuberay.plan.namespace import limit_range, network_policy, resource_quota
from tests.unit.settings import load


def test_only_the_namespace_reaches_ray_unless_others_are_named() -> None:
    policy = network_policy(load(namespace="team"), "ray-dev")
    assert policy["metadata"] == {"name": "ray-dev", "namespace": "team"}
    assert policy["spec"]["ingress"] == [{"from": [{"podSelector": {}}]}]
    named = network_policy(load(protection={"networkPolicy": {"allowedNamespaces": ["a", "b"]}}), "ray-dev")
    assert named["spec"]["ingress"][0]["from"][1]["namespaceSelector"]["matchExpressions"][0]["values"] == ["a", "b"]


def test_a_stack_without_a_quota_makes_none() -> None:
    assert resource_quota(load(), "q") is None
    assert limit_range(load(), "q") is None


def test_a_quota_counts_limits_and_a_stack_that_just_fits_is_taken() -> None:
    quota = resource_quota(load(quota={"cpu": "2.1", "memory": "4536870912", "pods": 3}), "q")
    assert quota is not None
    assert quota["spec"]["hard"] == {"limits.cpu": "2.1", "limits.memory": "4536870912", "pods": "3"}
