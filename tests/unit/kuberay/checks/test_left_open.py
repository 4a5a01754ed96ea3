"""What is open is said, and which setting closes it."""

from pathlib import Path
from typing import Any

import pytest

from kuberay.checks.left_open import exposures
from kuberay.checks.unreachable import unreachable_workloads
from kuberay.plan.stack import plan_stack
from tests.paths import ROOT
from tests.stack_config import load, plan_of_file


def test_a_stack_that_is_closed_has_nothing_to_say() -> None:
    assert (
        list(exposures(plan_stack(load(rayVersion="2.52.0", operator={"singleNamespaceInstall": True}))))
        == []
    )


@pytest.mark.parametrize(
    "file",
    [ROOT / "Pulumi.prod.yaml", *sorted(ROOT.glob("examples/Pulumi.*.yaml"))],
    ids=lambda file: file.name,
)
def test_all_that_is_there_to_be_copied_but_the_guides_own_asks_for_a_token(file: Path) -> None:
    assert [line for line in exposures(plan_of_file(file)) if line.startswith("jobs and dashboard")] == []


def test_many_open_clusters_are_one_line() -> None:
    clusters = {f"team-{number}": {} for number in range(20)}
    tokens, operator = exposures(plan_stack(load(clusters=clusters)))
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
    said = [
        line
        for line in exposures(plan_stack(load(clusters={"ray": {"values": raw}})))
        if "head's Service" in line
    ]
    assert said == (
        [f"the head's Service is reached from outside the Kubernetes cluster: ray ({kind})"] if kind else []
    )


def test_pods_of_a_namespace_that_exists_carry_its_token() -> None:
    settings: dict[str, Any] = {
        "rayVersion": "2.52.0",
        "operator": {"singleNamespaceInstall": True},
        "namespace": "team",
    }
    settings |= {"createNamespace": False}
    assert list(exposures(plan_stack(load(**settings)))) == [
        "pods carry the token of the default service account of namespace team, unless it gives none away: "
        "createNamespace is false, so it stays as it is"
    ]
    asked = load(**settings, protection={"mountServiceAccountToken": True})
    assert list(exposures(plan_stack(asked))) == [
        "pods carry the token of the namespace's default service account: protection.mountServiceAccountToken"
        " is true"
    ]


def test_applications_that_are_to_be_reached_from_outside_are_told_and_what_keeps_requests_away() -> None:
    chat = {"serveConfig": {"applications": [{"import_path": "a:app"}]}}
    services = {
        "chat": chat | {"serveService": {"type": "LoadBalancer"}},
        "inside": chat | {"serveService": {"annotations": {"a": "b"}}},
    }
    plan = plan_stack(load(clusters={}, services=services))
    assert "applications are reached from outside the Kubernetes cluster: chat (LoadBalancer)" in list(
        exposures(plan)
    )
    assert list(unreachable_workloads(plan)) == [
        "services.chat: protection.networkPolicy lets no requests in from outside the Kubernetes cluster:"
        " they need a NetworkPolicy of your own beside it, or networkPolicy.enabled: false"
    ]
    closed = {"networkPolicy": {"enabled": False}}
    assert (
        list(unreachable_workloads(plan_stack(load(clusters={}, services=services, protection=closed)))) == []
    )


def test_heads_and_data_that_nothing_keeps_are_told() -> None:
    redis = {"gcsFaultTolerance": {"redisAddress": "redis:6379"}}
    settings: dict[str, Any] = {"rayVersion": "2.52.0", "operator": {"singleNamespaceInstall": True}}
    settings |= {
        "clusters": {"alone": {}, "safe": redis},
        "storage": {"kept": {"size": "1Gi"}, "cache": {"size": "1Gi", "keep": False}},
    }
    assert list(exposures(plan_stack(load(**settings, protection={"headDisruptionBudget": False})))) == [
        (
            "whoever drains a node evicts the heads of alone, and loses their clusters:"
            " protection.headDisruptionBudget is false"
        ),
        (
            "the data of storage.cache goes when the claim leaves the settings or the stack is destroyed:"
            " keep is false"
        ),
    ]
