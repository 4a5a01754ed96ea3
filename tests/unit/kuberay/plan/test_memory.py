"""What Ray makes of a pod's memory. The figures were read with Ray 2.46.0 in memory
cgroups of these sizes, and in real pods.
"""

from typing import Any

import pytest

from kuberay.plan.cluster import plan_cluster
from kuberay.plan.memory import PodMemory, cluster_memory
from tests.stack_config import load


def memory(group: str = "head", /, **settings: Any) -> PodMemory:
    key = "head" if group == "head" else "worker"
    return cluster_memory(plan_cluster(load(clusters={"ray": {key: settings}}), "ray"))[group]


@pytest.mark.parametrize(
    ("group", "limit", "found"),
    [
        ("head", "1100M", 97_787_904),
        ("head", "1300M", 157_425_254),
        ("head", "2G", 367_946_956),
        ("head", "2G", 338_434_867),
        ("head", "4G", 967_742_668),
        ("workergroup", "400M", 101_178_163),
        ("workergroup", "600M", 142_542_028),
        ("workergroup", "2G", 574_706_073),
    ],
)
def test_the_object_store_is_what_real_ray_takes(group: str, limit: str, found: int) -> None:
    told = memory(group, memory=limit)
    assert found <= told.most_object_store
    assert abs(told.object_store - found) < 20_000_000


def test_ray_schedules_with_the_whole_limit_and_kills_from_95_percent_of_it() -> None:
    told = memory("workergroup", memory="32G", cpu="7500m")
    assert (told.limit, told.schedulable, told.shared_memory, told.kills_from) == (32 * 10**9,) * 3 + (
        30_400_000_000,
    )
    assert told.cpus == 8  # KubeRay rounds up.
    assert told.left_for_workers == 30_400_000_000 - told.own_processes - told.object_store


def test_one_line_says_what_is_left() -> None:
    assert (
        memory(memory="4G").summary
        == "4 GB: object store 0.95 GB, Ray itself 1.02 GB, left for tasks 1.83 GB"
    )


def test_flags_and_variables_of_ray_are_followed() -> None:
    flags = {"object-store-memory": 1_000_000_000, "num-cpus": 0, "memory": 2_000_000_000}
    told = memory(memory="8G", rayStartParams=flags)
    assert (told.object_store, told.cpus, told.schedulable) == (1_000_000_000, 0, 2_000_000_000)
    variables = {"RAY_memory_usage_threshold": 0.9, "RAY_DEFAULT_OBJECT_STORE_MEMORY_PROPORTION": 0.5}
    told = memory(memory="10G", env=variables)
    assert (told.kills_from, told.most_object_store) == (9_000_000_000, 5_000_000_000)
    assert memory(memory="8G", env={"RAY_memory_monitor_refresh_ms": 0}).kills_from is None
    assert memory(memory="8G", env={"RAY_memory_usage_threshold": "lots"}).kills_from == 7_600_000_000


def test_ray_takes_200_gb_at_most_by_itself() -> None:
    assert memory("workergroup", memory="1000G").object_store == 200_000_000_000


def test_an_object_store_in_a_folder_of_ones_own_may_be_larger_than_the_pod() -> None:
    params = {"object-store-memory": 50_000_000_000, "plasma-directory": "/data"}
    assert memory(memory="4G", rayStartParams=params).object_store == 50_000_000_000


def test_an_own_dev_shm_counts() -> None:
    mount = {"volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}]}
    sized = {"volumes": [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "512Mi"}}]}
    assert memory(memory="8G", **mount, **sized).shared_memory == 512 * 1024 * 1024
    assert (
        memory(
            memory="8G", **mount, volumes=[{"name": "shm", "hostPath": {"path": "/dev/shm"}}]
        ).shared_memory
        is None
    )
