"""What is safe by default, what can be turned off, and what a preview says is open."""

import base64
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from local.errors import LocalError
from tests.integration.harness.encrypted import set_secret
from tests.integration.harness.kubernetes import Kubernetes
from tests.integration.harness.operators import BOTH_OPERATORS
from tests.integration.harness.stack import Stack

pytestmark = BOTH_OPERATORS

TOKEN = "a-token-of-the-owner-that-is-long-enough"
BASE = {"architecture": "aarch64"}


@pytest.fixture(scope="module", autouse=True)
def namespace_that_is_watched(kubernetes: Kubernetes) -> Iterator[None]:
    """Another namespace, in which an operator with rights everywhere would
    find work.
    """
    kubernetes.kubectl("create", "namespace", "elsewhere")
    yield
    kubernetes.kubectl("delete", "namespace", "elsewhere")


def pods(kubernetes: Kubernetes) -> list[dict[str, Any]]:
    answer = kubernetes.kubectl(
        "get", "pods", "-n", "kuberay", "-l", "ray.io/cluster=raycluster-kuberay", "-o", "json"
    )
    return [pod for pod in json.loads(answer)["items"] if "deletionTimestamp" not in pod["metadata"]]


def containers(kubernetes: Kubernetes) -> list[dict[str, Any]]:
    return [
        c
        for pod in pods(kubernetes)
        for c in (*pod["spec"]["containers"], *pod["spec"].get("initContainers", []))
    ]


def secret_token(kubernetes: Kubernetes) -> str:
    data = kubernetes.kubectl(
        "get", "secret", "raycluster-kuberay", "-n", "kuberay", "-o", "jsonpath={.data.auth_token}"
    )
    return base64.b64decode(data).decode()


def test_a_stack_of_its_own_is_closed_by_default_where_it_can_be(
    stack: Stack, kubernetes: Kubernetes
) -> None:
    stack.configure(BASE)
    preview = stack.preview_text().text
    assert (
        "open: jobs and dashboard of raycluster are open to whoever reaches them: Ray asks for a token from"
        " rayVersion 2.52.0 on" in preview
    )
    assert preview.count("open: ") == 2, preview
    up = stack.up_or_fail()
    for container in containers(kubernetes):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
    assert {pod["spec"]["securityContext"]["runAsUser"] for pod in pods(kubernetes)} == {1000}
    assert [
        volume for pod in pods(kubernetes) for volume in pod["spec"]["volumes"] if "projected" in volume
    ] == []
    labels = json.loads(kubernetes.kubectl("get", "namespace", "kuberay", "-o", "json"))["metadata"]["labels"]
    assert {labels[f"pod-security.kubernetes.io/{what}"] for what in ("audit", "warn")} == {"restricted"}
    # Nothing that the stack makes is warned of.
    assert "PodSecurity" not in up.text
    policy = json.loads(
        kubernetes.kubectl("get", "networkpolicy", "ray-protection", "-n", "kuberay", "-o", "json")
    )["spec"]
    assert policy["ingress"] == [{"from": [{"podSelector": {}}]}]
    assert stack.preview().changes == {}


def test_a_random_token_is_made_once_and_shown_nowhere(stack: Stack, kubernetes: Kubernetes) -> None:
    stack.configure(BASE | {"rayVersion": "2.52.0"})
    up = stack.up_or_fail()
    token = secret_token(kubernetes)
    assert len(token) >= 43
    environments = [{v["name"]: v for v in container["env"]} for container in containers(kubernetes)]
    for environment in environments:
        assert environment["RAY_AUTH_MODE"]["value"] == "token"
        assert environment["RAY_AUTH_TOKEN"]["valueFrom"]["secretKeyRef"] == {
            "name": "raycluster-kuberay",
            "key": "auth_token",
        }
    assert stack.preview().changes == {}
    again = stack.up_or_fail()
    assert secret_token(kubernetes) == token
    state = json.dumps(stack.resources())
    encoded = base64.b64encode(token.encode()).decode()
    for text in (up.text, again.text, state):
        assert token not in text
        assert encoded not in text
    command = stack.outputs()["clusters"]["raycluster"]["getToken"]
    assert (
        command
        == "kubectl get secret raycluster-kuberay --namespace kuberay --output jsonpath='{.data.auth_token}'"
        " | base64 --decode"
    )


