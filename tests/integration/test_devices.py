"""Pods with GPUs, and replicas that span hosts, get the nodes they need."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.harness.kubernetes import Kubernetes
from tests.integration.harness.operators import BOTH_OPERATORS, MATRIX
from tests.integration.harness.stack import Stack

pytestmark = BOTH_OPERATORS

CLUSTER = "raycluster-kuberay"
GPU = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}


@pytest.fixture(scope="module", autouse=True)
def device_node(kubernetes: Kubernetes) -> Iterator[None]:
    """The x86 node has four GPUs and four TPUs, and the taint that such nodes have;
    afterwards it is again as the others know it.
    """

    def make(count: str | None, taints: list[dict[str, str]] | None) -> None:
        devices = {
            field: {"nvidia.com/gpu": count, "google.com/tpu": count} for field in ("capacity", "allocatable")
        }
        kubernetes.kubectl(
            "patch",
            "node",
            "node-amd64",
            "--subresource=status",
            "--type=merge",
            "-p",
            json.dumps({"status": devices}),
        )
        kubernetes.kubectl(
            "patch", "node", "node-amd64", "--type=merge", "-p", json.dumps({"spec": {"taints": taints}})
        )

    make("4", [GPU])
    yield
    make(None, None)


def settings(version: str, **groups: Any) -> dict[str, Any]:
    # The head and the default workers go to the other node: they do not tolerate the
    # taint.
    groups = {name: {"architecture": "x86", **group} for name, group in groups.items()}
    return {
        "architecture": "aarch64",
        "kuberayVersion": version,
        "clusters": {"raycluster": {"additionalWorkerGroups": groups}},
    }


def test_gpu_workers_run_on_the_gpu_node_with_the_gpu_image(
    stack: Stack, kubernetes: Kubernetes, version: str
) -> None:
    stack.configure(settings(version, gpu={"gpus": 2, "replicas": 2}))
    stack.up_or_fail()
    workers = [pod for pod in kubernetes.ray_pods(CLUSTER) if pod.group == "gpu"]
    assert [(pod.node_architecture, pod.image) for pod in workers] == [
        ("amd64", "rayproject/ray:2.46.0-py310-gpu")
    ] * 2
    assert stack.outputs()["clusters"]["raycluster"]["gpus"] == 4


def test_more_gpus_than_any_node_has_are_told_at_once(stack: Stack, version: str) -> None:
    stack.configure(settings(version, gpu={"gpus": 8}))
    run = stack.up()
    assert not run.ok
    assert "Insufficient nvidia.com/gpu" in run.text
    assert "asks for 8 of nvidia.com/gpu, the largest such node has 4" in run.text
    assert run.ended_early


@MATRIX
def test_tpu_workers_run_where_the_tpus_are(stack: Stack, kubernetes: Kubernetes, version: str) -> None:
    stack.configure(settings(version, tpu={"tpus": 4, "tolerations": [{**GPU, "operator": "Equal"}]}))
    stack.up_or_fail()
    selector = f"ray.io/cluster={CLUSTER},ray.io/group=tpu"
    (worker,) = json.loads(kubernetes.kubectl("get", "pods", "-n", "kuberay", "-l", selector, "-o", "json"))[
        "items"
    ]
    assert worker["spec"]["nodeName"] == "node-amd64"
    assert worker["spec"]["containers"][0]["resources"]["limits"]["google.com/tpu"] == "4"
    assert stack.preview().changes == {}


@MATRIX
def test_a_replica_of_several_hosts_is_as_many_pods(
    stack: Stack, kubernetes: Kubernetes, version: str
) -> None:
    stack.configure(
        settings(version, slice={"numOfHosts": 3, "replicas": 2, "gpus": 0, "architecture": "aarch64"})
    )
    stack.up_or_fail()
    assert sum(pod.group == "slice" for pod in kubernetes.ray_pods(CLUSTER)) == 6
    assert stack.preview().changes == {}
