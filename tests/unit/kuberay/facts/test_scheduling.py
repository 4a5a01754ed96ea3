"""The scheduler's rules, as far as a pod and a node alone tell them."""

from typing import Any

import pytest

from kuberay.facts.scheduling import is_device, keeps_out, requests_of


def container(restart: str = "", **requests: str) -> dict[str, Any]:
    return {"resources": {"requests": requests}} | ({"restartPolicy": restart} if restart else {})


@pytest.mark.parametrize(
    ("pod", "cpu"),
    [
        ({"containers": [container(cpu="1"), container(cpu="500m")]}, 1.5),
        ({"containers": [container(cpu="1")], "initContainers": [container(cpu="3")]}, 3),
        (
            {
                "containers": [container(cpu="1")],
                "initContainers": [container("Always", cpu="1"), container(cpu="500m")],
            },
            2,
        ),
        (
            {
                "containers": [container(cpu="1")],
                "initContainers": [container("Always", cpu="1"), container(cpu="3")],
            },
            4,
        ),
        ({"containers": [{"resources": {"limits": {"cpu": "2"}}}]}, 2),
        ({"containers": [container(cpu="1")], "overhead": {"cpu": "250m"}}, 1.25),
        ({"containers": [{}]}, 0),
    ],
)
def test_a_pod_asks_for_its_containers_or_for_its_largest_init_container(
    pod: dict[str, Any], cpu: float
) -> None:
    assert float(requests_of(pod).get("cpu", 0)) == cpu
    assert requests_of(pod)["pods"] == 1


def test_what_is_no_cpu_memory_or_disk_is_a_device() -> None:
    assert [
        name
        for name in ("cpu", "memory", "pods", "hugepages-2Mi", "nvidia.com/gpu", "google.com/tpu")
        if is_device(name)
    ] == [
        "nvidia.com/gpu",
        "google.com/tpu",
    ]


GPU_TAINT = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("pod", "spec", "why"),
    [
        ({}, {}, None),
        ({"nodeSelector": {"pool": "a"}}, {}, None),
        ({"nodeSelector": {"pool": "b", "zone": "z"}}, {}, "without pool=b, zone=z"),
        ({}, {"taints": [GPU_TAINT]}, "tainted with nvidia.com/gpu=present"),
        ({}, {"taints": [{**GPU_TAINT, "effect": "PreferNoSchedule"}]}, None),
        (
            {"tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]},
            {"taints": [GPU_TAINT]},
            None,
        ),
        ({"tolerations": [{"key": "nvidia.com/gpu", "value": "present"}]}, {"taints": [GPU_TAINT]}, None),
        (
            {"tolerations": [{"key": "nvidia.com/gpu", "value": "other"}]},
            {"taints": [GPU_TAINT]},
            "tainted with nvidia.com/gpu=present",
        ),
        ({"tolerations": [{"operator": "Exists"}]}, {"taints": [GPU_TAINT], "unschedulable": True}, None),
        ({}, {"unschedulable": True}, "tainted with node.kubernetes.io/unschedulable"),
    ],
)
def test_labels_and_taints_keep_pods_out(pod: dict[str, Any], spec: dict[str, Any], why: str | None) -> None:
    assert keeps_out({"metadata": {"name": "n", "labels": {"pool": "a"}}, "spec": spec}, pod) == why
