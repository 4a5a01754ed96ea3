"""`pulumi up` brings up Ray, and each later change reaches it."""

import pytest

from tests.integration.harness.kubernetes import Kubernetes
from tests.integration.harness.stack import Stack, guide

HEAD, WORKERS = "Stash raycluster.head.pods", "Stash raycluster.workergroup.pods"


@pytest.fixture(scope="module", autouse=True)
def first_up(stack: Stack) -> None:
    stack.configure(guide())
    stack.up_or_fail()


@pytest.fixture(autouse=True)
def as_the_guide_has_it(first_up: None, stack: Stack) -> None:
    """Every test starts from the guide's cluster."""
    stack.configure(guide())
    stack.up_or_fail()


def test_kubectl_shows_what_the_guide_shows(kubernetes: Kubernetes) -> None:
    columns = kubernetes.kubectl("get", "rayclusters", "-n", "kuberay", "--no-headers").split()
    assert columns[:6] == ["raycluster-kuberay", "1", "1", "2", "4G", "0"]
    assert columns[6] == "ready"
    kinds = sorted(pod.kind for pod in kubernetes.ray_pods("raycluster-kuberay") if pod.phase == "Running")
    assert kinds == ["head", "worker"]


def test_the_outputs_can_be_used_as_they_are(stack: Stack, kubernetes: Kubernetes) -> None:
    cluster = stack.outputs()["clusters"]["raycluster"]
    assert (cluster["cpu"], cluster["memory"], cluster["image"]) == (
        "2",
        "4G",
        "rayproject/ray:2.46.0-py310-aarch64",
    )
    service = cluster["portForward"].split("service/")[1].split()[0]
    ports = kubernetes.kubectl(
        "get", "service", service, "-n", cluster["namespace"], "-o", "jsonpath={.spec.ports[*].port}"
    ).split()
    assert {"8265", "10001"} <= set(ports)


def test_the_cluster_waits_on_the_operator_and_the_operator_on_the_namespace(stack: Stack) -> None:
    needs = stack.needs()
    assert {"Release kuberay-operator", "Stash kuberay-operator.deployment"} <= needs["Release raycluster"]
    assert "Namespace kuberay" in needs["Release kuberay-operator"]
    assert "Release raycluster" in needs[HEAD]


def test_nothing_changes_when_nothing_was_changed(stack: Stack) -> None:
    assert stack.preview().changes == {}


def test_raising_worker_memory_replaces_the_workers_and_keeps_the_head(
    stack: Stack, kubernetes: Kubernetes
) -> None:
    before = kubernetes.ray_pods("raycluster-kuberay")
    stack.configure(guide(worker={"memory": "3G"}))
    assert stack.preview().changes == {"Release raycluster": "update", HEAD: "update", WORKERS: "replace"}
    stack.up_or_fail()
    after = kubernetes.ray_pods("raycluster-kuberay")
    assert [pod.memory for pod in after if pod.kind == "worker"] == ["3G"]
    assert [pod.uid for pod in after if pod.kind == "head"] == [
        pod.uid for pod in before if pod.kind == "head"
    ]
    assert stack.preview().changes == {}
    assert stack.outputs()["clusters"]["raycluster"]["memory"] == "5G"


def test_a_new_head_takes_its_workers_with_it(stack: Stack, kubernetes: Kubernetes) -> None:
    before = {pod.uid for pod in kubernetes.ray_pods("raycluster-kuberay")}
    stack.configure(guide(head={"env": {"A": "b"}}))
    changes = stack.preview().changes
    assert (changes[HEAD], changes[WORKERS]) == ("replace", "replace")
    stack.up_or_fail()
    assert not before & {pod.uid for pod in kubernetes.ray_pods("raycluster-kuberay")}


