"""Pods that ran before the stack took their release over carry no fingerprint until
their template changes.
"""

from typing import Any

from kuberay.facts.digests import Seal
from kuberay.facts.labels import TEMPLATE_ANNOTATION
from kuberay.live.waiting.targets import group_target
from kuberay.plan.cluster import ClusterPlan, plan_cluster, seal_cluster
from kuberay.plan.stack import Adopted, StackPlan, plan_stack, seal_stack
from tests.stack_config import load


def plan(adopted: dict[str, Any] | None = None, **cluster: Any) -> ClusterPlan:
    return plan_cluster(load(clusters={"ray": cluster | ({"adopted": adopted} if adopted else {})}), "ray")


def adopted(**cluster: Any) -> dict[str, Any]:
    return {
        "revision": 1,
        "fingerprint": "",
        "templates": {group.name: group.fingerprint for group in plan(**cluster).groups},
    }


def fingerprints(cluster: ClusterPlan) -> dict[str, str | None]:
    values = {"head": cluster.values["head"], "workergroup": cluster.values["worker"]}
    return {name: group["annotations"].get(TEMPLATE_ANNOTATION) for name, group in values.items()}


def test_an_adopted_template_is_rendered_without_one() -> None:
    found = plan(adopted())
    assert fingerprints(found) == {"head": None, "workergroup": None}
    assert [group_target(found, group).fingerprint for group in found.groups] == [None, None]


def test_a_change_of_the_workers_leaves_the_head_as_it_runs() -> None:
    found = plan(adopted(), worker={"memory": "3G"})
    head, worker = found.groups
    assert fingerprints(found) == {"head": None, "workergroup": worker.fingerprint}
    assert (head.adopted, worker.adopted) == (True, False)


def test_a_change_of_the_head_is_one_of_its_workers_too() -> None:
    found = plan(adopted(), head={"memory": "3G"})
    assert fingerprints(found) == {
        "head": found.groups[0].fingerprint,
        "workergroup": found.groups[1].fingerprint,
    }


def test_a_change_that_is_taken_back_is_the_adopted_template_again() -> None:
    before = adopted(worker={"memory": "3G"})
    assert fingerprints(plan(before, worker={"memory": "4G"}))["workergroup"] is not None
    assert fingerprints(plan(before, worker={"memory": "3G"})) == {"head": None, "workergroup": None}


def test_a_changed_size_of_a_group_is_no_changed_template() -> None:
    assert fingerprints(plan(adopted(), worker={"replicas": 4})) == {"head": None, "workergroup": None}


def test_a_stack_that_begins_to_hold_secrets_still_has_its_adopted_templates() -> None:
    found = seal_cluster(plan(adopted()), Seal("key"))
    assert fingerprints(found) == {"head": None, "workergroup": None}
    changed = seal_cluster(plan(adopted(), worker={"memory": "3G"}), Seal("key"))
    assert fingerprints(changed) == {"head": None, "workergroup": changed.groups[1].fingerprint}


def test_a_release_is_as_it_was_found_until_any_of_its_values_changes() -> None:
    def stack(**worker: Any) -> StackPlan:
        release = adopted() | {"fingerprint": plan(adopted()).fingerprint}
        settings = load(
            clusters={"ray": {"adopted": release, "worker": worker}},
            operator={"adopted": {"revision": 3, "fingerprint": ""}},
        )
        return plan_stack(settings)

    assert stack().adopted["ray"] == Adopted(1, as_found=True)
    assert stack(replicas=4).adopted == {
        "kuberay-operator": Adopted(3, as_found=False),
        "ray": Adopted(1, as_found=False),
    }
    assert seal_stack(stack(), Seal("key")).adopted["ray"].as_found
