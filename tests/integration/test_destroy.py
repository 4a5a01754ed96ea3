"""A stack is destroyed whatever condition it is in, and nothing goes that it has not
made.
"""

import json

import pytest

from tests.integration.harness.kubernetes import Kubernetes
from tests.integration.harness.operators import BOTH_OPERATORS, MATRIX, NEWEST, OLDEST, ONE_OPERATOR
from tests.integration.harness.stack import Run, Stack

FINALIZER = "ray.io/gcs-ft-redis-cleanup-finalizer"


@pytest.fixture(autouse=True)
def up(stack: Stack) -> Run:
    stack.configure({"architecture": "aarch64", "timeoutSeconds": 60})
    return stack.up_or_fail()


def destroyed(stack: Stack, kubernetes: Kubernetes, *, namespace_stays: bool = False) -> Run:
    run = stack.make_destroy()
    assert run.ok, run.text
    state = stack.state()
    assert not state.get("resources")
    assert not state.get("pending_operations")
    assert ("namespace/kuberay" in kubernetes.kubectl("get", "namespaces", "-o", "name")) == namespace_stays
    assert "kuberay-operator" not in kubernetes.kubectl(
        "get", "clusterroles,clusterrolebindings", "-o", "name"
    )
    assert "is destroyed" in run.text
    return run


@BOTH_OPERATORS
def test_destroying_a_stack_leaves_nothing_and_doing_it_again_is_no_error(
    stack: Stack, kubernetes: Kubernetes
) -> None:
    destroyed(stack, kubernetes)
    again = stack.make_destroy()
    assert again.ok
    assert "has nothing to destroy" in again.text


@BOTH_OPERATORS
def test_a_release_that_was_removed_by_hand(stack: Stack, kubernetes: Kubernetes) -> None:
    kubernetes.kubectl("delete", "secrets", "-n", "kuberay", "-l", "owner=helm,name=raycluster")
    kubernetes.kubectl("delete", "raycluster", "raycluster-kuberay", "-n", "kuberay")
    destroyed(stack, kubernetes)


@BOTH_OPERATORS
@MATRIX
def test_what_is_there_of_an_operator_whose_record_was_removed_by_hand(
    stack: Stack, kubernetes: Kubernetes
) -> None:
    kubernetes.kubectl("delete", "secrets", "-n", "kuberay", "-l", "owner=helm,name=kuberay-operator")
    run = destroyed(stack, kubernetes)
    assert "Helm release kuberay-operator was removed by hand; deleting what is there of it" in run.text


@ONE_OPERATOR
@MATRIX
def test_a_namespace_that_was_removed_by_hand(stack: Stack, kubernetes: Kubernetes) -> None:
    kubernetes.kubectl("delete", "namespace", "kuberay")
    destroyed(stack, kubernetes)


@BOTH_OPERATORS
@MATRIX
def test_kinds_that_were_deleted_by_hand(stack: Stack, kubernetes: Kubernetes) -> None:
    train = {"entrypoint": "python main.py", "cluster": "raycluster"}
    stack.configure({"architecture": "aarch64", "timeoutSeconds": 60, "jobs": {"train": train}})
    stack.up_or_fail()
    kubernetes.kubectl(
        "delete", "crds", *(f"{kind}.ray.io" for kind in ("rayclusters", "rayjobs", "rayservices"))
    )
    run = destroyed(stack, kubernetes)
    assert "Helm release raycluster holds a RayCluster, a kind that was deleted by hand" in run.text


@BOTH_OPERATORS
@MATRIX
def test_finalizers_that_a_dead_operator_does_not_take_off(stack: Stack, kubernetes: Kubernetes) -> None:
    kubernetes.kubectl("scale", "deployment", "kuberay-operator", "-n", "kuberay", "--replicas=0")
    finalize(kubernetes)
    run = destroyed(stack, kubernetes)
    assert (
        f"deleting RayCluster raycluster-kuberay; no operator runs that could do its clean-up ({FINALIZER})"
        in run.text
    )


