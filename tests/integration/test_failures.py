"""When Ray does not come up, `up` fails, says why in one line, and a rerun after the
repair converges.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness.kubernetes import Kubernetes
from tests.integration.harness.operators import MATRIX
from tests.integration.harness.stack import Run, Stack


def broken(*, timeout: int = 120, **cluster: Any) -> dict[str, Any]:
    return {"architecture": "aarch64", "timeoutSeconds": timeout, "clusters": {"raycluster": cluster}}


def fails(stack: Stack, settings: dict[str, Any], cause: str) -> Run:
    stack.configure(settings)
    run = stack.up()
    assert not run.ok, run.text
    assert any(cause in line for line in run.text.splitlines()), run.text
    assert "Traceback" not in run.text
    return run


@pytest.fixture(autouse=True)
def repaired(stack: Stack, kubernetes: Kubernetes) -> Any:
    """After each failure the settings are repaired, and `up` has to
    converge by itself.
    """
    yield
    stack.configure(broken())
    stack.up_or_fail()
    assert {pod.phase for pod in kubernetes.ray_pods("raycluster-kuberay")} == {"Running"}
    assert stack.preview().changes == {}


def test_a_cluster_that_no_node_can_take_fails_early_and_says_what_is_lacking(stack: Stack) -> None:
    run = fails(stack, broken(worker={"memory": "512G"}), "unschedulable")
    assert "asks for 512G of memory, the largest such node has" in run.text
    assert run.ended_early


@MATRIX
def test_pods_for_which_there_is_room_later_are_waited_for_until_the_timeout(stack: Stack) -> None:
    # Each fits a node, all of them together do not.
    run = fails(
        stack,
        broken(timeout=12, worker={"replicas": 20, "cpu": 8, "memory": "2G"}),
        "pods ready after 12 s (timeoutSeconds)",
    )
    assert "Insufficient cpu" in run.text


@MATRIX
def test_an_image_that_does_not_exist_is_named(stack: Stack) -> None:
    run = fails(
        stack, broken(image="rayproject/ray:missing"), "image rayproject/ray:missing cannot be pulled"
    )
    assert run.ended_early


@MATRIX
def test_a_wrong_architecture_is_named(stack: Stack) -> None:
    # An x86 image by its tag, on aarch64 nodes.
    run = fails(stack, broken(image="rayproject/ray:2.46.0-py310"), "exec format error")
    assert run.ended_early


@MATRIX
def test_a_container_killed_for_memory_is_named(stack: Stack) -> None:
    fails(stack, broken(worker={"annotations": {"kwok.kuberay/fail": "oom"}}), "OOMKilled")


def test_a_crash_is_shown_with_its_last_lines(stack: Stack) -> None:
    fails(stack, broken(head={"annotations": {"kwok.kuberay/fail": "crash"}}), "its last lines")


def test_a_quota_that_leaves_no_room_is_named_and_what_it_said_is_forgotten_when_there_is_room(
    stack: Stack, kubernetes: Kubernetes
) -> None:
    stack.configure(broken())
    stack.up_or_fail()
    kubernetes.kubectl("create", "quota", "tight", "--hard=memory=5G", "-n", "kuberay")
    try:
        fails(stack, broken(worker={"replicas": 5}), "exceeded quota: tight")
    finally:
        kubernetes.kubectl("delete", "quota", "tight", "-n", "kuberay")
    # The operator looks again by itself only when its pause is over, which doubles each
    # time.
    stack.up_or_fail()
    assert len(kubernetes.ray_pods("raycluster-kuberay")) == 6


def test_a_namespace_that_is_being_deleted_is_waited_for_no_longer_than_the_stack_says(
    stack: Stack, kubernetes: Kubernetes, tmp_path: Path
) -> None:
    kubernetes.kubectl("create", "namespace", "leaving")
    kubernetes.kubectl("create", "configmap", "held", "-n", "leaving")
    hold = '{"metadata": {"finalizers": ["example.com/held"]}}'
    kubernetes.kubectl("patch", "configmap", "held", "-n", "leaving", "--type=merge", "-p", hold)
    kubernetes.kubectl("delete", "namespace", "leaving", "--wait=false")
    other = Stack(stack.cluster, "leaving", tmp_path)
    other.configure(broken(timeout=12) | {"namespace": "leaving"})
    try:
        run = other.up()
        assert not run.ok
        assert (
            "Namespace leaving: it has not gone after 12 s (timeoutSeconds): Namespace leaving is being"
            " deleted, which waits: " in run.text
        )
        assert "example.com/held in 1 resource instances" in run.text
    finally:
        free = '{"metadata": {"finalizers": null}}'
        kubernetes.kubectl("patch", "configmap", "held", "-n", "leaving", "--type=merge", "-p", free)
    # Then it goes.
    assert kubernetes.eventually(lambda: "leaving" not in kubernetes.kubectl("get", "namespaces"))


@MATRIX
def test_another_namespace_takes_the_stack_along(
    stack: Stack, kubernetes: Kubernetes, tmp_path: Path
) -> None:
    assert stack.destroy().ok
    other = Stack(stack.cluster, "moving", tmp_path)
    for namespace in ("here", "there"):
        # No cluster: its old one would take a minute to go.
        other.configure({"architecture": "aarch64", "clusters": {}, "namespace": namespace})
        preview = other.preview_text()
        assert preview.ok, preview.text
        run = other.up()
        assert run.ok, run.text
        assert kubernetes.kubectl("get", "deployments", "-n", namespace, "-o", "name").split() == [
            "deployment.apps/kuberay-operator"
        ]
    assert other.destroy().ok
    kubernetes.kubectl("delete", "namespace", "here", "there", "--ignore-not-found")
