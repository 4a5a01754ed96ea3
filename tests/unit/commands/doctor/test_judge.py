"""What the doctor says of a state and of objects, as the API server gives them."""

from typing import Any

import pytest

from commands.doctor import judge
from commands.doctor.finding import Finding, conclusion
from kuberay.live.diagnosis.pods import Trouble
from kuberay.live.takeover.marks import Record
from tests.stack_config import load

OURS = "kuberay/dev"
URN = (
    "urn:pulumi:dev::kuberay::"
    "kuberay:components:RayCluster$kubernetes:ray.io/v1:RayClusterPatch::ray.head.pods"
)


def record(status: str = "deployed", revision: int = 1, stack: str | None = OURS) -> Record:
    return Record(f"sh.helm.release.v1.ray.v{revision}", "ray", revision, status, stack, {}, "")


def node(
    name: str = "one", architecture: str = "amd64", ready: str = "True", message: str = ""
) -> dict[str, Any]:
    condition = {"type": "Ready", "status": ready, "message": message}
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/arch": architecture}},
        "status": {"conditions": [condition]},
    }


def lines(findings: Any) -> list[str]:
    return [str(finding) for finding in findings]


# --- Lines ----------------------------------------------------------------------------


def test_a_line_begins_with_its_mark_and_ends_with_what_to_do() -> None:
    assert (
        str(Finding("wrong", "operator", "is scaled to zero", "scale it up"))
        == "wrong    operator: is scaled to zero; scale it up"
    )
    assert str(Finding("ok", "cluster", "answers")) == "ok       cluster: answers"


@pytest.mark.parametrize(
    ("marks", "text", "code"),
    [
        (["ok", "ok"], "all is well", 0),
        (["ok", "warning", "unknown"], "1 warning, 1 unknown", 0),
        (["warning", "wrong", "wrong"], "2 wrong, 1 warning", 1),
    ],
)
def test_the_exit_code_is_1_where_something_is_wrong(marks: list[Any], text: str, code: int) -> None:
    assert conclusion([Finding(mark, "x", "y") for mark in marks]) == (text, code)


@pytest.mark.parametrize(
    ("trouble", "what"),
    [
        ("unschedulable: 0/2 nodes are available", "ask for less or add nodes"),
        ("image a:b cannot be pulled (ErrImagePull): not found", "name an image that the registry has"),
        ("container ray-head crashed with exit code 1", "repair what its message names"),
        ("waits for the head", "see to the head first"),
    ],
)
def test_each_trouble_of_a_pod_has_its_remedy(trouble: str, what: str) -> None:
    assert what in judge.remedy(Trouble("of head", trouble))


# --- The state ------------------------------------------------------------------------


def test_a_pending_operation_is_wrong_until_a_later_run_has_made_the_thing() -> None:
    pending = {"type": "creating", "resource": {"urn": URN}}
    (line,) = lines(judge.pending_operations({"pending_operations": [pending]}))
    assert line.startswith(
        "wrong    pending operation: a run goes on, or was killed, while creating RayClusterPatch"
        " ray.head.pods"
    )
    (line,) = lines(judge.pending_operations({"pending_operations": [pending], "resources": [{"urn": URN}]}))
    assert line.startswith(
        "warning  pending operation: a killed run was creating RayClusterPatch ray.head.pods"
    )
    (line,) = lines(
        judge.pending_operations(
            {"pending_operations": [pending | {"type": "updating"}], "resources": [{"urn": URN}]}
        )
    )
    assert line.startswith("wrong ")
    assert lines(judge.pending_operations({"resources": [{"urn": URN}]})) == []


# --- Helm releases --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("records", "in_state", "wanted", "says"),
    [
        ([record()], True, True, "ok       Helm release ray: deployed, revision 1"),
        (
            [record("superseded"), record(revision=2)],
            True,
            True,
            "ok       Helm release ray: deployed, revision 2",
        ),
        (
            [record()],
            True,
            False,
            "warning  Helm release ray: the settings do not ask for it any more; `pulumi up` removes it",
        ),
        ([], True, True, "wrong    Helm release ray: was removed by hand; `pulumi up --refresh` notices"),
        ([], False, True, "wrong    Helm release ray: is not installed yet; `pulumi up`"),
        ([record("pending-install")], False, True, "wrong    Helm release ray: a killed run left it"),
        ([record(stack=None)], False, True, "wrong    Helm release ray: exists already and is of no stack"),
        (
            [record(stack="kuberay/prod")],
            True,
            True,
            "wrong    Helm release ray: was replaced by one of stack kuberay/prod",
        ),
        (
            [record(), record("pending-upgrade", 2)],
            True,
            True,
            "wrong    Helm release ray: pending-upgrade, revision 2: a run goes on, or",
        ),
        (
            [record("uninstalling")],
            True,
            True,
            (
                "wrong    Helm release ray: uninstalling, revision 1: a run goes on, or was killed; "
                "if it was killed, `pulumi cancel`, then `make destroy` goes on from there, "
                "or `pulumi up --refresh --replace '**Release::ray'` makes it anew"
            ),
        ),
        (
            [record(), record("failed", 2)],
            True,
            True,
            "wrong    Helm release ray: failed, revision 2; `pulumi up` tries again",
        ),
    ],
)
def test_a_helm_release(records: list[Record], in_state: bool, wanted: bool, says: str) -> None:
    assert str(judge.helm_release("ray", records, OURS, in_state=in_state, wanted=wanted)).startswith(says)


