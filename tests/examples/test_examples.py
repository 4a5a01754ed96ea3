"""The starting points of `examples/` with the Ray that they name, in real pods: it asks
for tokens, and jobs, services and schedules show theirs.

`make examples` runs it: apart from `make test`, as it needs a second image of Ray. What
no small machine has is left out of each: GPUs, the sizes of pods, what lies on the
internet. Each has a namespace of its own, as that of a stack that went stays its.
"""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.real import images, machine
from local.real.cluster import RealCluster
from tests.integration.harness.kubernetes import Kubernetes
from tests.integration.harness.operators import NEWEST
from tests.paths import ROOT
from tests.real.programs import ECHO
from tests.real.real_stack import TIMEOUT, RealStack

REQUIREMENTS = Path(__file__).parent / "ray_image.txt"
SMALL = {"cpu": 1, "cpuRequest": "250m", "memory": "2G"}

ASKS_WITHOUT_TOKEN = """
import urllib.error, urllib.request
try:
    urllib.request.urlopen("http://localhost:8265/api/jobs/")
except urllib.error.HTTPError as error:
    print(error.code)
"""
RUNS_A_TASK = "import ray; ray.init(); print('ran on', ray.get(ray.remote(lambda: 'a worker').remote()))"


class ExampleCluster(RealCluster):
    """Has the image of the examples' Ray."""

    def adapted(self, config: dict[str, Any]) -> dict[str, Any]:
        return super().adapted(config) | {"kuberay:rayVersion": images.ray_version(REQUIREMENTS)}


class Example:
    """One of the examples, up."""

    def __init__(self, name: str, cluster: RealCluster, folder: Path) -> None:
        self.kubernetes = Kubernetes(cluster)
        self.namespace = name
        self.settings: dict[str, Any] = settings_of(name) | {"namespace": name}
        self.stack = RealStack(cluster, self.kubernetes, folder, name)

    def up(self) -> None:
        self.stack.configure(self.settings | {"timeoutSeconds": TIMEOUT})
        self.stack.up_or_fail()

    def kubectl(self, *arguments: str) -> str:
        return self.kubernetes.kubectl(*arguments, "-n", self.namespace)

    def in_head(self, *command: str) -> str:
        head = self.kubectl("get", "pods", "-l", "ray.io/node-type=head", "-o", "name").strip()
        return self.kubernetes.kubectl("exec", "-n", self.namespace, head, "-c", "ray-head", "--", *command)

    def job_status(self) -> str:
        """Of the RayJob that there is; of the first of several."""
        return self.kubectl("get", "rayjobs", "-o", "jsonpath={.items[0].status.jobStatus}")


def settings_of(name: str) -> dict[str, Any]:
    """An example's settings, for a small machine."""
    content = yaml.safe_load((ROOT / f"examples/Pulumi.{name}.yaml").read_text())["config"]
    settings: dict[str, Any] = {key.removeprefix("kuberay:"): value for key, value in content.items()}
    assert settings["rayVersion"] == images.ray_version(REQUIREMENTS)
    workloads = (*settings.get("jobs", {}).values(), *settings.get("services", {}).values())
    for workload in workloads:
        workload.setdefault("rayCluster", {})
    for cluster in (*settings["clusters"].values(), *(each["rayCluster"] for each in workloads)):
        for group in ("head", "worker"):
            cluster[group] = copy.deepcopy(cluster.get(group) or {}) | SMALL
        cluster["worker"]["replicas"] = 1
    return settings | {"kuberayVersion": NEWEST}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    if reason := machine.why_not():
        pytest.skip(f"this machine cannot run real nodes: {reason}")
    folder = tmp_path_factory.mktemp("examples")
    with ExampleCluster(folder, kuberay_versions=(NEWEST,), cores=0) as cluster:
        cluster.load(images.ray(REQUIREMENTS))
        yield cluster


