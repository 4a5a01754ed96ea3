"""Sizes with which real Ray does not start, or is of little use."""

from pathlib import Path
from typing import Any

import pytest

from kuberay.checks.loading import SettingsError
from kuberay.checks.memory import memory_advice
from kuberay.plan.stack import plan_stack
from tests.paths import ROOT
from tests.stack_config import load, plan_of_file


def advice(**cluster: Any) -> list[str]:
    return list(memory_advice(plan_stack(load(clusters={"ray": cluster})).placed))


def refusal(**cluster: Any) -> str:
    with pytest.raises(SettingsError) as error:
        load(clusters={"ray": cluster})
    (line,) = error.value.problems
    return line


def test_an_object_store_that_is_larger_than_an_own_dev_shm_is_warned_of() -> None:
    mount = {"volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}]}
    sized = {"volumes": [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "512Mi"}}]}
    (line,) = advice(head={"memory": "8G", **mount, **sized})
    assert "is larger than /dev/shm (0.54 GB): Ray puts it on disk" in line


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
    assert line.startswith(
        "clusters.ray.head: memory 1500M is little for a head: Ray's own processes take about 1.02 GB"
    )
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
    lines = list(memory_advice(plan_stack(load(clusters={"ray": group}, jobs=jobs)).placed))
    assert [line.partition(": ")[0] for line in lines] == [
        "clusters.ray.additionalWorkerGroups.small",
        "jobs.train.rayCluster.additionalWorkerGroups.small",
    ]


@pytest.mark.parametrize(
    "file", [*ROOT.glob("Pulumi.*.yaml"), *ROOT.glob("examples/Pulumi.*.yaml")], ids=lambda file: file.name
)
def test_the_stacks_that_come_with_the_project_are_not_warned_of(file: Path) -> None:
    assert list(memory_advice(plan_of_file(file).placed)) == []


def test_what_ray_start_refuses_is_refused() -> None:
    def with_store(size: Any) -> dict[str, Any]:
        return {"head": {"memory": "4G", "rayStartParams": {"object-store-memory": size}}}

    key = "kuberay:clusters.ray.head.rayStartParams.object-store-memory"
    assert refusal(**with_store(70_000_000)).startswith(
        f'{key}: "70000000" is less than Ray\'s smallest object store, 78643200 bytes'
    )
    assert "is more than the pod's memory (4G)" in refusal(**with_store(5_000_000_000))
    assert "must be a whole number of bytes, without a unit" in refusal(**with_store("1G"))
    assert "object-store-memory" not in str(advice(**with_store(2_000_000_000)))
    raw = {"values": {"head": {"rayStartParams": {"object-store-memory": "1"}}}}
    assert refusal(**raw).startswith(
        'kuberay:clusters.ray.values.head.rayStartParams.object-store-memory: "1" is less than'
    )
