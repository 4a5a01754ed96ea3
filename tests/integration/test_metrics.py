"""PodMonitors, dashboards and alerts where the cluster knows their kinds, and a clear
line where it does not.
"""

import json
import re
import urllib.request
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
import yaml

from kuberay.facts.monitoring import METRICS
from kuberay.facts.versions import at_least
from tests.integration.harness.kubernetes import Kubernetes
from tests.integration.harness.operators import BOTH_OPERATORS
from tests.integration.harness.stack import Stack

pytestmark = BOTH_OPERATORS

MONITORS = {"enabled": True, "labels": {"release": "prometheus"}, "interval": "15s"}
METRICS_ON = {"architecture": "aarch64", "metrics": MONITORS | {"dashboards": True, "alerts": True}}
LEFT_OUT = [
    f"metrics: left out, the cluster knows no {kind} (monitoring.coreos.com)"
    for kind in ("PodMonitor", "PrometheusRule")
]
#: Seen by real jobs only (`make metrics`).
OF_ENDED_JOBS = "kuberay_job_execution_duration_seconds"
HEAD = {
    "rayStartParams": {},
    "template": {"spec": {"containers": [{"name": "ray-head", "image": "rayproject/ray:2.46.0"}]}},
}
#: A job and a service that run nothing.
IDLE = {
    "apiVersion": "v1",
    "kind": "List",
    "items": [
        {
            "apiVersion": "ray.io/v1",
            "kind": "RayJob",
            "metadata": {"name": "idle", "namespace": "kuberay"},
            "spec": {
                "entrypoint": "x",
                "suspend": True,
                "shutdownAfterJobFinishes": True,
                "rayClusterSpec": {"rayVersion": "2.46.0", "headGroupSpec": HEAD},
            },
        },
        {
            "apiVersion": "ray.io/v1",
            "kind": "RayService",
            "metadata": {"name": "idle", "namespace": "kuberay"},
            "spec": {
                "serveConfigV2": "applications: [{name: idle, import_path: a:b}]",
                "rayClusterConfig": {"rayVersion": "2.46.0", "headGroupSpec": HEAD},
            },
        },
    ],
}


@pytest.fixture
def prometheus_operator(kubernetes: Kubernetes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """As much of it as a cluster needs to know its kinds."""
    names = {"podmonitors": "PodMonitor", "prometheusrules": "PrometheusRule"}
    file = tmp_path_factory.mktemp("crd") / "crds.yaml"
    file.write_text(yaml.safe_dump_all(definition(plural, kind) for plural, kind in names.items()))
    kubernetes.kubectl("apply", "-f", str(file))
    for name in names:
        kubernetes.kubectl(
            "wait", "--for=condition=Established", f"crd/{name}.monitoring.coreos.com", "--timeout=30s"
        )
    yield
    kubernetes.kubectl("delete", "-f", str(file))


def definition(plural: str, kind: str) -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.monitoring.coreos.com"},
        "spec": {
            "group": "monitoring.coreos.com",
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
            "scope": "Namespaced",
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
            ],
        },
    }


def served_by_the_operator(stack: Stack) -> set[str]:
    """The metrics that the operator of the cluster serves: simulated nodes run it as a
    process of this machine.
    """
    address = next(
        argument.partition("=")[2]
        for process in psutil.process_iter(["cmdline"])
        for line in (process.info["cmdline"] or [],)
        if any(argument.startswith(f"--kubeconfig={stack.cluster.home.folder}") for argument in line)
        for argument in line
        if argument.startswith("--metrics-addr=")
    )
    with urllib.request.urlopen(f"http://{address}/metrics") as answer:
        return set(re.findall(r"^(\w+)[{ ]", answer.read().decode(), re.MULTILINE))


def test_a_cluster_without_the_prometheus_operator_gets_ray_and_a_line(
    stack: Stack, kubernetes: Kubernetes
) -> None:
    stack.configure(METRICS_ON)
    preview = stack.preview_text().text
    up = stack.up_or_fail().text
    assert all(line in text for line in LEFT_OUT for text in (preview, up))
    older = "kuberayVersion is 1.3.0: left out the panel"
    assert (older in preview) == (stack.cluster.kuberay_versions[0] == "1.3.0")
    # Grafana may be there all the same.
    found = json.loads(
        kubernetes.kubectl("get", "configmaps", "-n", "kuberay", "-l", "grafana_dashboard=1", "-o", "json")
    )["items"]
    assert {each["metadata"]["name"] for each in found} == {
        f"ray-{what}-metrics" for what in ("clusters", "jobs", "services", "operator")
    }
    assert all(json.loads(text)["panels"] for each in found for text in each["data"].values())


