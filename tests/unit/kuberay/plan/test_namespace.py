"""What holds for a namespace: who reaches Ray, and how much its pods may take."""

from kuberay.plan.namespace import limit_range, network_policy, resource_quota
from tests.unit.settings import load


def test_only_the_namespace_reaches_ray_unless_others_are_named() -> None:
    policy = network_policy(load(namespace="team"), "ray-dev")
    assert policy["metadata"] == {"name": "ray-dev", "namespace": "team"}
    assert policy["spec"]["ingress"] == [{"from": [{"podSelector": {}}]}]
    named = network_policy(load(protection={"networkPolicy": {"allowedNamespaces": ["a", "b"]}}), "ray-dev")
    assert named["spec"]["ingress"][0]["from"][1]["namespaceSelector"]["matchExpressions"][0]["values"] == ["a", "b"]


def test_a_namespace_may_be_let_in_for_one_purpose_alone() -> None:
    purposes = {"serveNamespaces": ["ingress"], "dashboardNamespaces": ["ops"], "clientNamespaces": ["notebooks"]}
    ingress = network_policy(load(protection={"networkPolicy": purposes}), "ray-dev")["spec"]["ingress"]
    assert [
        (rule["from"][0]["namespaceSelector"]["matchExpressions"][0]["values"], [port["port"] for port in rule["ports"]])
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
