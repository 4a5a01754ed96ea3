"""What Ray makes of a pod's memory. The figures were read with Ray 2.46.0 in memory cgroups of these sizes, and in real pods."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from kuberay.checks.loading import SettingsError, load_settings
from kuberay.checks.memory import memory_advice
from kuberay.plan.cluster import plan_cluster
from kuberay.plan.memory import PodMemory, cluster_memory
from kuberay.settings.stack import StackSettings

ROOT = Path(__file__).resolve().parent.parent.parent
MEBIBYTES = 1024 * 1024


def load(cluster: dict[str, Any], **more: Any) -> StackSettings:
    return load_settings({f"kuberay:{key}": json.dumps(value) for key, value in ({"clusters": {"ray": cluster}} | more).items()})


def memory(group: str = "head", /, **settings: Any) -> PodMemory:
    key = "head" if group == "head" else "worker"
    return cluster_memory(plan_cluster(load({key: settings}), "ray"))[group]


def advice(**cluster: Any) -> list[str]:
    return list(memory_advice(load(cluster)))


def refusal(**cluster: Any) -> str:
    with pytest.raises(SettingsError) as error:
        load(cluster)
    (line,) = error.value.problems
    return line


# --- Figures ------------------------------------------------------------------------------------------------------------------


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
    assert (told.limit, told.schedulable, told.shared_memory, told.kills_from) == (32 * 10**9,) * 3 + (30_400_000_000,)
    assert told.cpus == 8  # KubeRay rounds up.
    assert told.left_for_workers == 30_400_000_000 - told.own_processes - told.object_store


def test_one_line_says_what_is_left() -> None:
    assert memory(memory="4G").summary == "4 GB: object store 0.95 GB, Ray itself 1.02 GB, left for tasks 1.83 GB"


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


def test_an_own_dev_shm_counts() -> None:
    mount = {"volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}]}
    sized = {"volumes": [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "512Mi"}}]}
    assert memory(memory="8G", **mount, **sized).shared_memory == 512 * MEBIBYTES
    assert memory(memory="8G", **mount, volumes=[{"name": "shm", "hostPath": {"path": "/dev/shm"}}]).shared_memory is None
    (line,) = advice(head={"memory": "8G", **mount, **sized})
    assert "is larger than /dev/shm (0.54 GB): Ray puts it on disk" in line


# --- Advice -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", ["300M", "320M"])
def test_a_worker_of_which_real_ray_dies_is_warned_of(limit: str) -> None:
    (line,) = advice(worker={"memory": limit})
    assert line.startswith(f"clusters.ray.worker: memory {limit} is too little")
    assert "below 78643200 bytes; it starts from about 347 MB" in line


def test_a_head_of_which_real_ray_dies_is_warned_of() -> None:
    (line,) = advice(head={"memory": "1G"})
    assert "ends with exit code 1" in line


def test_a_head_under_2g_is_warned_of_unless_it_has_no_dashboard() -> None:
    (line,) = advice(head={"memory": "1500M"})
    assert line.startswith("clusters.ray.head: memory 1500M is little for a head: Ray's own processes take about 1.02 GB")
    assert advice(head={"memory": "1500M", "rayStartParams": {"include-dashboard": False}}) == []


def test_sizes_at_which_real_ray_ran_are_not_warned_of() -> None:
    assert advice(head={"memory": "2G", "cpu": 16}, worker={"memory": "400M"}) == []


def test_more_cpus_than_there_is_memory_for_their_processes_are_warned_of() -> None:
    (line,) = advice(worker={"cpu": 64, "memory": "2G"})
    assert "memory 2G is too little for 64 CPUs" in line
    assert advice(worker={"cpu": 64, "memory": "2G", "rayStartParams": {"num-cpus": 8}}) == []


def test_clusters_of_jobs_and_services_and_further_groups_are_looked_at_too() -> None:
    group = {"additionalWorkerGroups": {"small": {"memory": "300M"}}}
    jobs = {"train": {"entrypoint": "python x.py", "rayCluster": group}}
    lines = list(memory_advice(load(group, jobs=jobs)))
    assert [line.partition(": ")[0] for line in lines] == [
        "clusters.ray.additionalWorkerGroups.small",
        "jobs.train.rayCluster.additionalWorkerGroups.small",
    ]


@pytest.mark.parametrize("file", [*ROOT.glob("Pulumi.*.yaml"), *ROOT.glob("examples/Pulumi.*.yaml")], ids=lambda file: file.name)
def test_the_stacks_that_come_with_the_project_are_not_warned_of(file: Path) -> None:
    given = yaml.safe_load(file.read_text())["config"]
    config = {key: value if isinstance(value, str) else json.dumps(value) for key, value in given.items()}
    assert list(memory_advice(load_settings(config, project_folder=ROOT))) == []


# --- Refusals -----------------------------------------------------------------------------------------------------------------


def test_what_ray_start_refuses_is_refused() -> None:
    def with_store(size: Any) -> dict[str, Any]:
        return {"head": {"memory": "4G", "rayStartParams": {"object-store-memory": size}}}

    key = "kuberay:clusters.ray.head.rayStartParams.object-store-memory"
    assert refusal(**with_store(70_000_000)).startswith(f'{key}: "70000000" is less than Ray\'s smallest object store, 78643200 bytes')
    assert "is more than the pod's memory (4G)" in refusal(**with_store(5_000_000_000))
    assert "must be a whole number of bytes, without a unit" in refusal(**with_store("1G"))
    assert "object-store-memory" not in str(advice(**with_store(2_000_000_000)))
    raw = {"values": {"head": {"rayStartParams": {"object-store-memory": "1"}}}}
    assert refusal(**raw).startswith('kuberay:clusters.ray.values.head.rayStartParams.object-store-memory: "1" is less than')


def test_an_object_store_in_a_folder_of_ones_own_may_be_larger_than_the_pod() -> None:
    params = {"object-store-memory": 50_000_000_000, "plasma-directory": "/data"}
    assert memory(memory="4G", rayStartParams=params).object_store == 50_000_000_000
