"""What the API server is asked about is what KubeRay's operator would make."""

from typing import Any

from kuberay.plan.dry_run import questions, what_changes
from kuberay.plan.stack import StackPlan, plan_stack
from kuberay.settings.stack import StackSettings


def plan(**settings: Any) -> StackPlan:
    return plan_stack(StackSettings.model_validate(settings))


def asked(stack: StackPlan, whose: str) -> dict[str, dict[str, Any]]:
    return {question.what.partition(", ")[2]: question.manifest for question in questions(stack, whose)}


def test_a_cluster_is_its_custom_resource_a_pod_of_each_group_and_the_service_of_its_head() -> None:
    found = asked(plan(clusters={"ray": {"additionalWorkerGroups": {"gpu": {"gpus": 1}}}}), "clusters.ray")
    assert {what: manifest["kind"] for what, manifest in found.items()} == {
        "its RayCluster": "RayCluster",
        "a pod of the head": "Pod",
        "a pod of workergroup": "Pod",
        "a pod of gpu": "Pod",
        "the Service of its head": "Service",
    }
    assert found["a pod of gpu"]["metadata"]["labels"] == {
        "ray.io/cluster": "ray-kuberay",
        "ray.io/group": "gpu",
    }
    assert found["a pod of gpu"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert {manifest["metadata"]["namespace"] for manifest in found.values()} == {"kuberay"}


def test_pods_have_what_the_operator_adds_to_them() -> None:
    found = asked(plan(clusters={"ray": {"autoscaling": {}, "worker": {"maxReplicas": 2}}}), "clusters.ray")
    head, worker = found["a pod of the head"]["spec"], found["a pod of workergroup"]["spec"]
    assert [container["name"] for container in head["containers"]] == ["ray-head", "autoscaler"]
    assert head["containers"][1]["resources"]["limits"] == {"cpu": "500m", "memory": "512Mi"}
    assert [container["name"] for container in worker["initContainers"]] == ["wait-gcs-ready"]
    assert {"name": "shared-mem", "mountPath": "/dev/shm"} in worker["containers"][0]["volumeMounts"]


def test_memory_that_an_owner_shares_otherwise_is_left_as_it_is() -> None:
    volumes = {
        "volumes": [{"name": "mine", "emptyDir": {}}],
        "volumeMounts": [{"name": "mine", "mountPath": "/dev/shm"}],
    }
    found = asked(plan(clusters={"ray": {"head": volumes}}), "clusters.ray")
    assert [volume["name"] for volume in found["a pod of the head"]["spec"]["volumes"]] == [
        "log-volume",
        "mine",
    ]


def test_the_heads_own_service_counts_before_the_type_of_the_chart() -> None:
    own = {"spec": {"type": "NodePort", "ports": [{"port": 1}]}, "metadata": {"annotations": {"a": "b"}}}
    values = {"service": {"type": "LoadBalancer"}, "head": {"headService": own}}
    service = asked(plan(clusters={"ray": {"values": values}}), "clusters.ray")["the Service of its head"]
    assert (service["spec"]["type"], service["spec"]["ports"][0], service["metadata"]["annotations"]) == (
        "NodePort",
        {"port": 1},
        {"a": "b"},
    )


def test_kuberay_puts_its_ports_behind_those_of_an_owners_service() -> None:
    ports = [{"name": "dashboard", "port": 8265, "nodePort": 30555}]
    mine = {
        "headService": {"spec": {"ports": ports}},
        "ports": [{"name": "dashboard", "containerPort": 8265}],
    }
    found = asked(plan(clusters={"ray": {"values": {"head": mine}}, "plain": {}}), "clusters.ray")
    assert found["the Service of its head"]["spec"] == {
        "type": "ClusterIP",
        "ports": [*ports, {"name": "metrics", "port": 8080}, {"name": "dashboard", "port": 8265}],
    }


def test_the_service_of_a_head_has_the_ports_of_its_container() -> None:
    named = {"ports": [{"name": "dashboard", "containerPort": 1}, {"containerPort": 2}]}
    clusters = {"plain": {}, "named": {"values": {"head": named}}}
    for name, ports in (
        ("plain", {"metrics": 8080, "client": 10001, "gcs-server": 6379, "dashboard": 8265, "serve": 8000}),
        ("named", {"metrics": 8080, "dashboard": 1, "2-port": 2}),
    ):
        spec = asked(plan(clusters=clusters), f"clusters.{name}")["the Service of its head"]["spec"]
        assert spec == {
            "type": "ClusterIP",
            "clusterIP": "None",
            "ports": [{"name": port, "port": number} for port, number in ports.items()],
        }


def test_jobs_and_services_are_asked_about_with_the_clusters_that_kuberay_makes_for_them() -> None:
    serve = {"applications": [{"import_path": "a:b"}]}
    jobs = {"own": {"entrypoint": "true"}, "shared": {"entrypoint": "true", "cluster": "raycluster"}}
    stack = plan(jobs=jobs, services={"chat": {"serveConfig": serve}})
    of_cluster = ["a pod of the head", "a pod of workergroup", "the Service of its head"]
    assert list(asked(stack, "jobs.own")) == ["its RayJob", "the pod that submits it", *of_cluster]
    assert list(asked(stack, "jobs.shared")) == ["its RayJob", "the pod that submits it"]
    assert list(asked(stack, "services.chat")) == ["its RayService", *of_cluster]


def test_clusters_that_differ_in_their_names_alone_are_asked_about_once() -> None:
    stack = plan(clusters={"one": {}, "two": {}, "three": {"head": {"cpu": 2}}})
    alike = {
        question.is_like()
        for whose in ("clusters.one", "clusters.two")
        for question in questions(stack, whose)
    }
    assert len(alike) == 4
    assert {question.is_like() for question in questions(stack, "clusters.three")} - alike


def test_only_what_a_change_is_about_is_asked_again() -> None:
    before = what_changes(plan(clusters={"one": {}, "two": {}}, jobs={"train": {"entrypoint": "true"}}))
    changed = {"train": {"entrypoint": "true", "activeDeadlineSeconds": 5}}
    after = what_changes(plan(clusters={"one": {}, "two": {"head": {"labels": {"a": "b"}}}}, jobs=changed))
    assert {whose for whose in after if after[whose] != before[whose]} == {"clusters.two", "jobs.train"}


def test_a_custom_resource_is_for_the_crds_to_judge() -> None:
    found = questions(plan(), "clusters.raycluster")
    assert [question.manifest["kind"] for question in found if question.is_custom] == ["RayCluster"]


def test_a_group_with_capitals_in_its_name_has_pods_without() -> None:
    group = {"disabled": False, "replicas": 1, "minReplicas": 1, "maxReplicas": 1, "rayStartParams": {}}
    limits = {"cpu": "1", "memory": "2G"}
    group |= {"resources": {"limits": limits, "requests": limits}}
    found = asked(
        plan(clusters={"ray": {"values": {"additionalWorkerGroups": {"bigGroup": group}}}}), "clusters.ray"
    )
    assert found["a pod of bigGroup"]["metadata"]["generateName"].startswith("ray-kuberay-biggroup-")


def test_a_schedule_is_asked_about_with_the_pod_that_submits_its_runs() -> None:
    stack = plan(
        kuberayVersion="1.6.2", clusters={}, jobs={"nightly": {"entrypoint": "x", "schedule": "@daily"}}
    )
    found = asked(stack, "jobs.nightly")
    assert found["its RayCronJob"]["kind"] == "RayCronJob"
    assert found["its RayCronJob"]["spec"]["jobTemplate"]["entrypoint"] == "x"
    assert {"the pod that submits it", "a pod of the head"} <= found.keys()


def test_the_service_of_applications_is_asked_about_where_settings_say_something_of_it() -> None:
    chat = {"serveConfig": {"applications": [{"import_path": "a:app"}]}}
    stack = plan(
        clusters={},
        services={"chat": chat | {"serveService": {"annotations": {"not a key!": "x"}}}, "plain": chat},
    )
    found = asked(stack, "services.chat")["the Service of its applications"]
    assert (found["spec"]["type"], found["spec"]["ports"][0]["port"]) == ("ClusterIP", 8000)
    assert found["metadata"]["annotations"]["not a key!"] == "x"
    assert "the Service of its applications" not in asked(stack, "services.plain")
