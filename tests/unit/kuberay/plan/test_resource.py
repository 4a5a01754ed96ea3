"""A RayCluster that has what the ``ray-cluster`` chart cannot write."""

from typing import Any

import pytest

from kuberay.facts.digests import Seal
from kuberay.facts.labels import TEMPLATE_ANNOTATION
from kuberay.plan.cluster import ClusterPlan, plan_cluster, seal_cluster
from kuberay.plan.ray_cluster_spec import groups_of, ray_cluster_spec, values_of_spec
from kuberay.plan.stack import StackPlan, plan_stack
from tests.bad_settings import HISTORY
from tests.stack_config import load

CHART_LABELS = {
    "helm.sh/chart": "ray-cluster-1.3.0",
    "app.kubernetes.io/instance": "ray",
    "app.kubernetes.io/managed-by": "Helm",
}
CONTAINER = {
    "name": "ray",
    "image": "registry.example/ray:1",
    "resources": {"limits": {"cpu": "4", "memory": "8G"}},
}


def plan(version: str = "1.3.0", **cluster: Any) -> ClusterPlan:
    return plan_cluster(load(kuberayVersion=version, clusters={"ray": cluster}), "ray")


def stack(**settings: Any) -> StackPlan:
    return plan_stack(load(**settings))


def fingerprints(found: ClusterPlan) -> list[str]:
    return [group.fingerprint for group in found.groups]


def test_a_cluster_that_the_chart_can_write_stays_the_charts() -> None:
    found = plan(
        annotations={"note": "mine"},
        head={
            "initContainers": [{"name": "first", "image": "busybox"}],
            "sidecars": [{"name": "logs", "image": "fluent-bit:1.9"}],
            "envFrom": [{"secretRef": {"name": "s"}}],
            "priorityClassName": "high",
            "imagePullPolicy": "Always",
        },
        additionalWorkerGroups={"a": {"topologySpreadConstraints": [{"maxSkew": 1}]}},
    )
    assert found.resource is None
    assert found.release_values == found.values
    assert found.values["annotations"] == {"note": "mine"}
    assert (found.values["head"]["image"]["pullPolicy"], found.values["worker"]["image"]["pullPolicy"]) == (
        "Always",
        "IfNotPresent",
    )
    assert found.values["head"]["sidecarContainers"] == [{"name": "logs", "image": "fluent-bit:1.9"}]


@pytest.mark.parametrize(
    ("version", "cluster", "path", "value"),
    [
        ("1.6.2", {"worker": {"rayLabels": {"zone": "a"}}}, ("workerGroupSpecs", 0, "labels"), {"zone": "a"}),
        (
            "1.3.0",
            {"autoscaling": {"version": "v2"}, "worker": {"maxReplicas": 2, "idleTimeoutSeconds": 0}},
            ("workerGroupSpecs", 0, "idleTimeoutSeconds"),
            0,
        ),
        (
            "1.3.0",
            {"head": {"topologySpreadConstraints": [{"maxSkew": 1}]}},
            ("headGroupSpec", "template", "spec", "topologySpreadConstraints"),
            [{"maxSkew": 1}],
        ),
    ],
)
def test_a_setting_that_the_chart_of_a_version_cannot_write_is_written_here(
    version: str, cluster: dict[str, Any], path: tuple[Any, ...], value: Any
) -> None:
    found: Any = plan(version, **cluster).release_values["spec"]
    for part in path:
        found = found[part]
    assert found == value
    assert plan("1.6.2", head={"topologySpreadConstraints": [{"maxSkew": 1}]}).resource is None


def test_labels_and_fields_that_are_in_no_pod_leave_all_pods_as_they_are() -> None:
    before = plan()
    after = plan(
        labels={"team": "a"},
        annotations={"note": "mine"},
        spec={"suspend": False, "managedBy": "me", "rayVersion": "2.46.0"},
    )
    assert (fingerprints(after), after.service_fingerprint) == (
        fingerprints(before),
        before.service_fingerprint,
    )
    assert after.fingerprint != before.fingerprint
    written = after.release_values
    assert written["metadata"] == {
        "name": "ray-kuberay",
        "labels": CHART_LABELS | {"team": "a"},
        "annotations": {"note": "mine"},
    }
    assert written["spec"]["suspend"] is False
    # What the chart would render, with the labels that it writes.
    for name, group in groups_of(ray_cluster_spec(before.values)).items():
        template = groups_of(written["spec"])[name]["template"]
        assert template["spec"] == group["template"]["spec"]
        assert template["metadata"] == group["template"]["metadata"] | {"labels": CHART_LABELS}