@pytest.mark.usefixtures("prometheus_operator")
def test_pod_monitors_and_rules_are_made_for_ray_and_for_the_operator(
    stack: Stack, kubernetes: Kubernetes, version: str
) -> None:
    stack.configure(METRICS_ON)
    preview = stack.preview()
    assert preview.changes == {
        "PodMonitor ray-metrics.metrics": "create",
        "PodMonitor kuberay-operator-metrics.metrics": "create",
        "PrometheusRule ray-metrics.alerts": "create",
    }
    up = stack.up_or_fail().text
    assert not any(line in up for line in LEFT_OUT)
    rule = json.loads(
        kubernetes.kubectl("get", "prometheusrule", "ray-metrics", "-n", "kuberay", "-o", "json")
    )
    assert rule["metadata"]["labels"] == {"release": "prometheus"}
    assert next(group["name"] for group in rule["spec"]["groups"]) == "kuberay-ray-clusters"
    monitors = json.loads(kubernetes.kubectl("get", "podmonitors", "-n", "kuberay", "-o", "json"))["items"]
    assert {monitor["metadata"]["labels"]["release"] for monitor in monitors} == {"prometheus"}
    # Each picks the pods that it is for, and a port that they have.
    picked = {
        "ray-metrics": ("ray.io/node-type in (head,worker)", "metrics", 2),
        "kuberay-operator-metrics": ("app.kubernetes.io/name=kuberay-operator", "http", 1),
    }
    for monitor in monitors:
        labels, port, count = picked[monitor["metadata"]["name"]]
        pods = json.loads(kubernetes.kubectl("get", "pods", "-n", "kuberay", "-l", labels, "-o", "json"))[
            "items"
        ]
        assert len(pods) == count
        for pod in pods:
            assert port in {
                p.get("name") for container in pod["spec"]["containers"] for p in container.get("ports", [])
            }
        assert monitor["spec"]["podMetricsEndpoints"][0]["port"] == port
        assert monitor["spec"]["podMetricsEndpoints"][0]["interval"] == "15s"
    assert stack.preview().changes == {}

    # What dashboards and alerts are made of is what the operator serves.
    kubernetes.apply(yaml.safe_dump(IDLE))
    expected = {
        name for name, metric in METRICS.items() if metric.of == "KubeRay" and at_least(version, metric.since)
    } - {OF_ENDED_JOBS}
    kubernetes.eventually(lambda: expected <= served_by_the_operator(stack))
    assert expected - served_by_the_operator(stack) == set()
    kubernetes.kubectl("delete", "rayjob,rayservice", "idle", "-n", "kuberay")

    # Ray's own dashboard is told of Grafana by variables, so its head restarts, and the
    # preview says so.
    embedded = {"grafana": {"url": "http://grafana.monitoring.svc:3000"}}
    stack.configure({"architecture": "aarch64", "metrics": {"enabled": True} | embedded})
    report = stack.make_preview(stack.name)
    assert (
        "1 pod of head restarts (containerEnv); 1 pod of workergroup restarts (its head restarts)"
        in report.text
    ), report.text
    stack.up_or_fail()
    assert stack.preview().changes == {}
    (head,) = (pod.name for pod in kubernetes.ray_pods("raycluster-kuberay") if pod.kind == "head")
    environment = kubernetes.kubectl(
        "get", "pod", head, "-n", "kuberay", "-o", "jsonpath={.spec.containers[0].env}"
    )
    assert {"name": "RAY_GRAFANA_HOST", "value": embedded["grafana"]["url"]} in json.loads(environment)

    stack.configure({"architecture": "aarch64", "metrics": embedded})
    stack.up_or_fail()
    assert kubernetes.kubectl("get", "podmonitors,prometheusrules", "-n", "kuberay", "-o", "name") == ""
    assert (
        kubernetes.kubectl("get", "configmaps", "-n", "kuberay", "-l", "grafana_dashboard=1", "-o", "name")
        == ""
    )
