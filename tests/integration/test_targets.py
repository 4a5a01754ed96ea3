"""What a run leaves as it was, and what others have changed: neither is deleted again
and again in the hope for what will not come.
"""

import subprocess

import pytest

from tests.integration.harness.kubernetes import Kubernetes
from tests.integration.harness.stack import Stack


def settings(memory: str) -> dict[str, object]:
    clusters = {name: {"worker": {"memory": memory}} for name in ("mine", "other")}
    return {"architecture": "aarch64", "clusters": clusters}


def helm(stack: Stack, *arguments: str) -> None:
    subprocess.run(
        ["helm", *arguments, "--namespace", "kuberay"],
        env=stack.cluster.pulumi_env(),
        capture_output=True,
        check=True,
    )


@pytest.fixture(autouse=True)
def two_clusters(stack: Stack) -> None:
    if not stack.is_up:
        stack.configure(settings("2G"))
        stack.up_or_fail()


def memory_of_workers(kubernetes: Kubernetes, cluster: str) -> dict[str, str]:
    return {pod.uid: pod.memory for pod in kubernetes.ray_pods(f"{cluster}-kuberay") if pod.kind == "worker"}


def test_pods_of_a_cluster_that_the_run_is_not_for_stay(stack: Stack, kubernetes: Kubernetes) -> None:
    before = memory_of_workers(kubernetes, "other")
    stack.configure(settings("3G"))
    run = stack.up("--target", "**mine**", "--target-dependents")
    assert run.ok, run.text
    assert (
        "other.workergroup.pods: not looked at, as this run leaves it as it was (--target or --exclude)"
        in run.text
    )
    assert set(memory_of_workers(kubernetes, "mine").values()) == {"3G"}
    assert memory_of_workers(kubernetes, "other") == before
    stack.up_or_fail()
    assert set(memory_of_workers(kubernetes, "other").values()) == {"3G"}


def test_an_operator_that_someone_uninstalled_is_named_with_the_way_to_make_it_anew(
    stack: Stack, kubernetes: Kubernetes
) -> None:
    before = {pod.uid for pod in kubernetes.ray_pods("other-kuberay")}
    helm(stack, "uninstall", "kuberay-operator")
    run = stack.up()
    assert not run.ok
    gone = "kuberay-operator: there is no such Deployment, though the state has its Helm release; "
    assert f"{gone}`pulumi up --refresh --replace '**Release::kuberay-operator'` makes it anew" in run.text
    run = stack.up("--refresh", "--replace", "**Release::kuberay-operator")
    assert run.ok, run.text
    assert {pod.uid for pod in kubernetes.ray_pods("other-kuberay")} == before


def test_a_ray_cluster_that_someone_changed_is_named_at_once(stack: Stack, kubernetes: Kubernetes) -> None:
    stack.configure(settings("4G"))
    stack.up_or_fail()
    helm(stack, "rollback", "other")
    before = memory_of_workers(kubernetes, "other")
    run = stack.up()
    assert not run.ok
    line = (
        "workergroup: the RayCluster has another pod template than this stack gave it, by `helm rollback` for"
        " one; "
    )
    assert f"{line}`pulumi up --refresh --replace '**Release::other'` makes it anew" in run.text
    assert memory_of_workers(kubernetes, "other") == before
    run = stack.up("--refresh", "--replace", "**Release::other")
    assert run.ok, run.text
    assert set(memory_of_workers(kubernetes, "other").values()) == {"4G"}
