"""Ray's autoscaler sets replicas; `up` leaves them as they are. Simulated pods run no
Ray: kubectl does here what it would do.
"""

import json
from typing import Any

import pytest

from tests.integration.harness.kubernetes import Kubernetes
from tests.integration.harness.operators import BOTH_OPERATORS
from tests.integration.harness.stack import Stack

pytestmark = BOTH_OPERATORS

CLUSTER = "raycluster-kuberay"


def autoscaled(version: str, autoscaling: dict[str, Any] | None = None, **worker: Any) -> dict[str, Any]:
    cluster = {"autoscaling": autoscaling or {}, "worker": {"replicas": 1, "maxReplicas": 5, **worker}}
    return {"architecture": "aarch64", "kuberayVersion": version, "clusters": {"raycluster": cluster}}


@pytest.fixture(scope="module", autouse=True)
def up(stack: Stack, version: str) -> None:
    stack.configure(autoscaled(version))
    stack.up_or_fail()


def workers(kubernetes: Kubernetes) -> int:
    return sum(pod.kind == "worker" for pod in kubernetes.ray_pods(CLUSTER))


def spec(kubernetes: Kubernetes) -> dict[str, Any]:
    return json.loads(kubernetes.kubectl("get", "raycluster", CLUSTER, "-n", "kuberay", "-o", "json"))["spec"]


def replicas(kubernetes: Kubernetes) -> int:
    return spec(kubernetes)["workerGroupSpecs"][0]["replicas"]


def scale(kubernetes: Kubernetes, to: int) -> None:
    patch = [{"op": "replace", "path": "/spec/workerGroupSpecs/0/replicas", "value": to}]
    kubernetes.kubectl(
        "patch", "raycluster", CLUSTER, "-n", "kuberay", "--type=json", "-p", json.dumps(patch)
    )
    assert kubernetes.eventually(lambda: workers(kubernetes) == to)


def test_the_head_runs_the_autoscaler_beside_ray(kubernetes: Kubernetes) -> None:
    names = "jsonpath={.items[0].spec.containers[*].name}"
    selector = f"ray.io/cluster={CLUSTER},ray.io/node-type=head"
    assert kubernetes.kubectl("get", "pods", "-n", "kuberay", "-l", selector, "-o", names).split() == [
        "ray-head",
        "autoscaler",
    ]


def test_the_autoscaler_alone_has_a_token_of_kubernetes(kubernetes: Kubernetes) -> None:
    projected = "jsonpath={.items[*].spec.volumes[*].projected.sources[*].serviceAccountToken.path}"
    tokens = {
        kind: kubernetes.kubectl(
            "get",
            "pods",
            "-n",
            "kuberay",
            "-l",
            f"ray.io/cluster={CLUSTER},ray.io/node-type={kind}",
            "-o",
            projected,
        )
        for kind in ("head", "worker")
    }
    assert tokens == {"head": "token", "worker": ""}


def test_up_waits_for_the_workers_that_are_asked_for_though_there_may_be_none(
    stack: Stack, kubernetes: Kubernetes, version: str
) -> None:
    stack.configure(autoscaled(version, image="rayproject/ray:missing"))
    run = stack.up()
    assert not run.ok
    assert "image rayproject/ray:missing cannot be pulled" in run.text
    stack.configure(autoscaled(version))
    stack.up_or_fail()
    assert workers(kubernetes) == 1


def test_what_the_autoscaler_has_set_is_no_change(stack: Stack, kubernetes: Kubernetes) -> None:
    scale(kubernetes, 3)
    assert stack.preview().changes == {}
    stack.up_or_fail()
    assert (replicas(kubernetes), workers(kubernetes)) == (3, 3)


def test_an_update_of_the_group_keeps_what_the_autoscaler_has_set(
    stack: Stack, kubernetes: Kubernetes, version: str
) -> None:
    scale(kubernetes, 4)
    stack.configure(autoscaled(version, memory="3G"))
    stack.up_or_fail()
    assert (replicas(kubernetes), workers(kubernetes)) == (4, 4)
    assert {pod.memory for pod in kubernetes.ray_pods(CLUSTER) if pod.kind == "worker"} == {"3G"}


def test_a_lower_maximum_holds(stack: Stack, kubernetes: Kubernetes, version: str) -> None:
    stack.configure(autoscaled(version, maxReplicas=4))
    stack.up_or_fail()
    scale(kubernetes, 4)
    # Which pods go is the autoscaler's choice, so `up` does not wait for it.
    stack.configure(autoscaled(version, maxReplicas=2))
    stack.up_or_fail()
    assert replicas(kubernetes) == 2


def test_the_second_autoscaler_runs_with_the_pace_that_was_asked_for(
    stack: Stack, kubernetes: Kubernetes, version: str
) -> None:
    stack.configure(
        autoscaled(version, {"version": "v2", "idleTimeoutSeconds": 300, "upscalingMode": "Conservative"})
    )
    stack.up_or_fail()
    options = spec(kubernetes)["autoscalerOptions"]
    assert (options["idleTimeoutSeconds"], options["upscalingMode"]) == (300, "Conservative")
    selector = f"ray.io/cluster={CLUSTER},ray.io/node-type=head"
    (head,) = json.loads(kubernetes.kubectl("get", "pods", "-n", "kuberay", "-l", selector, "-o", "json"))[
        "items"
    ]
    assert head["spec"]["restartPolicy"] == "Never"
    # As in KubeRay's sample: on Ray's container, which tells the other.
    assert {"name": "RAY_enable_autoscaler_v2", "value": "1"} in head["spec"]["containers"][0]["env"]
    assert stack.preview().changes == {}
