"""Jobs and services of the settings, with the real Ray."""

import shlex
import urllib.request

from local import job
from tests.real.real_stack import RealStack

#: A head alone: whether workers come up too is tested elsewhere.
HEAD_ALONE = {"worker": {"replicas": 0}}
SERVE = """
from ray import serve

@serve.deployment(ray_actor_options={"num_cpus": 0.1})
class Echo:
    async def __call__(self, request):
        return "you said " + request.query_params["say"]

app = Echo.bind()
"""
#: Takes memory bit by bit, so that Ray's monitor sees it before the kernel has to act.
HOG = """
import ray, time

@ray.remote(max_retries=0, num_cpus=0.1)
def take_all():
    kept = []
    while True:
        kept.append(b"x" * 20_000_000)
        time.sleep(0.05)

ray.init()
ray.get(take_all.remote())
"""


def test_a_rayjob_with_a_cluster_of_its_own_succeeds(stack: RealStack) -> None:
    sums = {"entrypoint": 'python -c "import ray; ray.init(); print(ray.cluster_resources())"', "rayCluster": HEAD_ALONE}
    stack.with_cluster(more={"jobs": {"sums": sums}})
    stack.up_or_fail()
    assert stack.status_of("rayjob", "sums")["jobStatus"] == "SUCCEEDED"
    assert stack.preview().changes == {}


def test_a_task_that_rays_memory_monitor_kills_is_named(stack: RealStack) -> None:
    hungry = {"entrypoint": shlex.join(["python", "-c", HOG]), "cluster": "raycluster", "submissionMode": "HTTPMode"}
    stack.with_cluster(more={"jobs": {"hungry": hungry}})
    stack.fails("OutOfMemoryError")
    stack.with_cluster()
    stack.up_or_fail()


def test_a_service_answers_over_http(stack: RealStack) -> None:
    stack.kubernetes.kubectl("create", "configmap", "echo", "-n", "kuberay", f"--from-literal=echo.py={SERVE}")
    head = {
        "volumes": [{"name": "echo", "configMap": {"name": "echo"}}],
        "volumeMounts": [{"name": "echo", "mountPath": "/opt/echo"}],
        "env": {"PYTHONPATH": "/opt/echo"},
    }
    applications = [{"name": "echo", "import_path": "echo:app", "route_prefix": "/"}]
    service = {"serveConfig": {"applications": applications}, "rayCluster": HEAD_ALONE | {"head": head}}
    stack.with_cluster(more={"services": {"chat": service}})
    stack.up_or_fail()
    command = stack.outputs()["services"]["chat"]["portForward"]
    with job.forwarded(stack.cluster, command, port=8000) as address, urllib.request.urlopen(f"{address}/?say=hello") as answer:  # noqa: S310
        assert answer.read() == b"you said hello"
    stack.with_cluster()
    stack.up_or_fail()
