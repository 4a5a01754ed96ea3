"""The doctor names what is wrong and what to do, a line each, and doing that helps."""

import json
import re
from typing import Any

import pytest
import yaml

from tests.integration.harness.kubernetes import Kubernetes
from tests.integration.harness.operators import MATRIX
from tests.integration.harness.stack import Run, Stack
from tests.integration.test_destroy import FINALIZER, finalize
from tests.integration.test_killed_runs import forget, items, set_status

NAMESPACE = ("-n", "kuberay")


def settings(*, timeout: int = 20, image: str | None = None, **cluster: Any) -> dict[str, Any]:
    own = {"image": image} if image else {}
    return {"architecture": "aarch64", "timeoutSeconds": timeout, "clusters": {"raycluster": cluster}} | own


@pytest.fixture(autouse=True)
def up(stack: Stack) -> None:
    stack.configure(settings(timeout=60))
    stack.up_or_fail()


def wrong(stack: Stack) -> list[str]:
    run = stack.make_doctor()
    assert not run.ok, run.text
    # Ray's own, in a job's message, are on one line.
    assert "Traceback (most recent call last):\n" not in run.text
    return [line.removeprefix("wrong    ") for line in run.text.splitlines() if line.startswith("wrong ")]


def well(stack: Stack) -> Run:
    run = stack.make_doctor()
    assert run.ok, run.text
    # The guide's Ray has known vulnerabilities, and nothing else is worth a word.
    remarks = [line for line in run.text.splitlines() if line.startswith(("warning ", "unknown "))]
    assert all(
        line.startswith("warning  version: clusters.raycluster: Ray 2.46.0 lets a web page")
        for line in remarks
    ), run.text
    assert run.text.rstrip().endswith("\n1 warning"), run.text
    return run


def follow(stack: Stack, kubernetes: Kubernetes, line: str) -> None:
    """Does what a line says in backquotes."""
    for command in re.findall(r"`([^`]+)`", line):
        program, *arguments = command.split()
        if program == "kubectl":
            kubernetes.kubectl(*arguments)
        else:
            assert stack.pulumi(*(argument.strip("'") for argument in arguments)).ok


def test_of_a_healthy_stack_all_is_well(stack: Stack) -> None:
    run = well(stack)
    assert "ok       operator: runs, v1.3.0" in run.text
    assert (
        "ok       raycluster-kuberay, head: 1 of 1 pods ready; memory of each 2 GB: object store 0.35 GB"
        in run.text
    )


def test_it_changes_nothing(stack: Stack, kubernetes: Kubernetes) -> None:
    def seen() -> list[str]:
        kinds = "namespaces,deployments,rayclusters,pods,secrets,configmaps,networkpolicies"
        return kubernetes.kubectl("get", kinds, *NAMESPACE, "-o", "jsonpath={.items[*].metadata.uid}").split()

    before, state = seen(), stack.state()
    well(stack)
    assert (seen(), stack.state()) == (before, state)


@MATRIX
def test_an_image_that_is_missing(stack: Stack) -> None:
    stack.configure(settings(image="rayproject/ray:missing"))
    stack.up()
    lines = wrong(stack)
    assert any(
        "headgroup" not in line and "image rayproject/ray:missing cannot be pulled" in line for line in lines
    ), lines
    assert "name an image that the registry has" in lines[0]


@MATRIX
def test_pods_that_no_node_can_take(stack: Stack) -> None:
    stack.configure(settings(worker={"memory": "512G"}))
    stack.up()
    (line,) = wrong(stack)
    assert line.startswith(
        "raycluster-kuberay, workergroup: 0 of 1 pods ready: pod raycluster-kuberay-workergroup-worker-"
    )
    assert "asks for 512G of memory, the largest such node has" in line
    assert line.endswith("ask for less or add nodes, then `pulumi up`")


