"""Protection and fault tolerance mean the same for every KubeRay, so that an upgrade
with them on keeps Ray running.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from local.cluster import LocalCluster
from tests.integration.harness.kubernetes import Kubernetes
from tests.integration.harness.operators import MATRIX
from tests.integration.harness.stack import Stack

pytestmark = MATRIX


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A cluster of this file's own: CRDs outlive the stacks that brought them."""
    with LocalCluster(tmp_path_factory.mktemp("protection"), kuberay_versions=("1.3.0", "1.6.2")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def kubernetes(cluster: LocalCluster) -> Kubernetes:
    return Kubernetes(cluster)


def at(version: str, **tolerance: Any) -> dict[str, Any]:
    redis = {
        "redisAddress": "redis.team.svc:6379",
        "redisPassword": {"secretKeyRef": {"name": "redis", "key": "auth"}},
        **tolerance,
    }
    protection = {"namespacePodSecurity": "restricted"}
    cluster = {"gcsFaultTolerance": redis}
    return {
        "architecture": "aarch64",
        "rayVersion": "2.52.0",
        "kuberayVersion": version,
        "protection": protection,
        "operator": {"singleNamespaceInstall": True},
        "clusters": {"raycluster": cluster},
    }


def ray_cluster(kubernetes: Kubernetes) -> dict[str, Any]:
    return json.loads(
        kubernetes.kubectl("get", "raycluster", "raycluster-kuberay", "-n", "kuberay", "-o", "json")
    )


def environment(kubernetes: Kubernetes, node: str) -> dict[str, Any]:
    labels = f"ray.io/cluster=raycluster-kuberay,ray.io/node-type={node}"
    (pod,) = json.loads(kubernetes.kubectl("get", "pods", "-n", "kuberay", "-l", labels, "-o", "json"))[
        "items"
    ]
    return {v["name"]: v.get("value") or v["valueFrom"] for v in pod["spec"]["containers"][0]["env"]}


def test_an_upgrade_says_it_in_the_new_operators_words_and_keeps_every_pod(
    stack: Stack, kubernetes: Kubernetes
) -> None:
    stack.configure(at("1.3.0"))
    stack.up_or_fail()
    assert ray_cluster(kubernetes)["metadata"]["annotations"]["ray.io/ft-enabled"] == "true"
    before = {pod.uid for pod in kubernetes.ray_pods("raycluster-kuberay")}
    stack.configure(at("1.6.2"))
    changes = stack.preview().changes
    assert changes.pop("RayClusterPatch raycluster.authentication") == "create"
    assert set(changes.values()) == {"update"}
    stack.up_or_fail()
    upgraded = ray_cluster(kubernetes)
    assert "ray.io/ft-enabled" not in upgraded["metadata"]["annotations"]
    assert upgraded["spec"]["gcsFaultToleranceOptions"]["redisAddress"] == "redis.team.svc:6379"
    assert upgraded["spec"]["authOptions"] == {"mode": "token"}
    assert {pod.uid for pod in kubernetes.ray_pods("raycluster-kuberay")} == before
    assert stack.preview().changes == {}


def test_the_new_operator_makes_pods_with_the_same_environment(stack: Stack, kubernetes: Kubernetes) -> None:
    before = {node: environment(kubernetes, node) for node in ("head", "worker")}
    pods = {pod.uid for pod in kubernetes.ray_pods("raycluster-kuberay")}
    kubernetes.kubectl("delete", "pods", "--all", "-n", "kuberay")
    assert kubernetes.eventually(
        lambda: len({pod.uid for pod in kubernetes.ray_pods("raycluster-kuberay")} - pods) == 2
    )
    said = (
        "RAY_REDIS_ADDRESS",
        "REDIS_PASSWORD",
        "RAY_external_storage_namespace",
        "RAY_AUTH_MODE",
        "RAY_AUTH_TOKEN",
    )
    for node, expected in before.items():
        after = environment(kubernetes, node)
        assert {name: after.get(name) for name in said} == {name: expected.get(name) for name in said}


def test_a_redis_user_is_possible_then(stack: Stack, kubernetes: Kubernetes) -> None:
    stack.configure(at("1.6.2", redisUsername="ray"))
    stack.up_or_fail()
    assert environment(kubernetes, "head")["REDIS_USERNAME"] == "ray"


def test_destroy_ends(stack: Stack, kubernetes: Kubernetes) -> None:
    destroyed = stack.destroy()
    assert destroyed.ok, destroyed.text
    assert kubernetes.kubectl("get", "rayclusters", "-A", "-o", "name") == ""
