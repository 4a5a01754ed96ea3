"""What the newest operator does with a job's schedule, submitter and token, and with a
service's Service and upgrades.
"""

import json
from typing import Any

import pytest

from tests.integration.harness.kubernetes import Kubernetes
from tests.integration.harness.operators import NEWEST
from tests.integration.harness.stack import Stack

#: The others refuse most of it.
pytestmark = pytest.mark.parametrize("cluster", [NEWEST], indirect=True)


class Workloads:
    """A stack without clusters of its own."""

    def __init__(self, stack: Stack, kubernetes: Kubernetes) -> None:
        self._stack = stack
        self._kubernetes = kubernetes

    def configure(self, **settings: Any) -> None:
        self._stack.configure({"architecture": "aarch64", "clusters": {}} | settings)

    def get(self, *what: str) -> dict[str, Any]:
        return json.loads(self._kubernetes.kubectl("get", *what, "-n", "kuberay", "-o", "json"))

    def runs(self) -> list[dict[str, Any]]:
        return self.get("rayjobs", "-l", "ray.io/cronjob-name=nightly")["items"]


@pytest.fixture
def workloads(stack: Stack, kubernetes: Kubernetes) -> Workloads:
    return Workloads(stack, kubernetes)


def test_a_schedule_runs_at_its_minute_and_a_change_of_it_restarts_nothing(
    workloads: Workloads, stack: Stack, kubernetes: Kubernetes
) -> None:
    nightly = {"entrypoint": "python main.py", "schedule": "* * * * *", "timeZone": "UTC"}
    workloads.configure(jobs={"nightly": nightly})
    stack.up_or_fail()
    assert stack.outputs()["jobs"]["nightly"]["status"] == "runs at * * * * * (UTC)"
    assert stack.preview().changes == {}
    assert kubernetes.eventually(lambda: bool(workloads.runs()), seconds=90)
    first = workloads.runs()[0]
    assert first["metadata"]["annotations"]["ray.io/cronjob-scheduled-timestamp"].endswith(":00Z")

    # Whether it had run to its end or not, it goes on.
    workloads.configure(jobs={"nightly": nightly | {"schedule": "0 3 1 1 *"}})
    assert stack.preview().changes == {"RayCronJob nightly": "update", "Stash nightly.scheduled": "update"}
    report = stack.make_preview(stack.name).text
    assert "job nightly: runs at 0 3 1 1 * (UTC); a run that is under way goes on" in report
    stack.up_or_fail()
    assert kubernetes.eventually(
        lambda: {run["status"].get("jobStatus") for run in workloads.runs()} == {"SUCCEEDED"}
    )
    assert first["metadata"]["uid"] in {run["metadata"]["uid"] for run in workloads.runs()}
    assert "RayCronJob nightly: runs at 0 3 1 1 * (UTC); its last run nightly-" in stack.make_doctor().text

    # All of its runs go with it, which takes a living operator.
    workloads.configure()
    stack.up_or_fail()
    assert workloads.get("rayjobs,rayclusters")["items"] == []


def test_a_job_has_its_submitter_its_token_and_its_own_time(
    workloads: Workloads, stack: Stack, kubernetes: Kubernetes
) -> None:
    main = {"entrypoint": "python main.py", "preRunningDeadlineSeconds": 600}
    small = {"cpu": "200m", "memory": "300Mi", "backoffLimit": 0}
    jobs: dict[str, dict[str, Any]] = {
        "pod": main | {"submitter": small, "ownToken": True, "deletionRules": [{"policy": "DeleteWorkers"}]},
        "beside": main | {"submissionMode": "SidecarMode"},
        "later": main | {"suspend": True},
    }
    workloads.configure(jobs=jobs, rayVersion="2.56.0")
    stack.up_or_fail()
    outputs = stack.outputs()["jobs"]
    assert {name: output["status"] for name, output in outputs.items()} == {
        "pod": "SUCCEEDED",
        "beside": "SUCCEEDED",
        "later": "suspended",
    }

    submits = workloads.get("job", "pod")["spec"]
    (container,) = submits["template"]["spec"]["containers"]
    assert submits["backoffLimit"] == 0
    assert container["resources"] == {
        "limits": {"cpu": "200m", "memory": "300Mi"},
        "requests": {"cpu": "200m", "memory": "200Mi"},
    }
    token = {"secretKeyRef": {"name": "jobs-pod-token", "key": "auth_token"}}
    assert {"name": "RAY_AUTH_TOKEN", "valueFrom": token} in container["env"]
    assert kubernetes.kubectl(*outputs["pod"]["getToken"].partition(" |")[0].replace("'", "").split()[1:])
    # Its head stays for whoever wants to look at it.
    pods = kubernetes.ray_pods(workloads.get("rayjob", "pod")["status"]["rayClusterName"])
    assert [pod.kind for pod in pods] == ["head"]

    later = workloads.get("rayjob", "later")
    assert later["status"]["jobDeploymentStatus"] == "Suspended"
    jobs["later"]["suspend"] = False
    workloads.configure(jobs=jobs, rayVersion="2.56.0")
    assert stack.preview().changes == {"RayJob later": "update", "Stash later.succeeded": "create"}
    stack.up_or_fail()
    assert workloads.get("rayjob", "later")["status"]["jobStatus"] == "SUCCEEDED"
    assert stack.refresh().ok
    assert stack.preview().changes == {}


def test_a_change_reaches_the_serve_service_as_it_is_and_incremental_upgrades_are_as_the_operator_has_them(
    workloads: Workloads, stack: Stack, kubernetes: Kubernetes
) -> None:
    chat = {"serveConfig": {"applications": [{"import_path": "echo:app"}]}}
    workloads.configure(
        services={
            "chat": chat | {"serveService": {"type": "NodePort", "annotations": {"a.b/c": "d", "e": "f"}}}
        }
    )
    stack.up_or_fail()
    before = workloads.get("service", "chat-serve-svc")
    assert before["spec"]["type"] == "NodePort"
    assert {"a.b/c": "d", "e": "f"}.items() <= before["metadata"]["annotations"].items()
    kubernetes.kubectl("annotate", "service", "chat-serve-svc", "-n", "kuberay", "cloud=its-own")

    workloads.configure(services={"chat": chat | {"serveService": {"annotations": {"a.b/c": "x"}}}})
    stack.up_or_fail()
    after = workloads.get("service", "chat-serve-svc")
    assert (after["metadata"]["uid"], after["spec"]["type"]) == (before["metadata"]["uid"], "ClusterIP")
    annotations = after["metadata"]["annotations"]
    assert (annotations["a.b/c"], annotations["cloud"], "e" in annotations) == ("x", "its-own", False)
    assert after["spec"]["selector"] == before["spec"]["selector"]

    autoscaling = {"autoscaling": {}, "worker": {"maxReplicas": 2}}
    upgrade = {
        "upgradeStrategy": "NewClusterWithIncrementalUpgrade",
        "clusterUpgradeOptions": {"gatewayClassName": "istio"},
    }
    workloads.configure(services={"chat": chat | upgrade | {"rayCluster": autoscaling}})
    # The API server is asked, strictly; no Gateway is there that could bring it.
    asked = kubernetes.dry_runs()
    changes = stack.preview().changes
    assert kubernetes.dry_runs() > asked
    assert changes["RayService chat"] == "update"
