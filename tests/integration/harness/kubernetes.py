"""What the cluster of the tests says."""

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

from local.cluster import LocalCluster, until
from local.errors import LocalError


@dataclass(frozen=True)
class RayPod:
    name: str
    uid: str
    kind: str
    """``head`` or ``worker``"""
    group: str
    phase: str
    image: str
    memory: str
    node_architecture: str


class Kubernetes:
    """kubectl on the tests' own cluster."""

    def __init__(self, cluster: LocalCluster) -> None:
        self._cluster = cluster

    def kubectl(self, *arguments: str) -> str:
        return self._cluster.kubectl(*arguments)

    def apply(self, manifest: str) -> None:
        """Applies objects as YAML."""
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(manifest)
            file.flush()
            self.kubectl("apply", "-f", file.name)

    def run_pod(self, metadata: dict[str, Any], spec: dict[str, Any]) -> None:
        """Makes a pod and waits until it is ready."""
        name, namespace = metadata["name"], metadata["namespace"]
        # The account that it runs as is made a moment after its namespace.
        assert self.eventually(
            lambda: "default" in self.kubectl("get", "serviceaccounts", "-n", namespace, "-o", "name")
        )
        self.apply(yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}))
        self.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "-n", namespace, "--timeout=120s")

    def dry_runs(self) -> int:
        """How many dry runs the API server has been asked for so far, by
        its own count.
        """
        metrics = self.kubectl("get", "--raw", "/metrics").splitlines()
        counts = [
            line
            for line in metrics
            if line.startswith("apiserver_request_total{") and 'dry_run="All"' in line
        ]
        return sum(int(float(line.rpartition(" ")[2])) for line in counts)

    def may(self, user: str, verb: str, kind: str, namespace: str) -> bool:
        """Whether this user has the right."""
        try:
            return self.kubectl("auth", "can-i", verb, kind, "-n", namespace, "--as", user).strip() == "yes"
        except LocalError:  # It ends with 1 when the answer is no.
            return False

    def ray_pods(self, cluster: str, namespace: str = "kuberay") -> list[RayPod]:
        """The cluster's pods, without those on their way out."""
        answer = self.kubectl("get", "pods", "-n", namespace, "-l", f"ray.io/cluster={cluster}", "-o", "json")
        nodes = json.loads(self.kubectl("get", "nodes", "-o", "json"))["items"]
        architectures = {
            node["metadata"]["name"]: node["metadata"]["labels"]["kubernetes.io/arch"] for node in nodes
        }
        return [
            RayPod(
                name=pod["metadata"]["name"],
                uid=pod["metadata"]["uid"],
                kind=pod["metadata"]["labels"]["ray.io/node-type"],
                group=pod["metadata"]["labels"]["ray.io/group"],
                phase=pod["status"].get("phase", ""),
                image=pod["spec"]["containers"][0]["image"],
                memory=pod["spec"]["containers"][0]["resources"]["limits"]["memory"],
                node_architecture=architectures.get(pod["spec"].get("nodeName", ""), ""),
            )
            for pod in json.loads(answer)["items"]
            if "deletionTimestamp" not in pod["metadata"]
        ]

    def eventually(self, condition: Callable[[], bool], seconds: float = 30) -> bool:
        return until(condition, seconds)
