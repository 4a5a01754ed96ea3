"""The clusters that KubeRay makes for jobs and services."""

import json

from kuberay.checks.left_open import exposures
from kuberay.checks.loading import load_plan
from tests.unit.kuberay.plan.test_job import job
from tests.unit.kuberay.plan.test_service import service


def test_what_is_open_of_a_cluster_of_its_own_is_said() -> None:
    jobs = json.dumps({"train": {"entrypoint": "x"}})
    config = {"kuberay:jobs": jobs, "kuberay:clusters": "{}", "kuberay:rayVersion": "2.52.0"}
    assert any(
        "jobs.train" in line and "kuberayVersion 1.5.1" in line for line in exposures(load_plan(config))
    )
    config |= {"kuberay:kuberayVersion": "1.6.2"}
    assert not any("jobs.train" in line for line in exposures(load_plan(config)))


def test_annotations_of_the_cluster_are_given_to_its_owner_who_hands_them_on() -> None:
    raw = {"values": {"annotations": {"team": "a"}}}
    assert job(rayCluster=raw).annotations == {"team": "a"}
    assert service(rayCluster=raw).annotations == {"team": "a"}


def test_a_cluster_that_no_chart_renders_takes_what_any_chart_knows() -> None:
    worker = {
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone"}],
        "runtimeClassName": "gvisor",
    }
    jobs = {"train": {"entrypoint": "x", "rayCluster": {"values": {"worker": worker}}}}
    (group,) = (
        load_plan({"kuberay:jobs": json.dumps(jobs)}).jobs["train"].spec["rayClusterSpec"]["workerGroupSpecs"]
    )
    assert worker.items() <= group["template"]["spec"].items()
