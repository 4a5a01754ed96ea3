"""What a run leaves as it was, and what others have changed: neither is deleted again and again in the hope for what will not come."""

import subprocess

import pytest

from tests.integration.kubernetes import Kubernetes
from tests.integration.stack import Stack


def settings(memory: str) -> dict[str, object]:
    clusters = {name: {"worker": {"memory": memory}} for name in ("mine", "other")}
    return {"architecture": "aarch64", "clusters": clusters}


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
    assert "other.workergroup.pods: not looked at, as this run leaves it as it was (--target or --exclude)" in run.text
    assert set(memory_of_workers(kubernetes, "mine").values()) == {"3G"}
    assert memory_of_workers(kubernetes, "other") == before
    stack.up_or_fail()
    assert set(memory_of_workers(kubernetes, "other").values()) == {"3G"}


def test_a_ray_cluster_that_someone_changed_is_named_at_once(stack: Stack, kubernetes: Kubernetes) -> None:
    stack.configure(settings("4G"))
    stack.up_or_fail()
    helm = ["helm", "rollback", "other", "--namespace", "kuberay"]
    subprocess.run(helm, env=stack.cluster.pulumi_env(), capture_output=True, check=True)
    before = memory_of_workers(kubernetes, "other")
    run = stack.up()
    assert not run.ok
    line = "workergroup: the RayCluster has another pod template than this stack gave it, by `helm rollback` for one; "
    assert f"{line}`pulumi up --replace '**Release::other'` makes it anew" in run.text
    assert memory_of_workers(kubernetes, "other") == before
    run = stack.up("--replace", "**Release::other")
    assert run.ok, run.text
    assert set(memory_of_workers(kubernetes, "other").values()) == {"4G"}