def test_a_ray_that_knows_no_token_takes_the_place_of_one_that_asks_for_it(
    stack: Stack, kubernetes: Kubernetes
) -> None:
    stack.configure(BASE)
    stack.up_or_fail()
    assert all(
        "RAY_AUTH_TOKEN" not in {v["name"] for v in container["env"]} for container in containers(kubernetes)
    )
    assert stack.preview().changes == {}


def test_a_token_of_the_owner_is_taken_and_a_new_one_restarts_ray(
    stack: Stack, kubernetes: Kubernetes
) -> None:
    texts: list[str] = []
    for token in (TOKEN, TOKEN[::-1]):
        before = {pod["metadata"]["uid"] for pod in pods(kubernetes)}
        stack.configure(BASE | {"rayVersion": "2.52.0"})
        set_secret(stack, "authToken", token)
        assert token not in stack.config_file.read_text()
        assert stack.preview().changes["Stash raycluster.head.pods"] == "replace"
        texts.append(stack.up_or_fail().text)
        assert secret_token(kubernetes) == token
        assert not before & {pod["metadata"]["uid"] for pod in pods(kubernetes)}
    seen = "\n".join([*texts, json.dumps(stack.resources()), stack.preview_text().text])
    for token in (TOKEN, TOKEN[::-1]):
        assert token not in seen
        assert base64.b64encode(token.encode()).decode() not in seen


def test_each_protection_can_be_turned_off_and_the_preview_says_so(
    stack: Stack, kubernetes: Kubernetes
) -> None:
    off = {"tokenAuthentication": "disabled", "networkPolicy": {"enabled": False}, "podSecurity": "none"}
    values = {"service": {"type": "NodePort"}}
    stack.configure(
        BASE | {"rayVersion": "2.52.0", "protection": off, "clusters": {"raycluster": {"values": values}}}
    )
    text = stack.preview_text().text
    for said in (
        (
            "open: jobs and dashboard of raycluster are open to whoever reaches them:"
            " protection.tokenAuthentication is disabled"
        ),
        (
            "open: every pod of the Kubernetes cluster reaches Ray's ports: protection.networkPolicy.enabled"
            " is false"
        ),
        "open: the head's Service is reached from outside the Kubernetes cluster: raycluster (NodePort)",
        (
            "open: pods of raycluster run without the restricted security context: protection.podSecurity is"
            " none"
        ),
        "open: the operator has rights in every namespace",
    ):
        assert text.count(said) == 1, text
    stack.up_or_fail()
    assert all(
        "RAY_AUTH_TOKEN" not in {v["name"] for v in container["env"]} for container in containers(kubernetes)
    )
    assert all(not container.get("securityContext") for container in containers(kubernetes))
    assert kubernetes.kubectl("get", "networkpolicy", "-n", "kuberay", "-o", "name") == ""
    assert (
        kubernetes.kubectl(
            "get", "secret", "raycluster-kuberay", "-n", "kuberay", "--ignore-not-found", "-o", "name"
        )
        == ""
    )


@dataclass(frozen=True)
class Printed:
    """What a preview and the `up` after it have printed."""

    preview: str
    up: str


def brought_up(stack: Stack) -> Printed:
    return Printed(stack.preview_text().text, stack.up_or_fail().text)


@pytest.fixture(scope="module")
def team(stack: Stack) -> Printed:
    """A stack for a team: its quota, limits, registry and neighbours, and a
    password.
    """
    stack.configure(
        BASE
        | {
            "protection": {"networkPolicy": {"allowedNamespaces": ["notebooks"]}},
            "metrics": {"enabled": True, "allowedNamespaces": ["monitoring"]},
            "quota": {"cpu": 4, "memory": "8G", "pods": 5, "gpus": 0},
            "limitRange": {"default": {"cpu": "500m", "memory": "1G"}},
            "imagePullSecrets": ["registry"],
            "clusters": {"raycluster": {"worker": {"memory": "3G"}}},
        }
    )
    set_secret(stack, "clusters.raycluster.worker.env.PASSWORD", "hunter2hunter2")
    return brought_up(stack)


@pytest.mark.usefixtures("team")
def test_named_namespaces_reach_ray_and_prometheus_its_metrics_alone(kubernetes: Kubernetes) -> None:
    ingress = json.loads(
        kubernetes.kubectl("get", "networkpolicy", "ray-protection", "-n", "kuberay", "-o", "json")
    )["spec"]["ingress"]
    named = [rule["from"][-1]["namespaceSelector"]["matchExpressions"][0]["values"] for rule in ingress]
    assert named == [["notebooks"], ["monitoring"]]
    assert ingress[1]["ports"] == [{"port": "metrics", "protocol": "TCP"}]