@BOTH_OPERATORS
@MATRIX
def test_finalizers_that_the_living_operator_takes_off(stack: Stack, kubernetes: Kubernetes) -> None:
    # KubeRay's own finalizer: of a cluster with fault tolerance the operator empties
    # Redis before it lets the cluster go.
    tolerance = {"redisAddress": "redis.example:6379"}
    stack.configure({"architecture": "aarch64", "clusters": {"raycluster": {"gcsFaultTolerance": tolerance}}})
    stack.up_or_fail()
    finalizers = kubernetes.kubectl(
        "get", "raycluster", "raycluster-kuberay", "-n", "kuberay", "-o", "jsonpath={.metadata.finalizers}"
    )
    assert FINALIZER in finalizers
    # Plain Pulumi is enough: Ray goes, and is waited for, before the operator.
    run = stack.destroy()
    assert run.ok, run.text
    assert kubernetes.kubectl("get", "rayclusters", "-n", "kuberay", "-o", "name") == ""


@BOTH_OPERATORS
def test_jobs_and_services_that_a_dead_operator_has_finalizers_on(
    stack: Stack, kubernetes: Kubernetes
) -> None:
    stack.configure(
        {
            "architecture": "aarch64",
            "timeoutSeconds": 30,
            "clusters": {},
            "jobs": {"train": {"entrypoint": "python main.py"}},
            "services": {
                "chat": {"serveConfig": {"applications": [{"name": "chat", "import_path": "chat:app"}]}}
            },
        }
    )
    stack.up_or_fail()
    kubernetes.kubectl("scale", "deployment", "kuberay-operator", "-n", "kuberay", "--replicas=0")
    finalize(kubernetes, "rayservice", "chat")
    # Plain Pulumi waits no longer than `up` would have, and not for the ten minutes of
    # its own.
    plain = stack.destroy()
    assert not plain.ok
    assert "finalizers might be preventing deletion" in plain.text
    assert plain.seconds < 300
    run = destroyed(stack, kubernetes)
    for thing in ("RayJob train", "RayService chat"):
        assert f"deleting {thing}; no operator runs that could do its clean-up (" in run.text


@ONE_OPERATOR
@MATRIX
def test_pulumi_destroy_leaves_the_namespace_with_what_others_have_put_there_and_says_so(
    stack: Stack, kubernetes: Kubernetes
) -> None:
    kubernetes.kubectl("create", "configmap", "notes", "-n", "kuberay", "--from-literal=a=b")
    run = stack.destroy()
    assert run.ok, run.text
    assert any("Namespace kuberay" in line and "retain" in line for line in run.text.splitlines()), run.text
    assert stack.resources() == []
    there = "configmap/notes\n"
    assert there in kubernetes.kubectl("get", "configmaps", "-n", "kuberay", "-o", "name")
    # It is this stack's by its mark.
    stack.up_or_fail()
    assert there in kubernetes.kubectl("get", "configmaps", "-n", "kuberay", "-o", "name")
    kubernetes.kubectl("delete", "configmap", "notes", "-n", "kuberay")


@ONE_OPERATOR
def test_what_pulumi_destroy_has_left_is_taken_away(stack: Stack, kubernetes: Kubernetes) -> None:
    assert stack.destroy().ok
    run = destroyed(stack, kubernetes)
    assert "deleting Namespace kuberay" in run.text


@BOTH_OPERATORS
def test_a_namespace_that_is_handed_over_stays_with_all_in_it(stack: Stack, kubernetes: Kubernetes) -> None:
    before = {pod.uid for pod in kubernetes.ray_pods("raycluster-kuberay")}
    stack.configure({"architecture": "aarch64", "createNamespace": False})
    report = stack.make_preview(stack.name)
    assert "Namespace kuberay is left in the cluster" in report.text
    stack.up_or_fail()
    assert {pod.uid for pod in kubernetes.ray_pods("raycluster-kuberay")} == before
    destroyed(stack, kubernetes, namespace_stays=True)
    kubernetes.kubectl("delete", "namespace", "kuberay")


