"""Jobs: `up` waits for their end, replaces the changed ones, and tells why
one failed.
"""

import json
from typing import Any

import pytest

from tests.integration.harness.kubernetes import Kubernetes
from tests.integration.harness.operators import BOTH_OPERATORS
from tests.integration.harness.stack import Stack

pytestmark = BOTH_OPERATORS


class Jobs:
    """A stack with one cluster, and the jobs of a test."""

    def __init__(self, stack: Stack, kubernetes: Kubernetes, version: str) -> None:
        self.stack = stack
        self.kubernetes = kubernetes
        self.version = version

    def configure(self, **jobs: dict[str, Any]) -> None:
        # aarch64, where the submitter's pod could go wrong: nodes of both kinds are
        # there.
        self.stack.configure({"architecture": "aarch64", "kuberayVersion": self.version, "jobs": jobs})

    def status(self, name: str) -> dict[str, Any]:
        return (
            json.loads(self.kubernetes.kubectl("get", "rayjob", name, "-n", "kuberay", "-o", "json")).get(
                "status"
            )
            or {}
        )

    def clusters(self) -> set[str]:
        return set(
            self.kubernetes.kubectl(
                "get", "rayclusters", "-n", "kuberay", "-o", "jsonpath={.items[*].metadata.name}"
            ).split()
        )


@pytest.fixture
def jobs(stack: Stack, kubernetes: Kubernetes, version: str) -> Jobs:
    """With the cluster up, and whatever jobs the test before has left: `up` takes them
    away with the first of the next.
    """
    jobs = Jobs(stack, kubernetes, version)
    if not stack.is_up:
        jobs.configure()
        stack.up_or_fail()
    return jobs


def on_the_stacks_cluster(entrypoint: str = "python main.py", **settings: Any) -> dict[str, Any]:
    return {"entrypoint": entrypoint, "cluster": "raycluster"} | settings


def test_up_waits_until_jobs_have_succeeded_and_the_outputs_say_where_their_logs_are(
    jobs: Jobs, stack: Stack
) -> None:
    modes = {"pod": "K8sJobMode", "http": "HTTPMode"}
    jobs.configure(**{name: on_the_stacks_cluster(submissionMode=mode) for name, mode in modes.items()})
    changes = {what: "create" for name in modes for what in (f"RayJob {name}", f"Stash {name}.succeeded")}
    assert stack.preview().changes == changes
    stack.up_or_fail()
    outputs = stack.outputs()["jobs"]
    for name in modes:
        status = jobs.status(name)
        assert (status["jobStatus"], status["jobDeploymentStatus"]) == ("SUCCEEDED", "Complete")
        assert status["rayClusterName"] == "raycluster-kuberay"
        assert outputs[name]["status"] == "SUCCEEDED"
    assert "succeeded" in jobs.kubernetes.kubectl(*outputs["pod"]["logs"].split()[1:])
    assert stack.preview().changes == {}


def test_a_changed_job_is_replaced_and_the_others_and_the_cluster_are_left_alone(
    jobs: Jobs, stack: Stack
) -> None:
    jobs.configure(train=on_the_stacks_cluster(), score=on_the_stacks_cluster())
    stack.up_or_fail()
    before = {name: jobs.status(name)["jobId"] for name in ("train", "score")}
    jobs.configure(train=on_the_stacks_cluster("python other.py"), score=on_the_stacks_cluster())
    assert stack.preview().changes == {"RayJob train": "replace", "Stash train.succeeded": "replace"}
    stack.up_or_fail()
    assert jobs.status("train")["jobId"] != before["train"]
    assert jobs.status("train")["jobStatus"] == "SUCCEEDED"
    assert jobs.status("score")["jobId"] == before["score"]