@pytest.mark.usefixtures("team")
def test_quota_and_limits_are_in_place_before_any_pod(stack: Stack, kubernetes: Kubernetes) -> None:
    hard = json.loads(
        kubernetes.kubectl("get", "resourcequota", "ray-protection", "-n", "kuberay", "-o", "json")
    )
    assert hard["spec"]["hard"] == {
        "limits.cpu": "4",
        "limits.memory": "8G",
        "pods": "5",
        "requests.nvidia.com/gpu": "0",
    }
    limits = json.loads(
        kubernetes.kubectl("get", "limitrange", "ray-protection", "-n", "kuberay", "-o", "json")
    )["spec"]["limits"][0]
    assert limits["default"] == {"cpu": "500m", "memory": "1G"}
    needs = stack.needs()
    assert {"ResourceQuota kuberay.ResourceQuota", "LimitRange kuberay.LimitRange"} <= needs[
        "Release kuberay-operator"
    ]
    assert stack.preview().changes == {}


@pytest.mark.usefixtures("team")
def test_image_pull_secrets_reach_every_pod(kubernetes: Kubernetes) -> None:
    everything = json.loads(kubernetes.kubectl("get", "pods", "-n", "kuberay", "-o", "json"))["items"]
    alive = [pod for pod in everything if "deletionTimestamp" not in pod["metadata"]]
    assert len(alive) == 3
    assert all(pod["spec"]["imagePullSecrets"] == [{"name": "registry"}] for pod in alive)


def test_an_encrypted_environment_variable_stays_encrypted_and_sizes_stay_readable(
    team: Printed, stack: Stack, kubernetes: Kubernetes
) -> None:
    state = json.dumps(stack.resources())
    for text in (team.preview, team.up, state):
        assert "hunter2hunter2" not in text
    assert '"memory": "3G"' in state
    (worker,) = (pod for pod in kubernetes.ray_pods("raycluster-kuberay") if pod.kind == "worker")
    path = "jsonpath={.spec.containers[0].env[?(@.name=='PASSWORD')].value}"
    assert kubernetes.kubectl("get", "pod", worker.name, "-n", "kuberay", "-o", path) == "hunter2hunter2"


CLOSED = BASE | {
    "operator": {"singleNamespaceInstall": True},
    "protection": {"namespacePodSecurity": "restricted"},
}


@pytest.fixture(scope="module")
def closed(stack: Stack) -> Printed:
    """A stack that has as few rights as it can do with."""
    stack.configure(CLOSED | {"clusters": {"raycluster": {"head": {"env": {"A": "b"}}}}})
    return brought_up(stack)


def test_pods_pass_the_restricted_standard_of_their_namespace(
    closed: Printed, kubernetes: Kubernetes
) -> None:
    labels = json.loads(kubernetes.kubectl("get", "namespace", "kuberay", "-o", "json"))["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    # The operator's pod, the head, and a worker with KubeRay's own init container are
    # made anew under it.
    kubernetes.kubectl("delete", "pods", "--all", "-n", "kuberay")
    assert kubernetes.eventually(lambda: len(pods(kubernetes)) == 2)
    assert "A" in {variable["name"] for variable in containers(kubernetes)[0]["env"]}
    # The standard is real here: a pod without such a context is refused.
    with pytest.raises(LocalError, match="violates PodSecurity"):
        kubernetes.kubectl("run", "plain", "--image=plain:1", "-n", "kuberay")


def test_an_operator_can_be_kept_to_its_own_namespace(
    closed: Printed, stack: Stack, kubernetes: Kubernetes
) -> None:
    assert "rights in every namespace" not in closed.preview
    deployment = json.loads(
        kubernetes.kubectl("get", "deployment", "kuberay-operator", "-n", "kuberay", "-o", "json")
    )
    arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    assert ("--watch-namespace", "kuberay") in itertools.pairwise(arguments)
    account = "system:serviceaccount:kuberay:kuberay-operator"
    assert kubernetes.may(account, "create", "pods", "kuberay")
    assert not kubernetes.may(account, "create", "pods", "elsewhere")
    assert not kubernetes.may(account, "get", "secrets", "elsewhere")
    # It works with these rights: a new template reaches the pods.
    stack.configure(CLOSED | {"clusters": {"raycluster": {"worker": {"memory": "3G"}}}})
    stack.up_or_fail()
