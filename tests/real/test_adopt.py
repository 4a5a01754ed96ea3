"""A Ray cluster that someone has installed by hand is taken over while a job runs on
it, and the job knows nothing of it.
"""

import json
import subprocess
import time
from pathlib import Path

import yaml

from local import job
from local.real import images
from tests.integration.harness.kubernetes import Kubernetes
from tests.integration.harness.stack import Stack
from tests.real.real_stack import RealStack

NAMESPACE = "by-hand"
HEAD = {"limits": {"cpu": "1", "memory": "2G"}, "requests": {"cpu": "10m", "memory": "1G"}}
VALUES = {
    "image": {"repository": images.ray().name, "tag": images.ray().tag},
    "head": {"rayVersion": images.ray_version(), "resources": HEAD},
    "worker": {"disabled": True},
}
PORT_FORWARD = f"kubectl port-forward --namespace {NAMESPACE} service/raycluster-kuberay-head-svc 8265:8265"
RUNS_FOR_A_WHILE = "python -c 'import ray, time; ray.init(); time.sleep(60); print(\"still here\")'"


def pods(kubernetes: Kubernetes) -> dict[str, int]:
    """Restarts of the containers of each Ray pod, by its UID."""
    found = json.loads(kubernetes.kubectl("get", "pods", "-n", NAMESPACE, "-o", "json"))["items"]
    return {
        pod["metadata"]["uid"]: sum(each["restartCount"] for each in pod["status"]["containerStatuses"])
        for pod in found
    }


def test_a_job_runs_on_while_its_cluster_is_taken_over(
    stack: RealStack, kubernetes: Kubernetes, tmp_path: Path
) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump(VALUES))
    kubernetes.kubectl("create", "namespace", NAMESPACE)
    chart = [
        "ray-cluster",
        "--repo",
        stack.cluster.charts_url,
        "--version",
        stack.cluster.kuberay_versions[0],
    ]
    install = ["helm", "install", "raycluster", *chart, "--namespace", NAMESPACE, "--values", str(values)]
    subprocess.run(install, env=stack.cluster.pulumi_env(), capture_output=True, check=True)
    adopted = Stack(stack.cluster, "adopt", tmp_path)
    try:
        kubernetes.kubectl(
            "wait",
            "--for=condition=HeadPodReady",
            "raycluster/raycluster-kuberay",
            "-n",
            NAMESPACE,
            "--timeout=240s",
        )
        before = pods(kubernetes)
        with job.forwarded(stack.cluster, PORT_FORWARD, port=8265) as address:
            submitted = job.ask(f"{address}/api/jobs/", {"entrypoint": RUNS_FOR_A_WHILE})["submission_id"]
            written = adopted.make_adopt("--namespace", NAMESPACE)
            assert written.ok, written.text
            adopted.up_or_fail()
            assert pods(kubernetes) == before
            assert adopted.preview().changes == {}
            while (state := job.ask(f"{address}/api/jobs/{submitted}")["status"]) in ("PENDING", "RUNNING"):
                time.sleep(1)
            assert state == "SUCCEEDED"
            assert "still here" in job.ask(f"{address}/api/jobs/{submitted}/logs")["logs"]
        assert pods(kubernetes) == before
    finally:
        adopted.destroy()
        kubernetes.kubectl("delete", "namespace", NAMESPACE)
