"""The pods that KubeRay makes of a RayCluster's spec."""

from typing import Any

import pytest

from kuberay.plan.made_pods import made_pods
from kuberay.plan.pods import pod_groups
from kuberay.plan.ray_cluster_spec import ray_cluster_spec, values_of_spec
from kuberay.plan.stack import plan_stack
from tests.stack_config import load


def spec_with(worker: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The spec of the guide's cluster with three workers, changed as it is written."""
    settings = load(clusters={"ray": {"worker": {"replicas": 3}}})
    spec = ray_cluster_spec(plan_stack(settings).clusters["ray"].values) | more
    spec["workerGroupSpecs"] = [group | worker for group in spec["workerGroupSpecs"]]
    return spec


@pytest.mark.parametrize(
    ("worker", "more", "pods"),
    [
        ({}, {}, [1, 3]),
        ({"numOfHosts": 2}, {}, [1, 6]),
        ({"suspend": True}, {}, [1, 0]),
        ({}, {"suspend": True}, [0, 0]),
        ({"maxReplicas": None}, {}, [1, 3]),
        ({"minReplicas": 4, "maxReplicas": 5}, {}, [1, 4]),
    ],
)
def test_a_price_counts_the_pods_that_a_report_shows(
    worker: dict[str, Any], more: dict[str, Any], pods: list[int]
) -> None:
    spec = spec_with(worker, **more)
    assert [group.pods for group in made_pods(spec)] == pods
    assert [group.pods for group in pod_groups(values_of_spec(spec))] == pods


def test_each_pod_has_the_containers_that_kuberay_adds() -> None:
    options = {"collectorOptions": {"image": "collector:1"}}
    head, workers = made_pods(spec_with({}, enableInTreeAutoscaling=True, historyServerOptions=options))
    named = [
        [each["name"] for each in group.pod.get(key) or []]
        for group in (head, workers)
        for key in ("containers", "initContainers")
    ]
    assert named == [
        ["ray-head", "autoscaler", "ray-history-collector"],
        [],
        ["ray-worker", "ray-history-collector"],
        ["wait-gcs-ready"],
    ]
    assert workers.pod["containers"][1]["resources"]["requests"] == {"cpu": "50m", "memory": "64Mi"}