@pytest.fixture
def example(request: pytest.FixtureRequest, cluster: RealCluster, tmp_path: Path) -> Iterator[Example]:
    example = Example(request.param, cluster, tmp_path)
    yield example
    example.stack.destroy()


@pytest.mark.parametrize("example", ["laptop", "team"], indirect=True)
def test_a_cluster_runs_tasks_for_whoever_shows_its_token(example: Example) -> None:
    example.up()
    assert example.in_head("python", "-c", ASKS_WITHOUT_TOKEN).strip() == "401"
    assert "ran on a worker" in example.in_head("python", "-c", RUNS_A_TASK)
    submitted = example.in_head("ray", "job", "submit", "--", "python", "-c", RUNS_A_TASK)
    assert "ran on a worker" in submitted


@pytest.mark.parametrize("example", ["job"], indirect=True)
def test_a_job_succeeds(example: Example) -> None:
    example.up()
    assert example.job_status() == "SUCCEEDED"


@pytest.mark.parametrize("example", ["nightly"], indirect=True)
def test_a_batch_runs_at_its_time(example: Example) -> None:
    example.settings["jobs"]["batch"]["schedule"] = "* * * * *"
    example.up()
    there = "jsonpath={.items[*].metadata.name}"
    assert example.kubernetes.eventually(lambda: bool(example.kubectl("get", "rayjobs", "-o", there)), 90)
    # One is enough.
    example.settings["jobs"]["batch"]["suspend"] = True
    example.up()
    assert example.kubernetes.eventually(lambda: example.job_status() == "SUCCEEDED", TIMEOUT)


@pytest.mark.parametrize("example", ["service"], indirect=True)
def test_a_service_answers(example: Example) -> None:
    _with_code(example, "echo.py", ECHO, into=example.settings["services"]["fruit"]["rayCluster"])
    example.settings["services"]["fruit"]["serveConfig"] = {"applications": [{"import_path": "echo:app"}]}
    example.up()
    assert example.in_head("wget", "-qO-", "http://localhost:8000/?say=hello") == "you said hello"


@pytest.mark.parametrize("example", ["training"], indirect=True)
def test_all_pods_of_a_training_see_one_folder(example: Example, tmp_path: Path) -> None:
    example.kubernetes.kubectl("create", "namespace", example.namespace)
    claim = yaml.safe_load((ROOT / "examples/training-claim.yaml").read_text())
    size = claim["spec"]["resources"]["requests"]["storage"]
    # A folder of the node, in the place of a share.
    folder = tmp_path / "share"
    folder.mkdir()
    folder.chmod(0o777)
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": "share"},
        "spec": {
            "capacity": {"storage": size},
            "accessModes": claim["spec"]["accessModes"],
            "storageClassName": claim["spec"].get("storageClassName", ""),
            "hostPath": {"path": str(folder)},
        },
    }
    example.kubernetes.apply(yaml.safe_dump(volume))
    example.kubernetes.kubectl("apply", "-n", example.namespace, "-f", "examples/training-claim.yaml")
    example.up()
    writes = "open('/data/of-a-worker', 'w').write('seen')"
    task = f"import ray; ray.init(); ray.get(ray.remote(num_cpus=1)(lambda: {writes}).remote())"
    example.in_head("python", "-c", task)
    assert example.in_head("cat", "/data/of-a-worker") == "seen"


def _with_code(example: Example, name: str, code: str, *, into: dict[str, Any]) -> None:
    """In a namespace that is there before the stack, as the pods wait for it."""
    example.settings |= {"createNamespace": False}
    example.kubernetes.kubectl("create", "namespace", example.namespace)
    example.kubectl("create", "configmap", "code", f"--from-literal={name}={code}")
    for group in ("head", "worker"):
        into[group] |= {
            "volumes": [{"name": "code", "configMap": {"name": "code"}}],
            "volumeMounts": [{"name": "code", "mountPath": "/opt/code"}],
            "env": {"PYTHONPATH": "/opt/code"},
        }
