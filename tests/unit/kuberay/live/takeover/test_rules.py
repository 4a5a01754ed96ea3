"""What a killed run left goes, and what is someone else's stays."""

from dataclasses import replace
from typing import Any

import pytest

from kuberay.facts.labels import STACK_MARK
from kuberay.live.takeover.marks import Record, marked_values
from kuberay.live.takeover.rules import (
    RecoveryError,
    before_creating,
    before_install,
    before_upgrade,
    what_it_waits_for,
)
from kuberay.plan.stack import Adopted
from tests.unit.kuberay.live.takeover.records import OURS, VALUES, record


def namespace(**annotations: str) -> dict[str, Any]:
    return {"metadata": {"name": "team", "annotations": annotations}}


def test_nothing_has_to_go_where_nothing_was_left() -> None:
    leftover = before_install("ray", [], OURS, marked_values(VALUES, OURS))
    assert (leftover.records, leftover.objects) == ((), ())


@pytest.mark.parametrize("status", ["pending-install", "deployed", "failed", "uninstalling"])
def test_of_a_killed_install_the_record_goes_and_the_objects_stay(status: str) -> None:
    leftover = before_install("ray", [record(status)], OURS, marked_values(VALUES, OURS))
    assert [gone.status for gone in leftover.records] == [status]
    assert leftover.objects == ()


def test_a_ray_cluster_that_was_made_from_other_values_is_made_anew() -> None:
    leftover = before_install("ray", [record()], OURS, marked_values({"head": {}}, OURS))
    assert [gone["metadata"]["name"] for gone in leftover.objects] == ["ray-kuberay"]


def test_a_release_of_another_stack_is_left_alone_and_named() -> None:
    with pytest.raises(
        RecoveryError,
        match=r"Helm release ray exists already and is of stack kuberay/prod; .*`helm uninstall ray`",
    ):
        before_install("ray", [record(stack="kuberay/prod")], OURS, VALUES)


def test_a_release_that_was_installed_by_hand_is_left_alone() -> None:
    with pytest.raises(RecoveryError, match="is of no stack: it was installed by hand"):
        before_install("ray", [record("deployed", stack=None)], OURS, VALUES)


def test_who_has_a_release_by_hand_is_told_how_to_bring_it_along() -> None:
    with pytest.raises(RecoveryError) as refused:
        before_install("ray", [record("deployed", stack=None)], OURS, VALUES)
    assert (
        str(refused.value)
        == "Helm release ray exists already and is of no stack: it was installed by hand or by another tool;"
        " choose another name or namespace for this stack, or remove it with `helm uninstall ray`; to"
        " bring it along as it runs: `make adopt`"
    )


def test_of_an_adopted_release_all_records_go_and_no_object() -> None:
    records = [record("superseded", 1, stack=None), record("deployed", 2, stack=None)]
    leftover = before_install(
        "ray", records, OURS, marked_values({"head": {}}, OURS), adopted=Adopted(2, as_found=True)
    )
    assert [gone.revision for gone in leftover.records] == [1, 2]
    assert leftover.objects == ()


@pytest.mark.parametrize(("status", "revision"), [("deployed", 3), ("failed", 2), ("pending-upgrade", 2)])
def test_another_revision_than_the_adopted_one_is_refused(status: str, revision: int) -> None:
    with pytest.raises(RecoveryError) as refused:
        before_install(
            "ray", [record(status, revision, stack=None)], OURS, VALUES, adopted=Adopted(2, as_found=True)
        )
    assert (
        str(refused.value)
        == f"Helm release ray is at revision {revision} ({status}), and the stack is to take over revision 2;"
        " `make adopt` reads it anew"
    )


@pytest.mark.parametrize("records", [[record("deployed", stack=None)], [record("pending-install")]])
def test_a_change_before_the_takeover_is_refused_as_it_would_not_reach_what_runs(
    records: list[Record],
) -> None:
    with pytest.raises(RecoveryError) as refused:
        before_install("ray", records, OURS, VALUES, adopted=Adopted(1, as_found=False))
    assert (
        str(refused.value)
        == "Helm release ray was made by hand, and its settings are no longer those that `make adopt` wrote:"
        " a change of it would not reach what runs; take the change back until `up` has taken the release"
        " over (or `helm uninstall ray`, if nothing is to stay)"
    )


def test_what_is_adopted_ran_before_the_killed_run_that_took_it_over_and_stays() -> None:
    leftover = before_install(
        "ray", [record("pending-install")], OURS, {"head": {}}, adopted=Adopted(1, as_found=True)
    )
    assert leftover.objects == ()


def test_an_adopted_release_of_another_stack_is_refused_all_the_same() -> None:
    with pytest.raises(RecoveryError, match="is of stack kuberay/prod"):
        before_install(
            "ray", [record("deployed", stack="kuberay/prod")], OURS, VALUES, adopted=Adopted(1, as_found=True)
        )


