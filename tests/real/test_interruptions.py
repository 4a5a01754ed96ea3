"""What is killed comes back: the head, the operator, the API server."""

import json
import subprocess
import time

from tests.integration.harness.operators import MATRIX
from tests.real.foreign_images import redis
from tests.real.real_stack import GUIDE, RealStack

REDIS = {
    "apiVersion": "v1",
    "kind": "List",
    "items": [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "redis", "namespace": "kuberay", "labels": {"app": "redis"}},
            "spec": {
                "containers": [
                    {
                        "name": "redis",
                        "image": redis().reference,
                        "args": ["--protected-mode", "no", "--save", ""],
                    }
                ],
                "terminationGracePeriodSeconds": 1,
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "redis", "namespace": "kuberay"},
            "spec": {"clusterIP": "None", "selector": {"app": "redis"}, "ports": [{"port": 6379}]},
        },
    ],
}


def ends_well_or_says_why(stack: RealStack, up: "subprocess.Popen[str]") -> None:
    """Converges, in this run or, where it could not, in the next."""
    text, _ = up.communicate(timeout=300)
    assert "Traceback" not in text, text
    if up.returncode:
        assert "error:" in text, text
        stack.up_or_fail()


@MATRIX
def test_a_head_that_is_killed_comes_back_without_its_history(stack: RealStack) -> None:
    stack.with_cluster()
    stack.up_or_fail()
    assert stack.a_job()
    stack.kill_head()
    assert stack.jobs() == set()
    stack.up_or_fail()
    assert stack.a_job()


def test_an_operator_that_is_killed_during_up(stack: RealStack) -> None:
    stack.with_cluster(worker={"memory": "2100M"})
    with stack.up_meanwhile() as up:
        time.sleep(2)
        stack.kubernetes.kubectl(
            *"delete pod -n kuberay -l app.kubernetes.io/component=kuberay-operator --grace-period=1".split()
        )
        ends_well_or_says_why(stack, up)
    assert {
        pod.memory for pod in stack.kubernetes.ray_pods("raycluster-kuberay") if pod.kind == "worker"
    } == {"2100M"}


def test_an_api_server_that_is_restarted_during_up(stack: RealStack) -> None:
    stack.with_cluster(worker={"memory": "2200M"})
    with stack.up_meanwhile() as up:
        time.sleep(2)
        stack.cluster.restart("kube-apiserver")
        ends_well_or_says_why(stack, up)
    assert {
        pod.memory for pod in stack.kubernetes.ray_pods("raycluster-kuberay") if pod.kind == "worker"
    } == {"2200M"}


@MATRIX
def test_with_fault_tolerance_the_history_outlives_the_head(stack: RealStack) -> None:
    stack.cluster.load(redis())
    file = stack.config_file.with_name("redis.json")
    file.write_text(json.dumps(REDIS))
    stack.kubernetes.kubectl("apply", "-f", str(file))
    stack.kubernetes.kubectl("wait", "pod/redis", "-n", "kuberay", "--for=condition=Ready", "--timeout=60s")
    lasting = {"gcsFaultTolerance": {"redisAddress": "redis:6379"}, "worker": {"replicas": 0}}
    stack.with_cluster(more={"clusters": {GUIDE: {}, "lasting": lasting}})
    stack.up_or_fail()
    before = stack.a_job("lasting")
    stack.kill_head("lasting-kuberay")
    assert stack.jobs("lasting") == before
    stack.up_or_fail()