@BOTH_OPERATORS
def test_a_namespace_that_holds_other_things_is_left_alone(stack: Stack, kubernetes: Kubernetes) -> None:
    kubernetes.kubectl("create", "configmap", "notes", "-n", "kuberay", "--from-literal=a=b")
    try:
        run = destroyed(stack, kubernetes, namespace_stays=True)
        assert "Namespace kuberay is left alone, for it holds ConfigMap notes;" in run.text
        assert (
            kubernetes.kubectl("get", "rayclusters,deployments,pods,secrets", "-n", "kuberay", "-o", "name")
            == ""
        )
        assert "createNamespace: false" in stack.up().text
        assert stack.make_destroy().ok
        assert "configmap/notes" in kubernetes.kubectl("get", "configmaps", "-n", "kuberay", "-o", "name")
    finally:
        kubernetes.kubectl("delete", "namespace", "kuberay")


@BOTH_OPERATORS
@MATRIX
def test_ray_clusters_of_others_are_left_alone_where_no_operator_runs(
    stack: Stack, kubernetes: Kubernetes
) -> None:
    kubernetes.kubectl("scale", "deployment", "kuberay-operator", "-n", "kuberay", "--replicas=0")
    finalize(kubernetes)
    theirs = json.loads(
        kubernetes.kubectl("get", "raycluster", "raycluster-kuberay", "-n", "kuberay", "-o", "json")
    )
    theirs = {key: theirs[key] for key in ("apiVersion", "kind", "spec")} | {
        "metadata": {"name": "theirs", "namespace": "kuberay"}
    }
    file = stack.config_file.with_name("theirs.json")
    file.write_text(json.dumps(theirs))
    kubernetes.kubectl("create", "-f", str(file))
    try:
        run = destroyed(stack, kubernetes, namespace_stays=True)
        assert "holds RayCluster theirs" in run.text
    finally:
        kubernetes.kubectl("delete", "namespace", "kuberay")


@pytest.mark.parametrize(
    ("cluster", "moment"),
    [
        pytest.param(OLDEST, 0.4, marks=MATRIX),
        (NEWEST, 0.55),
        pytest.param(OLDEST, 0.7, marks=MATRIX),
    ],
    indirect=["cluster"],
    scope="module",
)
def test_what_a_killed_run_was_making_goes_too(
    stack: Stack, kubernetes: Kubernetes, up: Run, moment: float
) -> None:
    stack.clear()
    # As long as the first `up` that came before: the test before this one has left
    # nothing.
    stack.up_killed_after(up.seconds * moment)
    stack.cancel()
    run = stack.make_destroy()
    assert run.ok, run.text
    assert stack.resources() == []
    assert "namespace/kuberay" not in kubernetes.kubectl("get", "namespaces", "-o", "name")
    assert "kuberay-operator" not in kubernetes.kubectl(
        "get", "clusterroles,clusterrolebindings", "-o", "name"
    )


@ONE_OPERATOR
@MATRIX
def test_a_locked_stack_is_named_with_the_way_to_free_it(stack: Stack, kubernetes: Kubernetes) -> None:
    stack.up_or_fail()
    stack.configure({"architecture": "aarch64", "operator": {"memory": "600Mi"}})
    locks = stack.cluster.home.folder / "state/.pulumi/locks"
    stack.up_killed_when(lambda: any(stack.name in lock.parts for lock in locks.rglob("*.json")))
    # Nor is anything deleted for want of an operator: the run may be about to bring it.
    kubernetes.kubectl("scale", "deployment", "kuberay-operator", "-n", "kuberay", "--replicas=0")
    finalize(kubernetes)
    run = stack.make_destroy()
    assert not run.ok
    assert "deleting" not in run.text
    assert (
        f"is locked by a run that goes on, or that was killed: then `pulumi cancel --stack {stack.name}`"
        " frees it" in run.text
    )
    stack.cancel()
    destroyed(stack, kubernetes)


def finalize(kubernetes: Kubernetes, kind: str = "raycluster", name: str = "raycluster-kuberay") -> None:
    patch = f'{{"metadata": {{"finalizers": ["{FINALIZER}"]}}}}'
    kubernetes.kubectl("patch", kind, name, "-n", "kuberay", "--type=merge", "-p", patch)
