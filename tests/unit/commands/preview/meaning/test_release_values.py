"""A report says the same of a cluster, whichever chart its release is of."""

from dataclasses import replace
from typing import Any

import pytest

from commands.preview.meaning.clusters import clusters
from commands.preview.meaning.demand import demands
from commands.preview.meaning.protection import protection_of
from commands.preview.meaning.report import RayChange
from commands.preview.meaning.steps import COMPONENT, WAIT_FOR, Preview, Step
from kuberay.facts.charts import RELEASE, RESOURCE_CHART
from kuberay.facts.phrases import SECRET
from kuberay.plan.cluster import ClusterPlan, plan_cluster
from tests.stack_config import load

#: Of Ray's container, which stands in place of the whole list.
OTHER_PORT = {"name": "ray-head", "image": "a:b", "ports": [{"name": "x", "containerPort": 9999}]}
OTHER_PORT_SAID = "head.ports[x].name, head.ports[x].containerPort"


def plan(**cluster: Any) -> ClusterPlan:
    return plan_cluster(load(kuberayVersion="1.6.2", rayVersion="2.56.0", clusters={"ray": cluster}), "ray")


def release(found: ClusterPlan) -> dict[str, Any]:
    chart = {"chart": RESOURCE_CHART} if found.resource else {"chart": "ray-cluster", "version": "1.6.2"}
    return {"name": "ray", "namespace": "kuberay", "values": found.release_values, **chart}


def preview(before: ClusterPlan, after: ClusterPlan) -> Preview:
    parents = f"{COMPONENT}RayCluster"
    steps = [Step("update", RELEASE, "ray", parents, release(before), release(after))]
    groups = {group.name: group for group in before.groups}
    restarted = [
        group.name
        for group in after.groups
        if group.name in groups and groups[group.name].fingerprint != group.fingerprint
    ]
    steps += [Step("replace", WAIT_FOR, f"ray.{name}.pods", parents, {}, {}) for name in restarted]
    return Preview(tuple(steps), {"clusters": {}}, {}, (), (), (), {})


def change(before: ClusterPlan, after: ClusterPlan) -> RayChange:
    (found,) = clusters(preview(before, after))
    return found


def test_what_the_chart_could_not_write_is_all_that_is_shown_of_a_move() -> None:
    beyond = plan(labels={"team": "a"}, annotations={"note": "b"}, spec={"suspend": False})
    found = change(plan(), beyond)
    assert found.headline == "no pod restarts"
    assert sorted(found.values) == [
        "+ metadata.annotations.note: b",
        "+ metadata.labels.team: a",
        "+ spec.suspend: false",
    ]
    assert [(one.what, one.before, one.after) for one in found.versions] == [
        ("chart", "1.6.2", "the program's own")
    ]
    assert found.before == found.after
    assert change(beyond, plan()).headline == "no pod restarts"


@pytest.mark.parametrize(
    ("cluster", "reason"),
    [
        ({"values": {"fullnameOverride": "other"}}, "fullnameOverride"),
        ({"spec": {"headServiceAnnotations": {"owner": "us"}}}, "headServiceAnnotations.owner"),
        (
            {"spec": {"headGroupSpec": {"headService": {"spec": {"type": "NodePort"}}}}},
            "head.headService.spec.type",
        ),
        ({"spec": {"headGroupSpec": {"template": {"spec": {"containers": [OTHER_PORT]}}}}}, OTHER_PORT_SAID),
    ],
)
def test_a_cluster_that_is_made_anew_says_for_which_field(cluster: dict[str, Any], reason: str) -> None:
    before, after = plan(labels={"team": "a"}), plan(labels={"team": "a"}, **cluster)
    assert before.service_fingerprint != after.service_fingerprint
    found = preview(before, after)
    release, *others = found.steps
    (told,) = clusters(replace(found, steps=(replace(release, operation="replace"), *others)))
    assert told.headline == f"is deleted and made anew ({reason}): its head and 1 of workergroup restart"


def test_a_cluster_that_is_suspended_loses_its_pods() -> None:
    running, suspended = plan(worker={"replicas": 2}), plan(worker={"replicas": 2}, spec={"suspend": True})
    found = change(running, suspended)
    assert found.headline == "is suspended: its head and 2 of workergroup go until suspend is false"
    assert found.level == "destroys"
    found = change(suspended, running)
    assert found.headline == "head: 0 → 1 pod; workergroup: 0 → 2 pods; no pod restarts"
    assert found.level == "changes"


def test_a_field_that_restarts_pods_is_the_reason() -> None:
    host = plan(spec={"headGroupSpec": {"template": {"spec": {"hostNetwork": True}}}})
    assert (
        change(plan(), host).headline
        == "1 pod of head restarts (hostNetwork); 1 pod of workergroup restarts (its head restarts)"
    )
    more = plan(labels={"a": "b"}, worker={"memory": "3G"})
    assert change(plan(labels={"a": "b"}), more).headline == "1 pod of workergroup restarts (memory 2G → 3G)"


def test_a_request_or_a_pull_policy_alone_is_named_as_the_reason() -> None:
    requests = plan(head={"cpuRequest": "250m"}, worker={"cpuRequest": "250m"})
    assert change(plan(), requests).headline == "2 pods of head and workergroup restart (resources)"
    always = plan(worker={"imagePullPolicy": "Always"})
    assert change(plan(), always).headline == "1 pod of workergroup restarts (image)"


def test_a_move_opens_nothing_and_closes_nothing() -> None:
    found = protection_of(preview(plan(), plan(labels={"a": "b"})))
    assert (found.lost, found.gained) == ([], [])
    opened = protection_of(
        preview(plan(labels={"a": "b"}), plan(spec={"headGroupSpec": {"serviceType": "LoadBalancer"}}))
    )
    assert [one.what for one in opened.lost] == [
        "the head's Service is reached from within the Kubernetes cluster only"
    ]


@pytest.mark.parametrize("hidden", ["old", "new"])
def test_encrypted_values_are_not_known_and_nothing_of_them_is_said_to_change(hidden: str) -> None:
    found = preview(plan(), plan(labels={"a": "b"}))
    release, *others = found.steps
    side = {**getattr(release, hidden), "values": SECRET}
    (told,) = clusters(replace(found, steps=(replace(release, **{hidden: side}), *others)))
    assert {"old": told.before, "new": told.after}[hidden] is None
    assert told.values == []
    assert [one.what for one in told.versions] == ["chart"]


def test_the_pods_of_a_release_are_counted_whichever_chart_it_is_of() -> None:
    (found,) = demands(
        preview(plan(worker={"replicas": 3}), plan(worker={"replicas": 3}, labels={"team": "a"}))
    )
    assert found.before
    assert found.after
    assert [(group.name, group.pods) for group in found.before] == [("head", 1), ("workergroup", 3)]
    assert [(group.name, group.pods) for group in found.after] == [("head", 1), ("workergroup", 3)]
