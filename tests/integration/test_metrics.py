"""PodMonitors where the cluster knows them, and a clear line where it does not."""

import json
from collections.abc import Iterator

import pytest
import yaml

from tests.integration.harness.kubernetes import Kubernetes
from tests.integration.harness.operators import BOTH_OPERATORS
from tests.integration.harness.stack import Stack

pytestmark = BOTH_OPERATORS

METRICS = {"architecture": "aarch64", "metrics": {"enabled": True, "labels": {"release": "prometheus"}, "interval": "15s"}}
LEFT_OUT = "metrics: left out, the cluster knows no PodMonitor (monitoring.coreos.com)"


@pytest.fixture
def prometheus_operator(kubernetes: Kubernetes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """As much of it as a cluster needs to know the kind."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "podmonitors.monitoring.coreos.com"},
        "spec": {
            "group": "monitoring.coreos.com",
            "names": {"kind": "PodMonitor", "listKind": "PodMonitorList", "plural": "podmonitors", "singular": "podmonitor"},
            "scope": "Namespaced",
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
    file = tmp_path_factory.mktemp("crd") / "podmonitors.yaml"
    file.write_text(yaml.safe_dump(definition))
    kubernetes.kubectl("apply", "-f", str(file))
    kubernetes.kubectl("wait", "--for=condition=Established", "crd/podmonitors.monitoring.coreos.com", "--timeout=30s")
    yield
    kubernetes.kubectl("delete", "-f", str(file))


def test_a_cluster_without_pod_monitors_gets_ray_and_a_line(stack: Stack) -> None:
    stack.configure(METRICS)
    assert LEFT_OUT in stack.preview_text().text
    assert LEFT_OUT in stack.up_or_fail().text


@pytest.mark.usefixtures("prometheus_operator")
def test_pod_monitors_are_made_for_ray_and_for_the_operator(stack: Stack, kubernetes: Kubernetes) -> None:
    stack.configure(METRICS)
    preview = stack.preview()
    assert preview.changes == {"PodMonitor ray-metrics.metrics": "create", "PodMonitor kuberay-operator-metrics.metrics": "create"}
    assert LEFT_OUT not in stack.up_or_fail().text
    monitors = json.loads(kubernetes.kubectl("get", "podmonitors", "-n", "kuberay", "-o", "json"))["items"]
    assert {monitor["metadata"]["labels"]["release"] for monitor in monitors} == {"prometheus"}
    # Each picks the pods that it is for, and a port that they have.
    picked = {
        "ray-metrics": ("ray.io/node-type in (head,worker)", "metrics", 2),
        "kuberay-operator-metrics": ("app.kubernetes.io/name=kuberay-operator", "http", 1),
    }
    for monitor in monitors:
        labels, port, count = picked[monitor["metadata"]["name"]]
        pods = json.loads(kubernetes.kubectl("get", "pods", "-n", "kuberay", "-l", labels, "-o", "json"))["items"]
        assert len(pods) == count
        for pod in pods:
            assert port in {p.get("name") for container in pod["spec"]["containers"] for p in container.get("ports", [])}
        assert monitor["spec"]["podMetricsEndpoints"][0]["port"] == port
        assert monitor["spec"]["podMetricsEndpoints"][0]["interval"] == "15s"
    assert stack.preview().changes == {}
    stack.configure({"architecture": "aarch64", "metrics": {"enabled": True}})
    stack.up_or_fail()
    assert stack.preview().changes == {}
    stack.configure({"architecture": "aarch64"})
    stack.up_or_fail()
    assert kubernetes.kubectl("get", "podmonitors", "-n", "kuberay", "-o", "name") == ""
