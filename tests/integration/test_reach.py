"""A way in from outside, heads that nobody evicts, and storage that
outlives the stack.
"""

import json
import tempfile
from typing import Any

import pytest

from local.errors import LocalError
from tests.integration.harness.gateway_api import gateway_api_crds
from tests.integration.harness.kubernetes import Kubernetes
from tests.integration.harness.operators import BOTH_OPERATORS
from tests.integration.harness.stack import Stack

pytestmark = BOTH_OPERATORS

SMALL: dict[str, Any] = {"cpu": "100m", "memory": "2G"}
WAY = {"host": "ray.example.com", "controllerNamespace": "ingress-nginx"}
VOLUMES = """
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: by-hand}
provisioner: kubernetes.io/no-provisioner
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: by-hand}
spec:
  capacity: {storage: 5Gi}
  accessModes: [ReadWriteMany]
  storageClassName: by-hand
  hostPath: {path: /nowhere}
"""


def configure(stack: Stack, *, storage: dict[str, Any] | None = None, **cluster: Any) -> None:
    claim = {"size": "1Gi", "storageClass": "by-hand", "accessMode": "ReadWriteMany"} | (storage or {})
    head = SMALL | {"storage": {"datasets": "/data"}}
    clusters = {"raycluster": {"head": head, "worker": SMALL, **cluster}}
    stack.configure(
        {
            "architecture": "aarch64",
            "rayVersion": "2.52.0",
            "storage": {"datasets": claim},
            "clusters": clusters,
        }
    )


def read(kubernetes: Kubernetes, kind: str, name: str) -> dict[str, Any]:
    return json.loads(kubernetes.kubectl("get", kind, name, "-n", "kuberay", "-o", "json"))


def evict(kubernetes: Kubernetes, kind: str) -> None:
    """As `kubectl drain` and node autoscalers do it."""
    (pod,) = (pod.name for pod in kubernetes.ray_pods("raycluster-kuberay") if pod.kind == kind)
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": "kuberay"},
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(eviction, file)
        file.flush()
        kubernetes.kubectl(
            "create", "--raw", f"/api/v1/namespaces/kuberay/pods/{pod}/eviction", "-f", file.name
        )


@pytest.fixture(scope="module", autouse=True)
def up(stack: Stack, kubernetes: Kubernetes) -> None:
    kubernetes.apply(VOLUMES)
    configure(stack)
    stack.up_or_fail()


def test_an_unknown_kind_and_another_class_of_a_claim_are_refused_before_anything_is_touched(
    stack: Stack, kubernetes: Kubernetes
) -> None:
    # The cluster has no Gateway API.
    gateway = {"gateway": {"name": "public", "namespace": "gateways"}}
    configure(stack, storage={"storageClass": "another"}, expose={"dashboard": WAY | gateway})
    refused = stack.up()
    assert not refused.ok
    assert (
        "kuberay:clusters.raycluster.expose.dashboard, its HTTPRoute: the Kubernetes API server would refuse"
        " it: 404 page not found: it knows no HTTPRoute of gateway.networking.k8s.io/v1, which come with the"
        " Gateway API's CRDs" in refused.text
    )
    assert "kuberay:storage.datasets, its claim: the Kubernetes API server would refuse it" in refused.text
    assert "spec is immutable after creation" in refused.text
    assert kubernetes.kubectl("get", "networkpolicies", "-n", "kuberay", "-o", "name").split() == [
        "networkpolicy.networking.k8s.io/ray-reach"
    ]
    assert read(kubernetes, "persistentvolumeclaim", "datasets")["status"]["phase"] == "Bound"


def test_a_way_in_is_previewed_with_its_address_and_opens_one_port(
    stack: Stack, kubernetes: Kubernetes
) -> None:
    configure(stack, expose={"dashboard": WAY | {"tlsSecret": "ray-tls"}})
    run = stack.make_preview(stack.name)
    assert (
        "no longer: the dashboard of cluster raycluster is reached from within the Kubernetes cluster only"
        " (ray.example.com)" in run.text
    )
    assert "no longer: port 8265 is closed to namespace ingress-nginx" in run.text
    assert (
        "https://ray.example.com leads to the dashboard and the jobs API of clusters.raycluster, for whoever"
        " shows its token" in run.text
    )
    assert "restart" not in run.text
    stack.up_or_fail()
    (path,) = read(kubernetes, "ingress", "raycluster-kuberay-head-svc")["spec"]["rules"][0]["http"]["paths"]
    ports = read(kubernetes, "service", path["backend"]["service"]["name"])["spec"]["ports"]
    assert path["backend"]["service"]["port"]["number"] in [port["port"] for port in ports]
    (opened,) = read(kubernetes, "networkpolicy", "raycluster-kuberay-head-svc")["spec"]["ingress"]
    assert opened["ports"] == [{"port": 8265, "protocol": "TCP"}]
    assert opened["from"][0]["namespaceSelector"]["matchExpressions"][0]["values"] == ["ingress-nginx"]
    assert stack.outputs()["clusters"]["raycluster"]["dashboardUrl"] == "https://ray.example.com"
    assert stack.preview().changes == {}


def test_a_route_of_a_gateway_takes_the_place_of_an_ingress(stack: Stack, kubernetes: Kubernetes) -> None:
    crds = [argument for crd in gateway_api_crds() for argument in ("-f", str(crd))]
    kubernetes.kubectl("create", *crds)
    try:
        gateway = {"gateway": {"name": "public", "namespace": "gateways", "listener": "web"}}
        configure(stack, expose={"dashboard": WAY | gateway})
        stack.up_or_fail()
        # With all that the API server adds.
        route = read(kubernetes, "httproute", "raycluster-kuberay-head-svc")["spec"]
        assert route["hostnames"] == ["ray.example.com"]
        assert [(each["name"], each["namespace"], each["sectionName"]) for each in route["parentRefs"]] == [
            ("public", "gateways", "web")
        ]
        assert kubernetes.kubectl("get", "ingresses", "-n", "kuberay", "-o", "name") == ""
        assert stack.outputs()["clusters"]["raycluster"]["dashboardUrl"] == "http://ray.example.com"
        assert stack.preview().changes == {}
        assert stack.refresh().ok
        assert stack.preview().changes == {}
        configure(stack)
        stack.up_or_fail()
        assert kubernetes.kubectl("get", "httproutes", "-n", "kuberay", "-o", "name") == ""
    finally:
        kubernetes.kubectl("delete", *crds)


def test_nobody_evicts_a_head_and_storage_outlives_the_stack(stack: Stack, kubernetes: Kubernetes) -> None:
    assert kubernetes.eventually(
        lambda: read(kubernetes, "poddisruptionbudget", "ray-reach")["status"].get("currentHealthy") == 1
    )
    with pytest.raises(LocalError, match="disruption budget"):
        evict(kubernetes, "head")
    evict(kubernetes, "worker")

    claim = read(kubernetes, "persistentvolumeclaim", "datasets")
    # With the namespace, which holds it.
    destroyed = stack.make_destroy()
    assert destroyed.ok, destroyed.text
    held = (
        "Namespace kuberay stays, with PersistentVolumeClaim datasets: their data is kept; kubectl delete"
        " namespace kuberay deletes it too"
    )
    assert held in destroyed.text
    configure(stack)
    stack.up_or_fail()
    assert (
        read(kubernetes, "persistentvolumeclaim", "datasets")["metadata"]["uid"] == claim["metadata"]["uid"]
    )
