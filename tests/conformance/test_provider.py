"""What the program and its parts need of the kubernetes provider: held to on whichever one the local cluster runs.

That is the stand-in of local/provider, or the real plugin with PROVIDER=<its program>. Both have to pass.
"""

import base64
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from local.cluster import LocalCluster
from local.errors import LocalError
from tests.integration.kubernetes import Kubernetes
from tests.integration.stack import ROOT, Run, Stack

Object = dict[str, Any]

NAMESPACE = "conformance"
PROGRAM = Path(__file__).with_name("program")

CHART = {
    "Chart.yaml": "{apiVersion: v2, name: small, version: 1.0.0}",
    "templates/all.yaml": """
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}}
data: {text: {{ .Values.text | quote }}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}}
spec:
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app: {{ .Release.Name }}}}
    spec: {containers: [{name: main, image: {{ .Values.image | quote }}}]}
""",
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    with LocalCluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def kubernetes(cluster: LocalCluster) -> Kubernetes:
    return Kubernetes(cluster)


@pytest.fixture(scope="module")
def stack(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One for all tests, with the namespace that they need: what a test no longer declares goes when the next one runs."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTHONPATH", str(ROOT))
        stack = Stack(cluster, "provider", tmp_path_factory.mktemp("stack"), PROGRAM)
        up(stack)
        yield stack
        destroyed = stack.destroy()
        assert destroyed.ok, destroyed.text
        with pytest.raises(LocalError, match="not found"):
            cluster.kubectl("get", "namespace", NAMESPACE)


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A chart of a ConfigMap and a Deployment, in a folder."""
    folder = tmp_path_factory.mktemp("chart") / "small"
    for name, text in CHART.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return str(folder)


# --- What is declared -----------------------------------------------------------------------------------------------------------


def declare(stack: Stack, *resources: Object) -> None:
    """The namespace and these, each after the one before."""
    namespace: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    declared: list[Object] = [{"is": "object", "name": NAMESPACE, "inputs": namespace}, *resources]
    for before, resource in pairwise(declared):
        resource["after"] = [before["name"]]
    stack.configure({"resources": declared})


def up(stack: Stack, *resources: Object) -> Run:
    declare(stack, *resources)
    return stack.up_or_fail()


def fails(stack: Stack, *resources: Object) -> Run:
    declare(stack, *resources)
    run = stack.up()
    assert not run.ok, run.text
    return run


def thing(what: str, api_version: str, kind: str, name: str, **fields: Any) -> Object:
    metadata = {"name": name, "namespace": NAMESPACE, **fields.pop("metadata", {})}
    return {"is": what, "name": name, "inputs": {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}}


def four_objects(*, text: str = "a", key: str = "b", storage: str = "1024Mi", port: int = 6379) -> list[Object]:
    rule = {"ports": [{"port": port, "protocol": "TCP"}]}
    return [
        thing("object", "v1", "ConfigMap", "settings", data={"text": text}),
        thing("object", "v1", "Secret", "credentials", stringData={"key": key}),
        thing("object", "v1", "ResourceQuota", "quota", spec={"hard": {"requests.storage": storage}}),
        thing("object", "networking.k8s.io/v1", "NetworkPolicy", "closed", spec={"podSelector": {}, "ingress": [rule]}),
    ]


def release(chart: str, *, name: str = "small", image: str = "main:1", text: str = "a", **inputs: Any) -> Object:
    values = {"image": image, "text": text}
    return {"is": "release", "name": "small", "inputs": {"name": name, "namespace": NAMESPACE, "chart": chart, "values": values, **inputs}}


def annotate(kind: str, text: str, *, force: bool = True) -> Object:
    """A patch of an object that someone else has made."""
    api_version, name = {"Deployment": ("apps/v1", "theirs"), "Role": ("rbac.authorization.k8s.io/v1", "gone")}[kind]
    annotations = {"ours": text} | ({"pulumi.com/patchForce": "true"} if force else {})
    return thing("patch", api_version, kind, name, metadata={"annotations": annotations})


# --- What the cluster says ------------------------------------------------------------------------------------------------------


def field(kubernetes: Kubernetes, kind: str, name: str, path: str) -> str:
    return kubernetes.kubectl("get", kind, name, "-n", NAMESPACE, "-o", f"jsonpath={{{path}}}")


def exists(kubernetes: Kubernetes, kind: str, name: str) -> bool:
    return kubernetes.kubectl("get", kind, name, "-n", NAMESPACE, "--ignore-not-found") != ""


def revisions(kubernetes: Kubernetes, release: str) -> list[str]:
    """What Helm has noted of each revision, first to last."""
    selector = f"owner=helm,name={release}"
    return kubernetes.kubectl(
        "get", "secrets", "-n", NAMESPACE, "-l", selector, "-o", "jsonpath={.items[*].metadata.labels.status}"
    ).split()


# --- Objects --------------------------------------------------------------------------------------------------------------------


def test_objects_are_made_changed_and_deleted_as_declared(stack: Stack, kubernetes: Kubernetes) -> None:
    up(stack, *four_objects())
    assert field(kubernetes, "secret", "credentials", ".data.key") == base64.b64encode(b"b").decode()
    assert field(kubernetes, "resourcequota", "quota", r".status.hard.requests\.storage") == "1Gi"
    assert stack.preview().changes == {}

    declare(stack, *four_objects(text="aa", key="bb", storage="2Gi", port=10001))
    assert stack.preview().changes == {
        # The provider takes these as immutable, unless it is told otherwise.
        "ConfigMap settings": "replace",
        "Secret credentials": "replace",
        "ResourceQuota quota": "update",
        "NetworkPolicy closed": "update",
    }
    stack.up_or_fail()
    assert field(kubernetes, "configmap", "settings", ".data.text") == "aa"
    assert field(kubernetes, "secret", "credentials", ".data.key") == base64.b64encode(b"bb").decode()
    assert field(kubernetes, "resourcequota", "quota", r".status.hard.requests\.storage") == "2Gi"
    assert field(kubernetes, "networkpolicy", "closed", ".spec.ingress[0].ports[*].port") == "10001"

    up(stack)
    assert not any(exists(kubernetes, kind, name) for kind, name in (("configmap", "settings"), ("secret", "credentials")))
    assert not any(exists(kubernetes, kind, name) for kind, name in (("resourcequota", "quota"), ("networkpolicy", "closed")))


def test_refresh_finds_what_was_changed_by_hand_and_nothing_else(stack: Stack, kubernetes: Kubernetes) -> None:
    up(stack, *four_objects())
    kubernetes.kubectl("patch", "resourcequota", "quota", "-n", NAMESPACE, "-p", '{"spec": {"hard": {"requests.storage": "3Gi"}}}')
    kubernetes.kubectl("delete", "networkpolicy", "closed", "-n", NAMESPACE)
    assert stack.refresh().ok
    assert stack.preview().changes == {"ResourceQuota quota": "update", "NetworkPolicy closed": "create"}
    stack.up_or_fail()
    assert field(kubernetes, "resourcequota", "quota", r".spec.hard.requests\.storage") == "1Gi"
    assert exists(kubernetes, "networkpolicy", "closed")


def test_an_object_that_is_there_already_is_not_taken_over(stack: Stack, kubernetes: Kubernetes) -> None:
    kubernetes.kubectl("create", "configmap", "theirs", "-n", NAMESPACE, "--from-literal=text=theirs")
    run = fails(stack, thing("object", "v1", "ConfigMap", "theirs", data={"text": "ours"}))
    assert "already exists" in run.text
    assert field(kubernetes, "configmap", "theirs", ".data.text") == "theirs"


def test_a_kind_of_the_core_group_is_no_custom_resource(stack: Stack) -> None:
    run = fails(stack, thing("custom", "v1", "ConfigMap", "settings"))
    assert 'apiVersion does not have both a group and a version: "v1"' in run.text


# --- Patches --------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def theirs(stack: Stack, kubernetes: Kubernetes) -> None:
    """A Deployment and a Role that this stack did not make."""
    kubernetes.kubectl("create", "deployment", "theirs", "--image=main:1", "-n", NAMESPACE)
    kubernetes.kubectl("annotate", "deployment", "theirs", "-n", NAMESPACE, "ours=theirs")
    kubernetes.kubectl("create", "role", "gone", "--verb=get", "--resource=pods", "-n", NAMESPACE)


def test_a_patch_sets_its_annotation_and_takes_it_away_again(stack: Stack, kubernetes: Kubernetes, theirs: None) -> None:
    assert "conflict" in fails(stack, annotate("Deployment", "a", force=False)).text
    assert field(kubernetes, "deployment", "theirs", ".metadata.annotations.ours") == "theirs"

    up(stack, annotate("Deployment", "a"), annotate("Role", "a"))
    assert field(kubernetes, "deployment", "theirs", ".metadata.annotations.ours") == "a"
    declare(stack, annotate("Deployment", "b"), annotate("Role", "a"))
    assert stack.preview().changes == {"DeploymentPatch theirs": "update"}
    stack.up_or_fail()
    assert field(kubernetes, "deployment", "theirs", ".metadata.annotations.ours") == "b"

    kubernetes.kubectl("delete", "role", "gone", "-n", NAMESPACE)
    up(stack)
    annotations = field(kubernetes, "deployment", "theirs", ".metadata.annotations")
    assert "ours" not in annotations
    # Nor what the provider was told through annotations.
    assert "pulumi.com" not in annotations
    assert field(kubernetes, "deployment", "theirs", ".spec.template.spec.containers[0].image") == "main:1"
    # A trap: the provider gives up its fields by applying none, which makes an object that is gone anew, empty.
    assert field(kubernetes, "role", "gone", ".rules") in ("", "null")


# --- Helm releases --------------------------------------------------------------------------------------------------------------


def test_a_release_is_installed_upgraded_and_renamed(stack: Stack, kubernetes: Kubernetes, chart: str) -> None:
    up(stack, release(chart))
    assert revisions(kubernetes, "small") == ["deployed"]
    # Waited for, without skipAwait.
    assert field(kubernetes, "deployment", "small", ".status.availableReplicas") == "1"
    assert stack.preview().changes == {}

    declare(stack, release(chart, text="aa"))
    assert stack.preview().changes == {"Release small": "update"}
    stack.up_or_fail()
    assert revisions(kubernetes, "small") == ["superseded", "deployed"]
    assert field(kubernetes, "configmap", "small", ".data.text") == "aa"

    declare(stack, release(chart, name="other"))
    assert stack.preview().changes == {"Release small": "replace"}
    stack.up_or_fail()
    assert revisions(kubernetes, "other") == ["deployed"]
    assert revisions(kubernetes, "small") == []
    assert not exists(kubernetes, "deployment", "small")


def test_a_release_that_did_not_come_up_is_repaired_by_the_next_up(stack: Stack, kubernetes: Kubernetes, chart: str) -> None:
    run = fails(stack, release(chart, image="main:missing", timeout=2))
    assert f'Helm release "{NAMESPACE}/small" was created, but failed to initialize completely' in run.text
    assert revisions(kubernetes, "small") == ["failed"]
    up(stack, release(chart))
    assert revisions(kubernetes, "small") == ["superseded", "deployed"]
    assert field(kubernetes, "deployment", "small", ".status.availableReplicas") == "1"


def test_a_chart_that_is_not_in_the_repository_is_named(stack: Stack) -> None:
    run = fails(stack, release("no-such-chart", version="1.0.0", repository=stack.cluster.charts_url))
    assert 'chart "no-such-chart" version "1.0.0" not found' in run.text
    assert "check the chart name and repository configuration" in run.text


# --- Secrets --------------------------------------------------------------------------------------------------------------------


def test_secret_values_never_lie_in_the_state_in_plain_text(stack: Stack, kubernetes: Kubernetes, theirs: None, chart: str) -> None:
    run = up(
        stack,
        # The contents of a Secret are secret without being marked as such.
        thing("object", "v1", "Secret", "credentials", stringData={"key": "hush-hush-plain"}),
        thing("object", "v1", "ConfigMap", "settings", data={"text": "secret:hush-hush-marked"}),
        annotate("Deployment", "secret:hush-hush-patched"),
        release(chart, text="secret:hush-hush-released"),
    )
    assert field(kubernetes, "configmap", "settings", ".data.text") == "hush-hush-marked"
    assert field(kubernetes, "deployment", "theirs", ".metadata.annotations.ours") == "hush-hush-patched"
    assert field(kubernetes, "configmap", "small", ".data.text") == "hush-hush-released"
    written = run.text + json.dumps(stack.resources())
    assert stack.refresh().ok
    written += json.dumps(stack.resources())
    assert "hush-hush" not in written
    assert base64.b64encode(b"hush-hush").decode().rstrip("=") not in written
    assert stack.preview().changes == {}


# --- Ray ------------------------------------------------------------------------------------------------------------------------


def ray_cluster(workers: int) -> Object:
    def pods(memory: str) -> Object:
        resources = {"limits": {"cpu": "1", "memory": memory}, "requests": {"cpu": "1", "memory": memory}}
        container = {"name": "ray", "image": "rayproject/ray:2.46.0", "resources": resources}
        return {"spec": {"nodeSelector": {"kubernetes.io/arch": "amd64"}, "containers": [container]}}

    group = {"groupName": "workers", "replicas": workers, "minReplicas": 0, "maxReplicas": 9, "rayStartParams": {}, "template": pods("3G")}
    ready = ["jsonpath={.status.state}=ready", f"jsonpath={{.status.readyWorkerReplicas}}={workers}"]
    return thing(
        "custom",
        "ray.io/v1",
        "RayCluster",
        "whole",
        metadata={"annotations": {"pulumi.com/waitFor": json.dumps(ready), "pulumi.com/timeoutSeconds": "60"}},
        spec={
            "rayVersion": "2.46.0",
            "headGroupSpec": {"rayStartParams": {}, "template": pods("2G")},
            "workerGroupSpecs": [group],
        },
    )


def test_a_ray_cluster_of_its_own_is_waited_for_and_scaled(stack: Stack, kubernetes: Kubernetes) -> None:
    operator = {"namespace": NAMESPACE, "chart": "kuberay-operator", "version": "1.3.0", "repository": stack.cluster.charts_url}
    install: Object = {"is": "release", "name": "kuberay-operator", "inputs": operator}
    up(stack, install, ray_cluster(1))
    assert len(kubernetes.ray_pods("whole", NAMESPACE)) == 2

    declare(stack, install, ray_cluster(2))
    assert stack.preview().changes == {"RayCluster whole": "update"}
    stack.up_or_fail()
    assert len(kubernetes.ray_pods("whole", NAMESPACE)) == 3
    assert stack.refresh().ok
    assert stack.preview().changes == {}
