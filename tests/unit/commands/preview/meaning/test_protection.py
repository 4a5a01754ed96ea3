"""What a preview says of protection that is lost or gained, a step at a time."""

import json
from typing import Any, Literal

import pytest

from commands.preview.meaning.protection import protection_of
from commands.preview.meaning.report import Protection
from commands.preview.meaning.steps import COMPONENT, Preview, Step
from kuberay.checks.loading import load_settings
from kuberay.facts.charts import RELEASE
from kuberay.plan.cluster import plan_cluster
from kuberay.plan.namespace import network_policy
from tests.stack_config import as_config, load


def protection_after(step: Step) -> Protection:
    """Of a stack in which this alone happens."""
    return protection_of(Preview((step,), {"namespace": "kuberay"}, {}, (), (), (), {}))


def said(kind: str, old: dict[str, Any], new: dict[str, Any]) -> tuple[list[str], list[str]]:
    """What is lost, and what is gained."""
    step = Step("update", kind, "kuberay", "", old, new)
    protection = protection_after(step)
    return [one.what for one in protection.lost], [one.what for one in protection.gained]


def policy(ray: list[str], metrics: list[str]) -> dict[str, Any]:
    config = {
        "kuberay:protection": {"networkPolicy": {"allowedNamespaces": ray}},
        "kuberay:metrics": {"enabled": True, "allowedNamespaces": metrics},
    }
    return network_policy(load_settings(as_config(config)), "ray")


def test_a_namespace_that_is_let_in_is_named_and_so_is_one_that_is_shut_out() -> None:
    lost, gained = said(
        "kubernetes:networking.k8s.io/v1:NetworkPolicy",
        policy(["a", "b"], []),
        policy(["b", "c"], ["monitoring"]),
    )
    assert lost == [
        "Ray's ports are closed to namespace c",
        "the metrics port is closed to namespace monitoring",
    ]
    assert gained == ["Ray's ports are closed to namespace a"]


@pytest.mark.parametrize(
    ("before", "after", "lost", "gained"),
    [
        ("restricted", "baseline", ["restricted"], []),
        ("restricted", None, ["baseline", "restricted"], []),
        (None, "baseline", [], ["baseline"]),
        ("restricted", "restricted", [], []),
    ],
)
def test_a_looser_standard_of_the_namespace_is_a_loss(
    before: str | None, after: str | None, lost: list[str], gained: list[str]
) -> None:
    def namespace(standard: str | None) -> dict[str, Any]:
        return {
            "metadata": {
                "name": "kuberay",
                "labels": {"pod-security.kubernetes.io/enforce": standard} if standard else {},
            }
        }

    text = "the namespace enforces the pod security standard "
    expected = [text + standard for standard in lost], [text + standard for standard in gained]
    assert said("kubernetes:core/v1:Namespace", namespace(before), namespace(after)) == expected


def test_a_preview_tells_that_the_heads_own_service_opens() -> None:
    old, new = (
        plan_cluster(load(clusters={"raycluster": {"values": raw}}), "raycluster").values
        for raw in ({}, {"head": {"headService": {"spec": {"type": "LoadBalancer"}}}})
    )
    step = Step("update", RELEASE, "ray", f"{COMPONENT}RayCluster", {"values": old}, {"values": new})
    (lost,) = protection_of(Preview((step,), {}, {}, (), (), (), {})).lost
    assert (lost.what, lost.of) == (
        "the head's Service is reached from within the Kubernetes cluster only",
        ["ray"],
    )


def way(*hosts: str) -> dict[str, Any]:
    return {"spec": {"rules": [{"host": host} for host in hosts]}} if hosts else {}


@pytest.mark.parametrize(
    ("operation", "old", "new", "lost", "gained"),
    [
        ("create", [], ["ray.example.com"], [["ray.example.com"]], []),
        ("update", ["ray.example.com"], ["ray.example.org"], [["ray.example.org"]], [["ray.example.com"]]),
        ("update", ["ray.example.com"], ["ray.example.com"], [], []),
        ("delete", ["ray.example.com"], [], [], [["ray.example.com"]]),
    ],
)
def test_a_way_in_that_comes_or_goes_is_told_with_its_address(
    operation: Literal["create", "update", "delete"],
    old: list[str],
    new: list[str],
    lost: list[list[str]],
    gained: list[list[str]],
) -> None:
    for kind, name, what in (
        (
            "RayCluster",
            "ray.dashboard",
            "the dashboard of cluster ray is reached from within the Kubernetes cluster only",
        ),
        (
            "RayService",
            "chat.serve",
            "the applications of service chat are reached from within the Kubernetes cluster only",
        ),
    ):
        step = Step(
            operation,
            "kubernetes:networking.k8s.io/v1:Ingress",
            name,
            f"kuberay:components:{kind}",
            way(*old),
            way(*new),
        )
        protection = protection_after(step)
        assert [(one.what, one.of) for one in protection.lost] == [(what, of) for of in lost]
        assert [(one.what, one.of) for one in protection.gained] == [(what, of) for of in gained]


def test_a_port_that_opens_to_a_namespace_is_named() -> None:
    def opened(**purposes: list[str]) -> dict[str, Any]:
        config = {"kuberay:protection": json.dumps({"networkPolicy": purposes})}
        return network_policy(load_settings(config), "ray")

    lost, gained = said(
        "kubernetes:networking.k8s.io/v1:NetworkPolicy",
        opened(serveNamespaces=["web"]),
        opened(dashboardNamespaces=["ops"]),
    )
    assert (lost, gained) == (
        ["port 8265 is closed to namespace ops"],
        ["port 8000 is closed to namespace web"],
    )


def test_a_policy_of_a_way_in_opens_its_port_and_protects_nothing() -> None:
    names = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["ingress-nginx"]}
    source = {"namespaceSelector": {"matchExpressions": [names]}}
    policy = {"spec": {"ingress": [{"from": [source], "ports": [{"port": 8265}]}]}}
    steps: list[tuple[Literal["create", "delete"], dict[str, Any], dict[str, Any]]] = [
        ("create", {}, policy),
        ("delete", policy, {}),
    ]
    for operation, old, new in steps:
        step = Step(
            operation,
            "kubernetes:networking.k8s.io/v1:NetworkPolicy",
            "ray.dashboard",
            "kuberay:components:RayCluster",
            old,
            new,
        )
        protection = protection_after(step)
        told = ["port 8265 is closed to namespace ingress-nginx"]
        assert [one.what for one in protection.lost] == (told if operation == "create" else [])
        assert [one.what for one in protection.gained] == (told if operation == "delete" else [])
