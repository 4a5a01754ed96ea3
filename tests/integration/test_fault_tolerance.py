"""GCS fault tolerance with a Redis outside the cluster, and a destroy that ends."""

import base64
import json
from typing import Any

from tests.integration.harness.encrypted import set_secret
from tests.integration.harness.kubernetes import Kubernetes
from tests.integration.harness.operators import BOTH_OPERATORS
from tests.integration.harness.stack import Stack

pytestmark = BOTH_OPERATORS

PASSWORD = "a-password-for-redis"


def redis(**settings: Any) -> dict[str, Any]:
    tolerance = {"redisAddress": "redis.team.svc:6379", **settings}
    return {"architecture": "aarch64", "clusters": {"raycluster": {"gcsFaultTolerance": tolerance}}}


def get(kubernetes: Kubernetes, kind: str, name: str = "raycluster-kuberay") -> dict[str, Any]:
    return json.loads(kubernetes.kubectl("get", kind, name, "-n", "kuberay", "-o", "json"))


def head(kubernetes: Kubernetes) -> dict[str, Any]:
    labels = "ray.io/cluster=raycluster-kuberay,ray.io/node-type=head"
    return json.loads(kubernetes.kubectl("get", "pods", "-n", "kuberay", "-l", labels, "-o", "json"))[
        "items"
    ][0]


def environment(pod: dict[str, Any]) -> dict[str, Any]:
    return {v["name"]: v.get("value") or v["valueFrom"] for v in pod["spec"]["containers"][0]["env"]}


def test_the_head_is_told_where_its_state_is_kept(stack: Stack, kubernetes: Kubernetes) -> None:
    stack.configure(redis(externalStorageNamespace="team-ray"))
    set_secret(stack, "clusters.raycluster.gcsFaultTolerance.redisPassword", PASSWORD)
    up = stack.up_or_fail()
    pod = head(kubernetes)
    assert pod["metadata"]["annotations"]["ray.io/ft-enabled"] == "true"
    told = environment(pod)
    assert told["RAY_REDIS_ADDRESS"] == "redis.team.svc:6379"
    assert told["RAY_external_storage_namespace"] == "team-ray"
    assert told["REDIS_PASSWORD"] == {"secretKeyRef": {"name": "raycluster-kuberay-redis", "key": "password"}}
    assert "--redis-password=$REDIS_PASSWORD" in " ".join(pod["spec"]["containers"][0]["args"])
    kept = get(kubernetes, "secret", "raycluster-kuberay-redis")["data"]["password"]
    assert base64.b64decode(kept).decode() == PASSWORD
    for text in (
        up.text,
        json.dumps(stack.resources()),
        stack.preview_text().text,
        json.dumps(get(kubernetes, "raycluster")),
    ):
        assert PASSWORD not in text
        assert kept not in text
    assert stack.preview().changes == {}


def test_a_secret_that_exists_can_hold_the_password(stack: Stack, kubernetes: Kubernetes) -> None:
    stack.configure(redis(redisPassword={"secretKeyRef": {"name": "redis", "key": "auth"}}))
    assert stack.preview().changes["Stash raycluster.head.pods"] == "replace"
    stack.up_or_fail()
    assert environment(head(kubernetes))["REDIS_PASSWORD"] == {
        "secretKeyRef": {"name": "redis", "key": "auth"}
    }
    assert (
        kubernetes.kubectl(
            "get", "secret", "raycluster-kuberay-redis", "-n", "kuberay", "--ignore-not-found", "-o", "name"
        )
        == ""
    )


def test_another_password_restarts_the_head(stack: Stack, kubernetes: Kubernetes) -> None:
    for password in (PASSWORD, PASSWORD[::-1]):
        stack.configure(redis())
        set_secret(stack, "clusters.raycluster.gcsFaultTolerance.redisPassword", password)
        before = head(kubernetes)["metadata"]["uid"]
        stack.up_or_fail()
        assert head(kubernetes)["metadata"]["uid"] != before


def test_a_cluster_that_is_taken_out_clears_redis_and_goes(stack: Stack, kubernetes: Kubernetes) -> None:
    stack.configure(redis() | {"clusters": {}})
    stack.up_or_fail()
    assert kubernetes.kubectl("get", "rayclusters", "-n", "kuberay", "-o", "name") == ""


def test_destroy_ends_with_the_operator_alive_until_the_cluster_has_gone(
    stack: Stack, kubernetes: Kubernetes
) -> None:
    stack.configure(redis())
    set_secret(stack, "clusters.raycluster.gcsFaultTolerance.redisPassword", PASSWORD)
    stack.up_or_fail()
    assert get(kubernetes, "raycluster")["metadata"]["finalizers"] == [
        "ray.io/gcs-ft-redis-cleanup-finalizer"
    ]
    destroyed = stack.destroy()
    assert destroyed.ok, destroyed.text
    assert kubernetes.kubectl("get", "rayclusters", "-A", "-o", "name") == ""
