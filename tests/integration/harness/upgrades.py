"""A stack with all of KubeRay in it, and what of it must be the same after its version
has changed.
"""

import json
from dataclasses import dataclass
from typing import Any

from tests.integration.harness.kubernetes import Kubernetes


def at(version: str, **cluster: Any) -> dict[str, Any]:
    """A stack with one cluster, at a version of KubeRay."""
    return {"architecture": "aarch64", "kuberayVersion": version, "clusters": {"raycluster": cluster}}


def everything(version: str) -> dict[str, Any]:
    """A cluster that scales, a job on it, and a service."""
    applications = [{"name": "echo", "import_path": "echo:app"}]
    return at(version, autoscaling={}, worker={"replicas": 1, "maxReplicas": 5}) | {
        "jobs": {"train": {"entrypoint": "python main.py", "cluster": "raycluster"}},
        "services": {"chat": {"serveConfig": {"applications": applications}}},
    }


@dataclass(frozen=True)
class Running:
    """What runs: the same before and after where nothing has restarted."""

    pods: frozenset[str]
    """All of Ray, with how often their containers were restarted."""
    job: str
    """The run of the job, and how it has ended."""
    service: str
    """The cluster that serves."""


def running(kubernetes: Kubernetes) -> Running:
    """Of `everything`."""

    def asked(*arguments: str) -> str:
        return kubernetes.kubectl("get", *arguments, "-n", "kuberay", "-o", "json")

    pods = json.loads(asked("pods", "-l", "ray.io/cluster"))["items"]
    job, service = (
        json.loads(asked(*which))["status"] for which in (("rayjob", "train"), ("rayservice", "chat"))
    )
    return Running(
        pods=frozenset(
            f"{pod['metadata']['name']} {pod['metadata']['uid']} {_restarts(pod)}" for pod in pods
        ),
        job=f"{job['jobId']} {job['jobStatus']}",
        service=service["activeServiceStatus"]["rayClusterName"],
    )


def operator_image(kubernetes: Kubernetes) -> str:
    """Which operator runs."""
    path = "jsonpath={.items[*].spec.containers[*].image}"
    return kubernetes.kubectl(
        "get", "pods", "-n", "kuberay", "-l", "app.kubernetes.io/component=kuberay-operator", "-o", path
    )


def crd_versions(kubernetes: Kubernetes) -> dict[str, str | None]:
    """The version that each of KubeRay's CRDs was brought to, by its plural."""
    crds = json.loads(kubernetes.kubectl("get", "crd", "-o", "json"))["items"]
    return {
        crd["spec"]["names"]["plural"]: (crd["metadata"].get("annotations") or {}).get(
            "kuberay.pulumi/version"
        )
        for crd in crds
    }


def delete_crds(kubernetes: Kubernetes) -> None:
    """All of them, and with them every object of Ray's."""
    kubernetes.kubectl("delete", "crd", *(f"{plural}.ray.io" for plural in crd_versions(kubernetes)))


def scale_up(kubernetes: Kubernetes) -> None:
    """To three workers, as Ray's autoscaler does it."""
    patch = '[{"op": "replace", "path": "/spec/workerGroupSpecs/0/replicas", "value": 3}]'
    kubernetes.kubectl(
        "patch", "raycluster", "raycluster-kuberay", "-n", "kuberay", "--type=json", "--patch", patch
    )
    assert kubernetes.eventually(lambda: len(kubernetes.ray_pods("raycluster-kuberay")) == 4)


def _restarts(pod: dict[str, Any]) -> int:
    return sum(status["restartCount"] for status in pod["status"].get("containerStatuses", []))