def test_a_release_that_took_over_from_a_leftover_is_judged_by_its_newest_record() -> None:
    with pytest.raises(RecoveryError):
        before_install("ray", [record("superseded"), record("deployed", 2, stack=None)], OURS, VALUES)


def test_a_complete_release_of_a_stack_of_the_same_name_is_left_alone() -> None:
    with pytest.raises(RecoveryError) as refused:
        before_install("ray", [record("deployed")], OURS, VALUES, ["RayCluster ray-kuberay"])
    assert str(refused.value) == (
        "Helm release ray is in use (RayCluster ray-kuberay) by a stack that is called kuberay/dev too and"
        " has its state elsewhere; log in to that state with `pulumi login`, or, where it is lost, let this"
        " one take over what runs: `kubectl annotate deployments,rayclusters --all --namespace team"
        " kuberay.pulumi/release-`"
    )


def test_of_a_killed_upgrade_the_pending_record_goes_and_the_deployed_one_stays() -> None:
    leftover = before_upgrade(
        "ray", [record("superseded", 1), record("deployed", 2), record("pending-upgrade", 3)]
    )
    assert [gone.revision for gone in leftover.records] == [3]


def test_an_upgrade_needs_nothing_where_none_was_killed() -> None:
    assert before_upgrade("ray", [record("superseded", 1), record("failed", 2)]).records == ()


def test_an_upgrade_keeps_the_only_record_there_is() -> None:
    assert before_upgrade("ray", [record("pending-install")]).records == ()


def test_an_upgrade_of_a_release_that_was_removed_by_hand_says_so() -> None:
    with pytest.raises(RecoveryError, match="removed by hand; `pulumi up --refresh`"):
        before_upgrade("ray", [])


def test_an_upgrade_of_a_release_that_was_being_removed_says_how_it_is_made_anew() -> None:
    with pytest.raises(
        RecoveryError,
        match=r"was being removed .*; `pulumi up --refresh --replace '\*\*Release::ray'` makes it anew",
    ):
        before_upgrade("ray", [record("superseded", 1), record("uninstalling", 2)])


def test_an_object_that_is_not_there_can_be_made() -> None:
    before_creating("Namespace", None, OURS)


def test_a_namespace_that_a_killed_run_has_made_is_taken_over() -> None:
    before_creating("Namespace", namespace(**{STACK_MARK: OURS}), OURS)


def test_a_namespace_that_someone_made_is_left_alone_and_the_way_to_use_it_is_named() -> None:
    with pytest.raises(
        RecoveryError, match=r"Namespace team exists already and is of no stack; .*`createNamespace: false`"
    ):
        before_creating("Namespace", namespace(), OURS)


def test_a_namespace_of_another_stack_is_left_alone() -> None:
    with pytest.raises(RecoveryError, match="is of stack kuberay/prod"):
        before_creating("Namespace", namespace(**{STACK_MARK: "kuberay/prod"}), OURS)


def test_a_namespace_in_use_by_a_stack_of_the_same_name_is_left_alone() -> None:
    there, found = namespace(**{STACK_MARK: OURS}), [record("deployed")]
    with pytest.raises(RecoveryError, match=r"^Namespace team is in use \(RayCluster ray-kuberay\) by a"):
        before_creating("Namespace", there, OURS, found, ["RayCluster ray-kuberay"])
    # A release that no state has is taken over with it.
    before_creating("Namespace", there, OURS, found)


def test_in_a_namespace_with_kuberays_releases_by_hand_the_way_to_bring_them_along_is_named() -> None:
    by_hand = replace(record("deployed", stack=None), chart="ray-cluster")
    others = replace(by_hand, release="redis", chart="redis")
    with pytest.raises(RecoveryError) as refused:
        before_creating("Namespace", namespace(), OURS, [others, by_hand])
    assert (
        str(refused.value)
        == "Namespace team exists already and is of no stack; to use it as it is set `createNamespace:"
        " false`, else choose another `namespace`; `make adopt` brings along what was installed there by"
        " hand (ray)"
    )


def test_what_is_being_deleted_says_what_it_waits_for() -> None:
    remaining = {
        "type": "NamespaceContentRemaining",
        "status": "True",
        "message": "Some resources are remaining: pods. has 1\nresource",
    }
    done = {
        "type": "NamespaceDeletionContentFailure",
        "status": "False",
        "message": "All content successfully deleted",
    }
    namespace = {"metadata": {"name": "ray", "finalizers": []}, "status": {"conditions": [done, remaining]}}
    assert what_it_waits_for(namespace) == ", which waits: Some resources are remaining: pods. has 1 resource"
    assert (
        what_it_waits_for({"metadata": {"finalizers": ["ray.io/gcs", "x"]}})
        == ", which waits: for ray.io/gcs, x"
    )
    assert what_it_waits_for({"metadata": {}}) == ""
