"""What the operator cannot bring about is told in its own words, as soon as it has said
so.
"""

from typing import Any

import pytest

from tests.integration.harness.kubernetes import Kubernetes
from tests.integration.harness.operators import BOTH_OPERATORS
from tests.integration.harness.stack import Run, Stack

pytestmark = BOTH_OPERATORS

SMALL: dict[str, Any] = {"cpu": "100m", "memory": "2G"}


def stack_of(*names: str, **more: Any) -> dict[str, Any]:
    return {
        "architecture": "aarch64",
        "clusters": {name: {"head": SMALL, "worker": SMALL} for name in names},
        **more,
    }


@pytest.fixture(autouse=True)
def up(stack: Stack) -> None:
    stack.configure(stack_of("first"))
    stack.up_or_fail()


def fails_early(stack: Stack, cause: str) -> Run:
    run = stack.up()
    assert not run.ok, run.text
    assert cause in run.text, run.text
    assert "Traceback" not in run.text
    assert run.ended_early
    return run


def test_a_service_whose_name_is_taken_is_named(stack: Stack, kubernetes: Kubernetes) -> None:
    kubernetes.kubectl(
        "create", "service", "clusterip", "second-kuberay-head-svc", "--tcp=80:80", "-n", "kuberay"
    )
    stack.configure(stack_of("first", "second"))
    try:
        fails_early(stack, 'services "second-kuberay-head-svc" already exists')
    finally:
        kubernetes.kubectl("delete", "service", "second-kuberay-head-svc", "-n", "kuberay")
    # Repaired, it converges, whatever was said before.
    stack.up_or_fail()


def test_a_quota_of_services_is_named(stack: Stack, kubernetes: Kubernetes) -> None:
    kubernetes.kubectl("create", "quota", "few", "--hard=services=2", "-n", "kuberay")
    stack.configure(stack_of("first", "third"))
    try:
        fails_early(stack, "exceeded quota: few")
    finally:
        kubernetes.kubectl("delete", "quota", "few", "-n", "kuberay")
    stack.up_or_fail()