@MATRIX
def test_pods_that_no_node_can_take_where_more_nodes_may_come(stack: Stack, kubernetes: Kubernetes) -> None:
    # By its Helm chart, the cluster autoscaler is in a namespace of anyone's choice.
    kubernetes.kubectl("create", "namespace", "scaling")
    kubernetes.kubectl("create", "configmap", "cluster-autoscaler-status", "-n", "scaling")
    try:
        stack.configure(settings(worker={"memory": "512G"}))
        run = stack.up()
        assert "(timeoutSeconds)" in run.text
        (line,) = wrong(stack)
        assert "has no node" in line or "Insufficient memory" in line
        assert "the largest such node has" not in line + run.text
    finally:
        kubernetes.kubectl("delete", "namespace", "scaling")


def test_an_operator_that_is_scaled_to_zero(stack: Stack, kubernetes: Kubernetes) -> None:
    kubernetes.kubectl("scale", "deployment", "kuberay-operator", *NAMESPACE, "--replicas=0")
    (line,) = wrong(stack)
    assert line.startswith("operator: is scaled to zero")
    follow(stack, kubernetes, line)
    assert kubernetes.eventually(lambda: stack.make_doctor().ok)


@pytest.mark.parametrize(
    ("target", "what"),
    [
        (("deployment", "kuberay-operator"), "operator: there is no such Deployment"),
        (("raycluster", "raycluster-kuberay"), "RayCluster raycluster-kuberay: there is no such RayCluster"),
    ],
)
@MATRIX
def test_what_was_deleted_by_hand(
    stack: Stack, kubernetes: Kubernetes, target: tuple[str, str], what: str
) -> None:
    kubernetes.kubectl("delete", *target, *NAMESPACE)
    (line,) = wrong(stack)
    assert line.startswith(what)
    follow(stack, kubernetes, line)
    well(stack)


@MATRIX
def test_a_release_that_was_removed_by_hand(stack: Stack, kubernetes: Kubernetes) -> None:
    kubernetes.kubectl("delete", "secrets", *NAMESPACE, "-l", "owner=helm,name=raycluster")
    (line,) = wrong(stack)
    assert (
        line
        == "Helm release raycluster: was removed by hand; `pulumi up --refresh` notices and installs it again"
    )
    follow(stack, kubernetes, line)
    well(stack)


def test_what_a_killed_run_was_making(stack: Stack) -> None:
    def interrupted_while(operation: str, name: str) -> None:
        # `pulumi stack import` drops pending operations.
        (file,) = stack.cluster.home.folder.glob(f"state/.pulumi/stacks/*/{stack.name}.json")
        checkpoint = json.loads(file.read_text())
        latest = checkpoint["checkpoint"]["latest"]
        made = next(resource for resource in latest["resources"] if resource["urn"].endswith(f"::{name}"))
        latest["pending_operations"] = [{"type": operation, "resource": made}]
        file.write_text(json.dumps(checkpoint))

    interrupted_while("updating", "raycluster.head.pods")
    (line,) = wrong(stack)
    assert line.startswith(
        "pending operation: a run goes on, or was killed, while updating Stash raycluster.head.pods"
    )
    assert line.endswith("if it was killed, `pulumi cancel`, then `pulumi up` goes on from there")
    stack.up_or_fail()
    well(stack)

    # What a later run has made, Pulumi goes on to warn of.
    interrupted_while("creating", "raycluster.head.pods")
    run = stack.make_doctor()
    assert run.ok, run.text
    assert (
        "which a later one has made; `pulumi refresh --clear-pending-creates` makes Pulumi forget it"
        in run.text
    )
    assert stack.pulumi("refresh", "--clear-pending-creates").ok
    well(stack)


@MATRIX
def test_a_release_that_helm_has_and_the_state_has_not(stack: Stack, kubernetes: Kubernetes) -> None:
    forget(stack, "raycluster", "raycluster.head.pods", "raycluster.workergroup.pods")
    kubernetes.kubectl("annotate", "raycluster", "raycluster-kuberay", *NAMESPACE, "kuberay.pulumi/release-")
    for secret in items(kubernetes, "secrets", "owner=helm,name=raycluster"):
        set_status(kubernetes, "raycluster", int(secret["metadata"]["labels"]["version"]), "pending-install")
    (line,) = wrong(stack)
    assert (
        line
        == "Helm release raycluster: a killed run left it, and the stack does not know it; `pulumi up` takes"
        " it over"
    )
    follow(stack, kubernetes, line)
    well(stack)