# --- CRDs -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "what"), [("1.6.2", "1.6.2"), (None, "1.6.2"), ("1.7.0", "1.6.2 or newer (1.7.0)")]
)
def test_crds_of_the_operators_version_or_a_newer_ones_or_installed_with_it_are_well(
    found: str | None, what: str
) -> None:
    assert (
        str(judge.crds({"rayjobs.ray.io": found}, "1.6.2", was="1.6.2"))
        == f"ok       CRDs: of KubeRay {what}"
    )


def test_crds_that_wait_for_an_upgrade_are_brought_by_the_next_up() -> None:
    found = judge.crds({"rayclusters.ray.io": None, "rayjobs.ray.io": "1.6.2"}, "1.6.2", was="1.3.0")
    assert (
        str(found)
        == "wrong    CRDs: rayclusters.ray.io are not of KubeRay 1.6.2; `pulumi up` brings them to it"
    )


def test_crds_that_someone_took_back_are_brought_by_an_up_that_changes_the_operator() -> None:
    found = judge.crds({"rayjobs.ray.io": "1.3.0"}, "1.6.2", was="1.6.2")
    remedy = "`pulumi up` brings them to it when the operator changes: set another `operator.memory` first"
    assert (found.mark, found.remedy) == ("wrong", remedy)


# --- Objects of the cluster -----------------------------------------------------------


def test_a_namespace() -> None:
    assert judge.namespace("team", {"metadata": {}}, in_state=True).mark == "ok"
    assert "was deleted by hand" in judge.namespace("team", None, in_state=True).text
    assert "is not there yet" in judge.namespace("team", None, in_state=False).text
    condition = {
        "type": "NamespaceFinalizersRemaining",
        "status": "True",
        "message": "has finalizers remaining: a",
    }
    going = {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "status": {"conditions": [condition]}}
    assert (
        judge.namespace("team", going, in_state=True).text == "is being deleted: has finalizers remaining: a"
    )


def test_nodes_that_are_ready_and_of_the_right_architecture_are_well() -> None:
    assert lines(judge.nodes([node(), node("two")], load(), more_may_come=False)) == [
        "ok       nodes: 2 ready"
    ]


def test_a_node_that_is_not_ready_is_warned_of_and_none_that_is_ready_is_wrong() -> None:
    bad = node("two", ready="Unknown", message="Kubelet stopped posting node status.")
    (line,) = lines(judge.nodes([node(), bad], load(), more_may_come=False))
    assert line.startswith("warning  node two: is not ready: Kubelet stopped posting node status.")
    assert "wrong    nodes: none of 1 is ready; add or repair nodes" in lines(
        judge.nodes([bad], load(), more_may_come=False)
    )


def test_an_architecture_without_nodes_is_wrong_unless_nodes_may_come() -> None:
    mixed = load(clusters={"ray": {"worker": {"architecture": "aarch64"}}})
    found = list(judge.nodes([node()], mixed, more_may_come=False))
    assert (
        "none is arm64 (kubernetes.io/arch), which clusters.ray.worker asks for; there are: amd64"
        in found[0].text
    )
    assert found[0].mark == "wrong"
    assert next(iter(judge.nodes([node()], mixed, more_may_come=True))).mark == "warning"


def test_an_object_that_is_being_deleted_is_wrong_where_no_operator_lets_it_go() -> None:
    metadata = {"name": "ray", "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["ray.io/x"]}
    held = {"kind": "RayCluster", "metadata": metadata}
    (line,) = lines(judge.held_objects([held], operator_runs=False))
    assert line.startswith(
        "wrong    RayCluster ray: is being deleted since 2026-01-01T00:00:00Z, held by ray.io/x; start the"
        " operator"
    )
    assert next(judge.held_objects([held], operator_runs=True)).mark == "warning"
    assert (
        lines(judge.held_objects([{"kind": "RayCluster", "metadata": {"name": "ray"}}], operator_runs=False))
        == []
    )


def test_a_quota_is_warned_of_when_it_is_used_up() -> None:
    def quota(used: str) -> dict[str, Any]:
        return {
            "metadata": {"name": "team"},
            "status": {"hard": {"limits.memory": "8G"}, "used": {"limits.memory": used}},
        }

    assert lines(judge.quotas([quota("4G"), {"metadata": {"name": "new"}}])) == []
    (line,) = lines(judge.quotas([quota("8000M")]))
    assert (
        line
        == "warning  quota team: is used up: limits.memory 8000M of 8G; more pods are refused until it is"
        " raised"
    )