def test_a_failed_job_fails_up_with_its_own_words_and_a_repaired_one_converges(
    jobs: Jobs, stack: Stack
) -> None:
    jobs.configure(train=on_the_stacks_cluster("bash -c 'exit 1'"))
    run = stack.up()
    assert not run.ok
    (line,) = [line for line in run.error_lines if "job train failed" in line]
    assert "Job entrypoint command failed with exit code 1" in line
    assert "RuntimeError: the simulated job fails" in line
    assert "Traceback (most recent call last):\n" not in run.text
    jobs.configure(train=on_the_stacks_cluster())
    stack.up_or_fail()
    assert jobs.status("train")["jobStatus"] == "SUCCEEDED"
    assert stack.preview().changes == {}


def test_up_does_not_wait_for_a_job_when_told_so(jobs: Jobs, stack: Stack) -> None:
    # A job that fails: that `up` ends well says that it did not wait.
    jobs.configure(train=on_the_stacks_cluster("bash -c 'exit 1'", wait=False))
    stack.up_or_fail()
    assert "did not wait" in stack.outputs()["jobs"]["train"]["status"]
    assert jobs.kubernetes.eventually(lambda: jobs.status("train").get("jobStatus") == "FAILED")


def test_a_job_with_a_cluster_of_its_own_leaves_none_behind(jobs: Jobs, stack: Stack) -> None:
    # Half a CPU: the operator writes it its own way.
    jobs.configure(
        train={"entrypoint": "python main.py", "rayCluster": {"worker": {"replicas": 2, "cpu": 0.5}}}
    )
    stack.up_or_fail()
    status = jobs.status("train")
    assert status["jobStatus"] == "SUCCEEDED"
    assert status["rayClusterName"].startswith("train-")
    assert jobs.kubernetes.eventually(lambda: jobs.clusters() == {"raycluster-kuberay"})
    assert stack.refresh().ok
    assert stack.preview().changes == {}


def test_a_cluster_of_its_own_stays_for_the_time_that_it_is_given(jobs: Jobs, stack: Stack) -> None:
    jobs.configure(train={"entrypoint": "python main.py", "rayCluster": {}, "ttlSecondsAfterFinished": 6})
    stack.up_or_fail()
    own = jobs.status("train")["rayClusterName"]
    assert own in jobs.clusters()
    assert jobs.kubernetes.eventually(lambda: own not in jobs.clusters())
    assert jobs.status("train")["jobStatus"] == "SUCCEEDED"
    assert stack.preview().changes == {}


def test_a_cluster_of_its_own_that_does_not_come_up_is_told_with_its_cause(jobs: Jobs, stack: Stack) -> None:
    jobs.configure(train={"entrypoint": "python main.py", "rayCluster": {"image": "rayproject/ray:missing"}})
    run = stack.up()
    assert not run.ok
    assert any(
        "job train" in line and "image rayproject/ray:missing cannot be pulled" in line
        for line in run.text.splitlines()
    ), run.text
    assert run.ended_early
    jobs.configure(train={"entrypoint": "python main.py"})
    stack.up_or_fail()
    assert jobs.status("train")["jobStatus"] == "SUCCEEDED"


def test_a_job_that_is_tried_again_fails_when_the_last_try_has(jobs: Jobs, stack: Stack) -> None:
    jobs.configure(train={"entrypoint": "bash -c 'exit 1'", "backoffLimit": 1, "submissionMode": "HTTPMode"})
    run = stack.up()
    assert not run.ok
    assert "job train failed" in run.text
    assert int(jobs.status("train").get("failed") or 0) >= 1


def test_destroy_leaves_nothing(jobs: Jobs, stack: Stack) -> None:
    jobs.configure(
        train=on_the_stacks_cluster(),
        score={"entrypoint": "python main.py", "shutdownAfterJobFinishes": False},
    )
    stack.up_or_fail()
    destroyed = stack.destroy()
    assert destroyed.ok, destroyed.text
    assert jobs.kubernetes.kubectl("get", "rayjobs,rayclusters", "-A", "-o", "name") == ""
    assert jobs.kubernetes.eventually(
        lambda: jobs.kubernetes.kubectl("get", "jobs,pods", "-A", "-o", "name") == ""
    )