def test_settings_with_mistakes(stack: Stack) -> None:
    stack.configure(settings() | {"architcture": "x86"})
    (line,) = wrong(stack)
    assert line.startswith('settings: kuberay:architcture: "x86" is not a setting; did you mean')


def test_settings_that_cannot_be_decrypted(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = stack.cluster.pulumi_env() | {"PULUMI_CONFIG_PASSPHRASE": "another"}
    stack.configure(
        settings() | {"authToken": {"secure": "v1:AAAAAAAAAAAAAAAA:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}}
    )
    monkeypatch.setattr(stack.cluster, "pulumi_env", lambda: environment)
    run = stack.make_doctor()
    assert not run.ok
    assert re.search(r"^wrong    (stack|settings): cannot be read: ", run.text, re.MULTILINE), run.text
    assert "Traceback" not in run.text


@MATRIX
def test_nodes_of_another_architecture(stack: Stack, kubernetes: Kubernetes) -> None:
    nodes = kubernetes.kubectl("get", "nodes", "-l", "kubernetes.io/arch=amd64", "-o", "name").split()
    kubernetes.kubectl("label", "--overwrite", *nodes, "kubernetes.io/arch=s390x")
    try:
        stack.configure(settings() | {"architecture": "x86"})
        lines = wrong(stack)
        assert any(
            line.startswith(
                "nodes: none is amd64 (kubernetes.io/arch), which clusters.raycluster.head asks for"
            )
            for line in lines
        )
    finally:
        kubernetes.kubectl("label", "--overwrite", *nodes, "kubernetes.io/arch=amd64")


@MATRIX
def test_a_quota_that_is_used_up(stack: Stack, kubernetes: Kubernetes) -> None:
    kubernetes.kubectl("create", "quota", "tight", "--hard=pods=1", *NAMESPACE)
    try:
        assert kubernetes.eventually(
            lambda: "quota tight: is used up: pods 3 of 1" in stack.make_doctor().text
        )
        assert stack.make_doctor().ok
    finally:
        kubernetes.kubectl("delete", "quota", "tight", *NAMESPACE)


@MATRIX
def test_pods_that_are_kept_on_an_old_spec(stack: Stack) -> None:
    stack.configure(settings(upgradeStrategy="None", worker={"memory": "3G"}))
    stack.up_or_fail()
    run = stack.make_doctor()
    assert run.ok, run.text
    assert (
        "warning  raycluster-kuberay, workergroup: 1 of 1 pods ready, 1 running an old spec (upgradeStrategy:"
        " None)" in run.text
    )


@MATRIX
def test_a_size_with_which_ray_fails_is_warned_of_as_a_preview_does(stack: Stack) -> None:
    stack.configure(settings(worker={"memory": "300M"}))
    line = "clusters.raycluster.worker: memory 300M is too little"
    preview = stack.preview_text()
    assert preview.ok
    assert f"warning: {line}" in preview.text
    assert f"warning  memory: {line}" in stack.make_doctor().text


def test_a_cluster_that_does_not_answer(stack: Stack) -> None:
    there = stack.kubeconfig.read_text()
    use_cluster(stack, yaml.safe_load(re.sub(r"https://[^\s\"']+", "https://127.0.0.1:1", there)))
    run = stack.make_doctor()
    assert not run.ok
    assert "ok       settings: are in order" in run.text
    assert re.search(
        r"^wrong    cluster: does not answer: .+; check kubernetes:context", run.text, re.MULTILINE
    ), run.text
    assert "unknown  operator, releases, pods: the cluster cannot be asked" in run.text
    assert "Traceback" not in run.text


def test_what_an_account_may_not_read_is_unknown_and_not_wrong(stack: Stack, kubernetes: Kubernetes) -> None:
    kubernetes.kubectl("create", "serviceaccount", "reader", *NAMESPACE)
    kubernetes.kubectl(
        "create",
        "rolebinding",
        "reader",
        *NAMESPACE,
        "--clusterrole=cluster-admin",
        "--serviceaccount=kuberay:reader",
    )
    token = kubernetes.kubectl("create", "token", "reader", *NAMESPACE).strip()
    admin = yaml.safe_load(stack.kubeconfig.read_text())
    use_cluster(
        stack,
        admin | {"users": [{"name": user["name"], "user": {"token": token}} for user in admin["users"]]},
    )
    run = stack.make_doctor()
    assert run.ok, run.text
    assert re.search(
        r"^unknown  nodes: the API server refuses: nodes is forbidden", run.text, re.MULTILINE
    ), run.text
    assert "ok       raycluster-kuberay, workergroup: 1 of 1 pods ready" in run.text
    assert "ok       operator: runs, v1.3.0" in run.text


def use_cluster(stack: Stack, kubeconfig: dict[str, Any]) -> None:
    """Points the stack's config at a cluster as another kubeconfig has it."""
    file = stack.config_file.with_name("other.kubeconfig")
    file.write_text(yaml.safe_dump(kubeconfig))
    stack.config_file.write_text(stack.config_file.read_text().replace(str(stack.kubeconfig), str(file)))


def test_a_stack_that_there_is_not_is_named(stack: Stack) -> None:
    run = Stack.make_doctor(Misnamed(stack))
    assert not run.ok
    assert run.text.startswith("wrong    stack: cannot be read:")


class Misnamed(Stack):
    """The same stack under a name that there is not."""

    def __init__(self, stack: Stack) -> None:
        self.__dict__ = stack.__dict__ | {"name": "nosuchstack"}


def test_a_job_that_failed(stack: Stack, kubernetes: Kubernetes) -> None:
    job = {"entrypoint": "bash -c 'exit 1'", "cluster": "raycluster", "wait": False}
    stack.configure(settings() | {"jobs": {"train": job}})
    stack.up_or_fail()
    assert kubernetes.eventually(lambda: not stack.make_doctor().ok)
    (line,) = wrong(stack)
    assert line.startswith("RayJob train: Job entrypoint command failed with exit code 1")
    assert "RuntimeError: the simulated job fails" in line
    assert line.endswith("repair it; `pulumi up --replace '**RayJob::train'` runs it again")


@MATRIX
def test_a_namespace_that_someone_deletes(stack: Stack, kubernetes: Kubernetes) -> None:
    kubernetes.kubectl("scale", "deployment", "kuberay-operator", *NAMESPACE, "--replicas=0")
    finalize(kubernetes)
    kubernetes.kubectl("delete", "namespace", "kuberay", "--wait=false")
    assert kubernetes.eventually(
        lambda: "Some content in the namespace has finalizers remaining" in stack.make_doctor().text
    )
    namespace, cluster = wrong(stack)
    assert namespace.startswith("namespace kuberay: is being deleted")
    assert cluster.startswith("RayCluster raycluster-kuberay: is being deleted since")
    assert cluster.endswith(
        f"held by {FINALIZER}; start the operator, or take the stack away with `make destroy`"
    )
    kubernetes.kubectl(
        "patch",
        "raycluster",
        "raycluster-kuberay",
        *NAMESPACE,
        "--type=merge",
        "-p",
        '{"metadata":{"finalizers":null}}',
    )
    assert kubernetes.eventually(
        lambda: "namespace/kuberay\n" not in kubernetes.kubectl("get", "namespaces", "-o", "name")
    )
    (line,) = wrong(stack)
    assert line.startswith("namespace kuberay: was deleted by hand")
    follow(stack, kubernetes, line)
    well(stack)


@MATRIX
def test_a_stack_that_has_made_nothing(stack: Stack) -> None:
    assert stack.destroy().ok
    run = stack.make_doctor()
    assert run.ok, run.text
    assert "warning  stack: has made nothing yet; `pulumi up`" in run.text
