"""Jobs and services of the settings, with the real Ray."""

import re
import shlex
import urllib.error
import urllib.request

import pytest

from kuberay.facts.monitoring import METRICS
from kuberay.facts.versions import at_least
from local import job
from local.errors import LocalError
from tests.real.programs import ECHO, taking_memory
from tests.real.real_stack import RealStack

#: A head alone: whether workers come up too is tested elsewhere.
HEAD_ALONE = {"worker": {"replicas": 0}}
KILLED_FOR_MEMORY = "ray_memory_manager_worker_eviction_total"


@pytest.fixture(scope="module")
def workloads(stack: RealStack) -> RealStack:
    """A job and a service, each on a cluster of its own, brought up together."""
    stack.kubernetes.kubectl("create", "configmap", "echo", "-n", "kuberay", f"--from-literal=echo.py={ECHO}")
    head = {
        "volumes": [{"name": "echo", "configMap": {"name": "echo"}}],
        "volumeMounts": [{"name": "echo", "mountPath": "/opt/echo"}],
        "env": {"PYTHONPATH": "/opt/echo"},
    }
    applications = [{"name": "echo", "import_path": "echo:app", "route_prefix": "/"}]
    chat = {"serveConfig": {"applications": applications}, "rayCluster": HEAD_ALONE | {"head": head}}
    total = {
        "entrypoint": 'python -c "import ray; ray.init(); print(ray.cluster_resources())"',
        "rayCluster": HEAD_ALONE,
    }
    stack.with_cluster(more={"jobs": {"total": total}, "services": {"chat": chat}})
    stack.up_or_fail()
    return stack


def test_a_rayjob_with_a_cluster_of_its_own_succeeds(workloads: RealStack) -> None:
    assert workloads.status_of("rayjob", "total")["jobStatus"] == "SUCCEEDED"
    # The one that did it: a submitter that could not reach the head yet is tried again,
    # in a pod of its own.
    did_it = ("--selector=job-name=total", "--field-selector=status.phase=Succeeded", "--output=name")
    submitter = workloads.kubernetes.kubectl("get", "pods", "-n", "kuberay", *did_it).strip()
    assert "'memory': 2000000000.0" in workloads.kubernetes.kubectl("logs", submitter, "-n", "kuberay")


def test_a_service_answers_over_http(workloads: RealStack) -> None:
    command = workloads.outputs()["services"]["chat"]["portForward"]
    with (
        job.forwarded(workloads.cluster, command, port=8000) as address,
        urllib.request.urlopen(f"{address}/?say=hello") as answer,  # noqa: S310
    ):
        assert answer.read() == b"you said hello"


def served_by_ray(stack: RealStack) -> set[str]:
    """The metrics of all Ray pods."""
    pods = stack.kubernetes.kubectl(
        "get", "pods", "-n", "kuberay", "-l", "ray.io/node-type", "-o", "name"
    ).split()
    return {name for pod in pods for name in served_by(stack, pod)}


def served_by(stack: RealStack, pod: str) -> set[str]:
    try:
        return names_of(stack.in_pod(pod, "wget", "-qO-", "localhost:8080/metrics"))
    except LocalError:
        # The job's goes once the job has ended.
        if "/total-" not in pod:
            raise
        return set()


def names_of(metrics: str) -> set[str]:
    return set(re.findall(r"^(\w+)[{ ]", metrics, re.MULTILINE))


def test_what_dashboards_and_alerts_name_is_served(workloads: RealStack) -> None:
    command = workloads.outputs()["services"]["chat"]["portForward"]
    with job.forwarded(workloads.cluster, command, port=8000) as address:
        with urllib.request.urlopen(f"{address}/?say=hello"):  # noqa: S310
            pass
        with pytest.raises(urllib.error.HTTPError, match="500"):
            urllib.request.urlopen(f"{address}/")  # noqa: S310
    # A GPU is not to be had here; what is killed for memory is another test's.
    of_others = {"ray_node_gpus_utilization", KILLED_FOR_MEMORY}
    expected = {name for name, metric in METRICS.items() if metric.of == "Ray"} - of_others
    served = set[str]()

    def all_are_served() -> bool:
        served.update(served_by_ray(workloads))
        return expected <= served

    workloads.kubernetes.eventually(all_are_served, 60)
    assert expected - served == set()

    label = "app.kubernetes.io/name=kuberay-operator"
    operator = workloads.kubernetes.kubectl(
        "get", "pods", "-n", "kuberay", "-l", label, "-o", "jsonpath={.items[0].metadata.name}"
    )
    metrics = workloads.kubernetes.kubectl(
        "get", "--raw", f"/api/v1/namespaces/kuberay/pods/{operator}:8080/proxy/metrics"
    )
    version = workloads.cluster.kuberay_versions[0]
    expected = {
        name for name, metric in METRICS.items() if metric.of == "KubeRay" and at_least(version, metric.since)
    }
    assert expected - names_of(metrics) == set()


def test_what_runs_is_left_alone_by_the_next_preview(workloads: RealStack) -> None:
    assert workloads.preview().changes == {}


def test_a_task_that_rays_memory_monitor_kills_is_named(stack: RealStack) -> None:
    hungry = {
        "entrypoint": shlex.join(["python", "-c", taking_memory(num_cpus=0.1)]),
        "cluster": "raycluster",
        "submissionMode": "HTTPMode",
    }
    stack.with_cluster(more={"jobs": {"hungry": hungry}})
    stack.fails("OutOfMemoryError: Ray's memory monitor killed a task")
    # Ray counts it a few seconds after.
    assert stack.kubernetes.eventually(lambda: KILLED_FOR_MEMORY in served_by_ray(stack), 60)
    stack.with_cluster()
    stack.up_or_fail()
