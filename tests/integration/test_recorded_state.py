"""A stack that a program of long ago has made goes on as it is under the program of
today.
"""

import json

from tests.integration.harness.kubernetes import Kubernetes
from tests.integration.harness.recorded_state import FILE, STACK, restore
from tests.integration.harness.stack import Stack


def test_a_state_from_before_the_code_was_moved_is_gone_on_with_and_no_pod_restarts(
    stack: Stack, kubernetes: Kubernetes
) -> None:
    """The state was recorded from the last commit before the code got its present
    folders.

    It shows that every resource of then is one of today with the same type, name,
    parent and inputs, fingerprints of pods included: none is replaced, deleted or
    changed but by what was added since on purpose, and the pods stay. It does not show
    that the program of then would have made the same objects in the cluster: those are
    today's, and the recorded state is given their identifiers.
    """
    assert stack.name == STACK
    recorded = json.loads(FILE.read_text())
    stack.configure(recorded["settings"])
    stack.up_or_fail()
    before = pods(kubernetes)
    stack.replace_state(restore(recorded["resources"], stack.state(), stack.cluster.charts_url))
    # The account without a token, the budget of heads and the record of what the API
    # server was asked came later.
    assert {resource: step for resource, step in stack.preview().steps.items() if step != "same"} == {
        "ServiceAccountPatch kuberay.default-account": "create",
        "PodDisruptionBudget kuberay.PodDisruptionBudget": "create",
        "Stash dry-run": "create",
    }
    stack.up_or_fail()
    assert pods(kubernetes) == before
    assert stack.preview().changes == {}


def pods(kubernetes: Kubernetes) -> set[str]:
    found = json.loads(kubernetes.kubectl("get", "pods", "-n", "kuberay", "-o", "json"))["items"]
    return {
        f"{pod['metadata']['name']} {pod['metadata']['uid']}"
        for pod in found
        if "ray.io/cluster" in pod["metadata"]["labels"]
    }
