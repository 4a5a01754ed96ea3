"""What real pods say when they fail: `up` names the cause in a line, and a rerun after
the repair converges.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.harness.operators import MATRIX
from tests.real.foreign_images import of_another_architecture
from tests.real.real_stack import GUIDE, RealStack


@pytest.fixture(autouse=True)
def repaired(stack: RealStack) -> Iterator[None]:
    """After each failure the settings are repaired, and `up` has to
    converge by itself.
    """
    yield
    stack.with_cluster()
    stack.up_or_fail()
    assert {pod.phase for pod in stack.kubernetes.ray_pods("raycluster-kuberay")} == {"Running"}


def test_a_missing_image(stack: RealStack) -> None:
    stack.with_cluster(worker={"image": "rayproject/ray:2.46.0-py399"})
    stack.fails("image rayproject/ray:2.46.0-py399 cannot be pulled")


@MATRIX
def test_a_pod_that_no_node_can_take(stack: RealStack) -> None:
    stack.with_cluster(worker={"memory": "512G"})
    stack.fails("asks for 512G of memory, the largest such node has")


@MATRIX
def test_a_volume_that_is_not_there(stack: RealStack) -> None:
    volumes = {
        "volumes": [{"name": "licence", "secret": {"secretName": "team"}}],
        "volumeMounts": [{"name": "licence", "mountPath": "/opt"}],
    }
    stack.with_cluster(timeout=30, worker=volumes)
    stack.fails('FailedMount: MountVolume.SetUp failed for volume "licence" : secret "team" not found')


def test_a_wrong_architecture(stack: RealStack) -> None:
    image = dataclasses.replace(of_another_architecture(), reference="kuberay.local/team/ray:1")
    stack.cluster.load(image)
    stack.with_cluster(worker={"image": image.reference})
    stack.fails("exec format error: image kuberay.local/team/ray:1 is not for this node's architecture")


@MATRIX
def test_memory_too_small_for_the_object_store(stack: RealStack) -> None:
    stack.with_cluster(worker={"memory": "290M"})
    stack.fails("Attempting to cap object store memory usage at")


def test_a_worker_that_is_killed_for_memory(stack: RealStack) -> None:
    start = "python -c \"b'x' * 3 * 10**9\" || exit 1"  # what a user's own start of a worker may do
    stack.with_cluster(values={"worker": {"args": [start]}})
    stack.fails("OOMKilled: container ray-worker needed more than its memory limit of 2G; raise memory")


@MATRIX
def test_a_full_disk(stack: RealStack) -> None:
    def room_for_logs(room: str) -> dict[str, Any]:
        volume = {"name": "log-volume", "emptyDir": {"medium": "Memory", "sizeLimit": room}}
        return {
            "clusters": {
                GUIDE: {},
                "logging": {"worker": {"replicas": 0}, "values": {"head": {"volumes": [volume]}}},
            }
        }

    stack.with_cluster(more=room_for_logs("64Ki"))
    stack.fails("No space left on device")
    stack.with_cluster(more=room_for_logs("64Mi"))
    stack.up_or_fail()


@MATRIX
def test_a_pod_that_uses_more_of_the_disk_than_it_may(stack: RealStack) -> None:
    limits = {"cpu": "1", "memory": "2G", "ephemeral-storage": "100Ki"}
    writes = "head -c 3000000 /dev/zero > /tmp/file"
    stack.with_cluster(values={"worker": {"resources": {"limits": limits}, "args": [f"{writes}; sleep 600"]}})
    stack.fails("evicted: Pod ephemeral local storage usage exceeds the total limit of containers 100Ki")