def test_more_replicas_are_an_update_and_leave_running_pods_alone(
    stack: Stack, kubernetes: Kubernetes
) -> None:
    before = {pod.uid for pod in kubernetes.ray_pods("raycluster-kuberay")}
    stack.configure(guide(worker={"replicas": 3}))
    assert set(stack.preview().changes.values()) == {"update"}
    stack.up_or_fail()
    pods = kubernetes.ray_pods("raycluster-kuberay")
    assert len(pods) == 4
    assert before < {pod.uid for pod in pods}
    stack.configure(guide(worker={"replicas": 0}))
    stack.up_or_fail()
    assert [pod.kind for pod in kubernetes.ray_pods("raycluster-kuberay")] == ["head"]


def test_pods_of_a_group_that_is_taken_away_go(stack: Stack, kubernetes: Kubernetes) -> None:
    stack.configure(guide(additionalWorkerGroups={"big": {"memory": "4G", "replicas": 2}}))
    stack.up_or_fail()
    assert len(kubernetes.ray_pods("raycluster-kuberay")) == 4
    stack.configure(guide())
    stack.up_or_fail()
    assert {pod.group for pod in kubernetes.ray_pods("raycluster-kuberay")} == {"headgroup", "workergroup"}


def test_an_owner_can_keep_running_pods_and_is_told_that_they_run_the_old_spec(
    stack: Stack, kubernetes: Kubernetes
) -> None:
    before = {pod.uid for pod in kubernetes.ray_pods("raycluster-kuberay")}
    stack.configure(guide(upgradeStrategy="None", worker={"memory": "3G"}))
    warning = "1 pod of workergroup keeps running the old spec (upgradeStrategy: None)"
    assert warning in stack.preview_text().text
    up = stack.up_or_fail()
    assert warning in up.text
    assert before == {pod.uid for pod in kubernetes.ray_pods("raycluster-kuberay")}
    # Also when nothing changes any more, as long as it is so.
    assert warning in stack.preview_text().text


def test_a_mixed_cluster_runs_each_group_on_its_architecture(stack: Stack, kubernetes: Kubernetes) -> None:
    stack.configure(guide(additionalWorkerGroups={"intel": {"architecture": "x86"}}))
    stack.up_or_fail()
    pods = {pod.group: pod for pod in kubernetes.ray_pods("raycluster-kuberay")}
    assert (pods["intel"].image, pods["intel"].node_architecture) == ("rayproject/ray:2.46.0-py310", "amd64")
    assert (pods["workergroup"].image, pods["workergroup"].node_architecture) == (
        "rayproject/ray:2.46.0-py310-aarch64",
        "arm64",
    )


def test_up_looks_whether_ray_is_up_even_where_nothing_changes(stack: Stack, kubernetes: Kubernetes) -> None:
    stack.configure(guide())
    stack.up_or_fail()
    kubernetes.kubectl("delete", "raycluster", "raycluster-kuberay", "-n", "kuberay")
    run = stack.up()
    assert not run.ok
    remedy = "`pulumi up --refresh --replace '**Release::raycluster'` makes it anew"
    line = (
        "error: raycluster-kuberay: there is no such RayCluster, though the state has its Helm release;"
        f" {remedy}"
    )
    assert line in [found.strip() for found in run.error_lines], run.text
    assert "Traceback" not in run.text
    assert stack.up("--refresh", "--replace", "**Release::raycluster").ok
    assert {pod.group for pod in kubernetes.ray_pods("raycluster-kuberay")} == {"headgroup", "workergroup"}


def test_a_service_of_another_type_takes_a_new_cluster(stack: Stack, kubernetes: Kubernetes) -> None:
    stack.configure(guide(values={"service": {"type": "NodePort"}}))
    assert stack.preview().changes["Release raycluster"] == "replace"
    stack.up_or_fail()
    service = (
        "get",
        "service",
        "raycluster-kuberay-head-svc",
        "-n",
        "kuberay",
        "-o",
        "jsonpath={.spec.type}",
    )
    assert kubernetes.kubectl(*service) == "NodePort"
