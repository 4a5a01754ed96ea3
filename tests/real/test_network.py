"""Who reaches Ray: network policies and Services as a cluster enforces them, with pods
that try.
"""

from collections.abc import Callable, Iterator

import pytest

from local.real import images
from tests.integration.harness.kubernetes import Kubernetes
from tests.real.programs import REACH
from tests.real.real_stack import RealStack

#: Of the head: its jobs and dashboard, its clients, and what its own workers talk to.
PORTS = (8265, 10001, 6379)
HEAD = "raycluster-kuberay-head-svc.kuberay.svc.cluster.local"
Reaches = Callable[..., set[int]]


@pytest.fixture(scope="module")
def reaches(stack: RealStack, kubernetes: Kubernetes) -> Iterator[Reaches]:
    """Which ports of a host a pod reaches, by the namespace that the pod is in."""
    made: list[str] = []

    def reach(namespace: str, host: str, *ports: int) -> set[int]:
        if namespace not in made:
            made.append(namespace)
            if namespace != "kuberay":
                kubernetes.kubectl("create", "namespace", namespace)
            probe = (
                "run",
                "probe",
                "--image",
                images.ray().reference,
                "--image-pull-policy=Never",
                "--restart=Never",
            )
            kubernetes.kubectl(*probe, "-n", namespace, "--command", "--", "sleep", "infinity")
        assert kubernetes.eventually(lambda: _runs(kubernetes, namespace), 60)
        command = ("exec", "-n", namespace, "probe", "--", "python3", "-c", REACH, host, *map(str, ports))
        return {int(port) for port in kubernetes.kubectl(*command).split()}

    yield reach
    for namespace in made:
        kubernetes.kubectl("delete", "pod", "probe", "-n", namespace, "--grace-period=0", "--force")
    stack.with_cluster()
    stack.up_or_fail()


def _reached_from_ray(kubernetes: Kubernetes, host: str, *ports: int) -> set[int]:
    head = next(pod.name for pod in kubernetes.ray_pods("raycluster-kuberay") if pod.kind == "head")
    command = (
        "exec",
        "-n",
        "kuberay",
        head,
        "-c",
        "ray-head",
        "--",
        "python3",
        "-c",
        REACH,
        host,
        *map(str, ports),
    )
    return {int(port) for port in kubernetes.kubectl(*command).split()}


def _runs(kubernetes: Kubernetes, namespace: str) -> bool:
    return (
        kubernetes.kubectl("get", "pod", "probe", "-n", namespace, "-o", "jsonpath={.status.phase}")
        == "Running"
    )


def test_ray_is_reached_from_its_own_namespace_and_from_no_other(stack: RealStack, reaches: Reaches) -> None:
    assert reaches("kuberay", HEAD, *PORTS) == set(PORTS)
    assert reaches("stranger", HEAD, *PORTS) == set()


def test_a_service_with_an_address_of_its_own_is_reached(reaches: Reaches) -> None:
    assert reaches("stranger", "kuberay-operator.kuberay.svc.cluster.local", 8080) == {8080}
    assert reaches("stranger", "kubernetes.default.svc.cluster.local", 443) == {443}


def test_an_allowed_namespace_reaches_ray_and_others_still_do_not(
    stack: RealStack, kubernetes: Kubernetes, reaches: Reaches
) -> None:
    stack.with_cluster(more={"protection": {"networkPolicy": {"allowedNamespaces": ["friend"]}}})
    stack.up_or_fail()
    assert kubernetes.eventually(lambda: reaches("friend", HEAD, *PORTS) == set(PORTS), 30)
    assert reaches("stranger", HEAD, *PORTS) == set()


def test_a_namespace_that_is_let_in_for_one_purpose_reaches_that_port_alone(
    stack: RealStack, kubernetes: Kubernetes, reaches: Reaches
) -> None:
    node = kubernetes.kubectl(
        "get", "nodes", "-o", "jsonpath={.items[0].status.addresses[?(@.type=='InternalIP')].address}"
    )
    policy = {
        "dashboardNamespaces": ["friend"],
        "clientNamespaces": ["stranger"],
        "blockedAddresses": [f"{node}/32"],
    }
    stack.with_cluster(more={"protection": {"networkPolicy": policy}})
    stack.up_or_fail()
    assert kubernetes.eventually(lambda: reaches("friend", HEAD, *PORTS) == {8265}, 30)
    assert reaches("stranger", HEAD, *PORTS) == {10001}
    # What is blocked is out of reach, and nothing else: names are found, and Ray's pods
    # reach each other.
    assert _reached_from_ray(kubernetes, "kuberay-operator.kuberay.svc.cluster.local", 8080) == {8080}
    assert kubernetes.eventually(lambda: _reached_from_ray(kubernetes, node, 10250) == set(), 30)


def test_without_the_policy_every_namespace_reaches_ray(
    stack: RealStack, kubernetes: Kubernetes, reaches: Reaches
) -> None:
    stack.with_cluster(more={"protection": {"networkPolicy": {"enabled": False}}})
    stack.up_or_fail()
    assert kubernetes.eventually(lambda: reaches("stranger", HEAD, *PORTS) == set(PORTS), 30)