def test_a_field_of_a_head_restarts_the_cluster_and_one_of_a_worker_its_group() -> None:
    before = plan(additionalWorkerGroups={"a": {}})
    of_head = plan(
        additionalWorkerGroups={"a": {}},
        spec={"headGroupSpec": {"template": {"spec": {"hostNetwork": True}}}},
    )
    assert not set(fingerprints(of_head)) & set(fingerprints(before))
    workers = ray_cluster_spec(before.values)["workerGroupSpecs"]
    workers[1]["template"]["spec"]["hostNetwork"] = True
    workers[0]["scaleStrategy"] = {"workersToDelete": ["x"]}
    of_worker = plan(additionalWorkerGroups={"a": {}}, spec={"workerGroupSpecs": workers})
    changed = [
        a.name for a, b in zip(of_worker.groups, before.groups, strict=True) if a.fingerprint != b.fingerprint
    ]
    assert changed == ["a"]
    for group in of_worker.groups:
        metadata = groups_of(of_worker.spec)[group.name]["template"]["metadata"]
        assert metadata["annotations"][TEMPLATE_ANNOTATION] == group.fingerprint


def test_groups_that_a_spec_puts_in_place_of_others_count_like_any() -> None:
    group = {
        "groupName": "big",
        "replicas": 2,
        "minReplicas": 0,
        "maxReplicas": 3,
        "template": {"spec": {"containers": [CONTAINER]}},
    }
    found = plan(spec={"workerGroupSpecs": [group]})
    assert [(each.name, each.count, each.cpu, each.memory, each.image) for each in found.groups] == [
        ("head", "1", "1", "2G", "rayproject/ray:2.46.0-py310"),
        ("big", "2", "4", "8G", "registry.example/ray:1"),
    ]
    assert (found.cpu, found.memory) == ("9", "18G")


def test_a_suspended_cluster_wants_no_pods() -> None:
    found = plan(spec={"suspend": True})
    assert [(group.pods, group.at_most) for group in found.groups] == [(0, 0), (0, 0)]
    assert fingerprints(found) == fingerprints(plan())


def test_a_changed_service_of_the_head_makes_the_cluster_anew() -> None:
    assert (
        plan(spec={"headGroupSpec": {"serviceType": "NodePort"}}).service_fingerprint
        != plan().service_fingerprint
    )
    assert plan(spec={"headServiceAnnotations": {"a": "b"}}).service_fingerprint != plan().service_fingerprint
    assert plan(spec={"headServiceAnnotations": {}}).service_fingerprint == plan().service_fingerprint
    assert (
        plan(spec={"headGroupSpec": {"enableIngress": True}}).service_fingerprint
        == plan().service_fingerprint
    )


def test_kuberays_own_recreate_restarts_pods_with_any_field() -> None:
    recreate = {"upgradeStrategy": {"type": "Recreate"}}
    assert fingerprints(plan("1.6.2", spec=recreate)) == fingerprints(plan("1.6.2", spec={}))
    assert fingerprints(plan("1.6.2", spec=recreate | {"suspend": False})) != fingerprints(plan("1.6.2"))


def test_what_a_spec_gives_jobs_and_services_reaches_them_and_their_clusters() -> None:
    found = stack(
        clusters={},
        jobs={
            "train": {
                "entrypoint": "x",
                "labels": {"a": "b"},
                "annotations": {"c": "d"},
                "spec": {
                    "jobId": "one",
                    "rayClusterSpec": {"headGroupSpec": {"template": {"spec": {"containers": [CONTAINER]}}}},
                },
            }
        },
        services={
            "chat": {
                "serveConfig": {"applications": [{"import_path": "a:b"}]},
                "spec": {"serviceUnhealthySecondThreshold": 5},
            }
        },
    )
    job = found.jobs["train"]
    assert (job.labels, job.annotations, job.spec["jobId"]) == ({"a": "b"}, {"c": "d"}, "one")
    head = job.spec["rayClusterSpec"]["headGroupSpec"]["template"]
    assert head["spec"]["containers"] == [CONTAINER]
    assert head["metadata"]["annotations"][TEMPLATE_ANNOTATION] == job.cluster.head.fingerprint
    assert (job.cluster.cpu, job.cluster.head.image) == ("5", "registry.example/ray:1")
    assert job.spec["submitterPodTemplate"]["spec"]["containers"][0]["image"] == "registry.example/ray:1"
    assert found.services["chat"].spec["serviceUnhealthySecondThreshold"] == 5


def test_a_sealed_plan_shows_sealed_fingerprints_in_its_pods() -> None:
    found = seal_cluster(
        plan(spec={"headGroupSpec": {"template": {"spec": {"hostNetwork": True}}}}), Seal("key")
    )
    for name, group in groups_of(found.spec).items():
        (of_group,) = [each.fingerprint for each in found.groups if each.name == name]
        assert group["template"]["metadata"]["annotations"][TEMPLATE_ANNOTATION] == of_group


def test_values_that_are_read_of_a_spec_say_what_the_spec_says() -> None:
    before = plan(head={"env": {"A": "1"}, "labels": {"l": "m"}, "sidecars": [{"name": "s", "image": "t:1"}]})
    head = values_of_spec(ray_cluster_spec(before.values))["head"]
    for key in (
        "containerEnv",
        "labels",
        "annotations",
        "resources",
        "image",
        "nodeSelector",
        "sidecarContainers",
        "podSecurityContext",
    ):
        assert head[key] == before.values["head"][key]


def test_a_history_server_gets_the_logs_of_every_pod() -> None:
    before, found = plan("1.7.0"), plan("1.7.0", historyServer=HISTORY)
    spec = found.release_values["spec"]
    options = spec["historyServerOptions"]["collectorOptions"]
    assert (options["image"], options["env"][0]) == (
        HISTORY["image"],
        {"name": "STORAGE_BACKEND", "value": "s3"},
    )
    for group in groups_of(spec).values():
        pod = group["template"]["spec"]
        assert [volume["name"] for volume in pod["volumes"]] == ["ray-logs"]
        assert {"name": "ray-logs", "mountPath": "/tmp/ray"} in pod["containers"][0]["volumeMounts"]
    changed = plan("1.7.0", historyServer=HISTORY | {"memory": "1Gi"})
    assert all(
        len(set(of_group)) == 3
        for of_group in zip(*(fingerprints(each) for each in (before, found, changed)), strict=True)
    )


def test_the_cluster_of_a_service_can_have_a_history_server() -> None:
    serve = {"applications": [{"import_path": "a:b"}]}
    found = stack(
        kuberayVersion="1.7.0",
        services={"chat": {"serveConfig": serve, "rayCluster": {"historyServer": HISTORY}}},
    )
    assert "collectorOptions" in found.services["chat"].spec["rayClusterConfig"]["historyServerOptions"]


def test_a_queue_is_a_label_of_whatever_waits_in_it() -> None:
    queue = {"name": "team", "priorityClass": "high"}
    labels = {"kueue.x-k8s.io/queue-name": "team", "kueue.x-k8s.io/priority-class": "high"}
    serve = {"applications": [{"import_path": "a:b"}]}
    found = stack(
        clusters={"ray": {"queue": queue, "labels": {"a": "b"}}},
        jobs={"train": {"entrypoint": "x", "queue": queue}},
        services={"chat": {"serveConfig": serve, "queue": {"name": "team"}}},
    )
    assert found.clusters["ray"].release_values["metadata"]["labels"] == CHART_LABELS | labels | {"a": "b"}
    assert found.jobs["train"].labels == labels
    assert found.services["chat"].labels == {"kueue.x-k8s.io/queue-name": "team"}
