"""From settings to Helm values, and what the values mean in pods."""

import json
import typing
from typing import Any

import pytest

from kuberay.checks.loading import load_settings
from kuberay.facts.labels import TEMPLATE_ANNOTATION
from kuberay.facts.versions import KubeRayVersion
from kuberay.plan.cluster import ClusterPlan, plan_cluster
from kuberay.plan.ray_cluster_spec import ray_cluster_spec
from kuberay.settings.stack import StackSettings

VERSIONS: tuple[str, ...] = typing.get_args(KubeRayVersion)


AUTOSCALED: dict[str, Any] = {"autoscaling": {}, "worker": {"maxReplicas": 5}}


def plan(cluster: dict[str, Any] | None = None, **stack: str) -> ClusterPlan:
    config = {f"kuberay:{key}": value for key, value in stack.items()}
    config["kuberay:clusters"] = json.dumps({"raycluster": cluster or {}})
    return plan_cluster(load_settings(config), "raycluster")


def fingerprints(cluster: dict[str, Any] | None = None, **stack: str) -> dict[str, str]:
    return {group.name: group.fingerprint for group in plan(cluster, **stack).groups}


def restarted(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """The groups whose pods are replaced by a change."""
    old, new = fingerprints(before), fingerprints(after)
    return {name for name in new if name in old and old[name] != new[name]}


def test_the_guides_cluster_has_two_cpus_and_4g() -> None:
    made = plan(architecture="aarch64")
    assert (made.name, made.cpu, made.memory) == ("raycluster-kuberay", "2", "4G")
    assert [group.image for group in made.groups] == ["rayproject/ray:2.46.0-py310-aarch64"] * 2


def test_requests_are_the_limits_unless_told_otherwise() -> None:
    made = plan({"head": {"memory": "8G"}, "worker": {"memory": "8G", "memoryRequest": "4G"}})
    assert made.values["head"]["resources"]["requests"] == {"cpu": "1", "memory": "8G"}
    assert made.values["worker"]["resources"] == {
        "limits": {"cpu": "1", "memory": "8G"},
        "requests": {"cpu": "1", "memory": "4G"},
    }


def test_an_architecture_pins_the_pods_as_well_as_picking_the_image() -> None:
    made = plan({"worker": {"architecture": "arm64", "nodeSelector": {"pool": "ray"}}}, architecture="x86")
    assert made.values["head"]["nodeSelector"] == {"kubernetes.io/arch": "amd64"}
    assert made.values["worker"]["nodeSelector"] == {"kubernetes.io/arch": "arm64", "pool": "ray"}
    assert made.values["worker"]["image"]["tag"] == "2.46.0-py310-aarch64"


def test_an_image_is_taken_by_its_digest() -> None:
    reference = f"registry.example:5000/team/ray@sha256:{'0a' * 32}"
    made = plan(image=reference)
    assert [group.image for group in made.groups] == [reference] * 2
    # The chart writes a colon between the two.
    assert made.values["head"]["image"]["repository"] == "registry.example:5000/team/ray@sha256"


def test_an_image_is_always_written_whole() -> None:
    # Chart 1.3.0 renders `:<tag>` from an image with a tag alone.
    for group in ("head", "worker"):
        assert set(plan().values[group]["image"]) == {"repository", "tag", "pullPolicy"}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {"worker": {"memory": "4G"}}, {"workergroup"}),
        ({}, {"head": {"memory": "4G"}}, {"head", "workergroup"}),
        ({}, {"rayVersion": "2.47.0"}, {"head", "workergroup"}),
        ({}, {"worker": {"env": {"A": "b"}}}, {"workergroup"}),
        ({}, {"worker": {"rayStartParams": {"num-cpus": 4}}}, {"workergroup"}),
        ({}, {"worker": {"replicas": 3}}, set()),
        ({}, {"worker": {"maxReplicas": 9}}, set()),
        ({}, {"worker": {"gpus": 1}}, {"workergroup"}),
        (
            {"worker": {"maxReplicas": 2}},
            {"autoscaling": {}, "worker": {"maxReplicas": 2}},
            {"head", "workergroup"},
        ),
        (
            AUTOSCALED,
            AUTOSCALED | {"autoscaling": {"idleTimeoutSeconds": 5, "upscalingMode": "Conservative"}},
            set(),
        ),
        (AUTOSCALED, AUTOSCALED | {"autoscaling": {"memory": "1Gi"}}, {"head", "workergroup"}),
        ({}, {"additionalWorkerGroups": {"big": {"memory": "64G"}}}, set()),
        ({}, {"upgradeStrategy": "None"}, set()),
        ({}, {"values": {"worker": {"priorityClassName": "high"}}}, {"workergroup"}),
        (
            {},
            {"values": {"common": {"containerEnv": [{"name": "A", "value": "b"}]}}},
            {"head", "workergroup"},
        ),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_only_what_lands_in_pods_restarts_them(
    before: dict[str, Any], after: dict[str, Any], expected: set[str]
) -> None:
    assert restarted(before, after) == expected


def test_pods_carry_the_fingerprint_of_their_template() -> None:
    made = plan()
    for name, group in zip(("head", "worker"), made.groups, strict=True):
        assert made.values[name]["annotations"][TEMPLATE_ANNOTATION] == group.fingerprint


def test_a_new_service_type_takes_a_new_cluster_and_nothing_else_does() -> None:
    plain, exposed = plan(), plan({"values": {"service": {"type": "NodePort"}}})
    assert plain.service_fingerprint != exposed.service_fingerprint
    assert plain.service_fingerprint == plan({"head": {"memory": "8G"}}).service_fingerprint


def test_totals_count_every_pod_of_every_group() -> None:
    made = plan(
        {
            "worker": {"replicas": 2, "cpu": "500m"},
            "additionalWorkerGroups": {"big": {"replicas": 3, "cpu": 4, "memory": "16G"}},
        }
    )
    assert (made.cpu, made.memory) == ("14", "54G")


def test_raw_values_count_in_totals_too() -> None:
    raw = {"worker": {"replicas": 4, "maxReplicas": 4, "resources": {"limits": {"memory": "4G"}}}}
    made = plan({"values": raw})
    assert made.memory == "18G"
    assert made.groups[1].pods == 4


def test_a_group_that_is_left_out_has_no_pods() -> None:
    made = plan({"worker": {"enabled": False}})
    assert [group.name for group in made.groups] == ["head"]
    assert made.values["worker"]["disabled"] is True


def test_the_resource_is_named_as_the_chart_would_name_it() -> None:
    config = {
        "kuberay:clusters": json.dumps({"my-kuberay": {}, "team": {}, "x": {"values": {"nameOverride": "y"}}})
    }
    settings = load_settings(config)
    assert [plan_cluster(settings, name).name for name in settings.clusters] == [
        "my-kuberay",
        "team-kuberay",
        "x-y",
    ]


def test_planning_leaves_the_settings_as_they_are() -> None:
    settings = load_settings(
        {
            "kuberay:clusters": json.dumps(
                {"a": {"values": {"additionalWorkerGroups": {"b": {"replicas": 0}}}}}
            )
        }
    )
    before = settings.model_dump_json()
    plan_cluster(settings, "a")
    assert settings.model_dump_json() == before


def test_gpus_take_their_image_their_nodes_and_their_place_in_the_totals() -> None:
    made = plan({"worker": {"gpus": 2, "replicas": 3}})
    worker = made.values["worker"]
    assert (
        worker["resources"]["limits"]["nvidia.com/gpu"]
        == worker["resources"]["requests"]["nvidia.com/gpu"]
        == 2
    )
    assert worker["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert (worker["image"]["tag"], made.head.image) == ("2.46.0-py310-gpu", "rayproject/ray:2.46.0-py310")
    assert made.gpus == 6


def test_an_image_flavour_of_ones_own_stays_with_gpus() -> None:
    assert (
        plan({"worker": {"gpus": 1, "accelerator": "cu124"}}).values["worker"]["image"]["tag"]
        == "2.46.0-py310-cu124"
    )


def test_a_slice_over_several_hosts_counts_each_host_as_a_pod() -> None:
    made = plan({"worker": {"tpus": 4, "numOfHosts": 4, "replicas": 2}})
    assert made.groups[1].pods == 8
    assert made.values["worker"]["numOfHosts"] == 4
    assert made.values["worker"]["resources"]["limits"]["google.com/tpu"] == 4


def test_an_autoscaler_chooses_between_minimum_and_maximum() -> None:
    made = plan(
        {
            "autoscaling": {"idleTimeoutSeconds": 120},
            "worker": {"minReplicas": 1, "replicas": 2, "maxReplicas": 9},
        }
    )
    worker = made.groups[1]
    assert (worker.pods, worker.at_least, worker.at_most, worker.count) == (2, 1, 9, "1-9")
    assert made.values["head"]["enableInTreeAutoscaling"] is True
    assert made.values["head"]["autoscalerOptions"]["idleTimeoutSeconds"] == 120


def test_autoscaler_v2_is_turned_on_the_way_every_kuberay_takes() -> None:
    made = plan(AUTOSCALED | {"autoscaling": {"version": "v2"}})
    assert {"name": "RAY_enable_autoscaler_v2", "value": "1"} in made.values["head"]["containerEnv"]
    assert [made.values[group]["restartPolicy"] for group in ("head", "worker")] == ["Never", "Never"]
    assert made.values["worker"]["containerEnv"] == []


def test_a_service_that_says_nothing_of_its_name_leaves_it_to_kuberay() -> None:
    for service in (None, {"metadata": None}, {"metadata": {"annotations": {"a": "b"}}}):
        assert (
            plan({"values": {"head": {"headService": service}}}).head_service == "raycluster-kuberay-head-svc"
        )


def test_claims_of_devices_go_through_as_they_are() -> None:
    resources = {"limits": {"memory": "2048Mi"}, "claims": [{"name": "gpu"}]}
    (group,) = ray_cluster_spec(plan({"values": {"worker": {"resources": resources}}}).values)[
        "workerGroupSpecs"
    ]
    assert group["template"]["spec"]["containers"][0]["resources"] == {
        "limits": {"cpu": "1", "memory": "2Gi"},
        "requests": {"cpu": "1", "memory": "2G"},
        "claims": [{"name": "gpu"}],
    }


RAW_IMAGE = {"repository": "registry.example/ray", "tag": "1"}


@pytest.mark.parametrize(
    ("stack", "cluster", "raw", "images"),
    [
        ({}, {}, RAW_IMAGE, ["registry.example/ray:1"] * 2),
        ({}, {"head": {"image": "own/head:2"}}, RAW_IMAGE, ["own/head:2", "registry.example/ray:1"]),
        ({}, {"image": "own/ray:2"}, RAW_IMAGE, ["registry.example/ray:1"] * 2),
        ({"image": "own/ray:2"}, {}, {"tag": "3"}, ["own/ray:3"] * 2),
        (
            {},
            {"worker": {"gpus": 1}},
            {"repository": "mirror/ray"},
            ["mirror/ray:2.46.0-py310", "mirror/ray:2.46.0-py310-gpu"],
        ),
        ({}, {}, {"tag": "2.46.0-py311"}, ["rayproject/ray:2.46.0-py311"] * 2),
        ({}, {}, {"pullPolicy": "Always"}, ["rayproject/ray:2.46.0-py310"] * 2),
    ],
)
def test_an_image_at_the_top_of_raw_values_counts_for_groups_without_one_of_their_own(
    stack: dict[str, str], cluster: dict[str, Any], raw: dict[str, Any], images: list[str]
) -> None:
    made = plan(cluster | {"values": {"image": raw}}, **stack)
    assert [group.image for group in made.groups] == images
    policy = raw.get("pullPolicy", "IfNotPresent")
    assert {made.values[group]["image"]["pullPolicy"] for group in ("head", "worker")} == {policy}


def test_a_groups_own_raw_image_goes_before_the_one_at_the_top() -> None:
    made = plan({"values": {"image": RAW_IMAGE, "worker": {"image": {"tag": "2"}}}})
    assert [group.image for group in made.groups] == ["registry.example/ray:1", "registry.example/ray:2"]


@pytest.mark.parametrize(
    ("raw", "restricted"),
    [
        (RAW_IMAGE, False),
        ({"repository": "mirror/rayproject/ray", "tag": "2.46.0"}, True),
        ({"tag": "2.46.0"}, True),
    ],
)
def test_what_an_image_at_the_top_of_raw_values_runs_as_is_known_where_it_is_one_of_rays(
    raw: dict[str, str], restricted: bool
) -> None:
    made = plan({"values": {"image": raw}})
    assert {bool(made.values[group]["podSecurityContext"]) for group in ("head", "worker")} == {restricted}


@pytest.mark.parametrize("ray_version", ["2.46.0", "2.52.0"])
def test_the_pods_are_the_same_at_every_version(ray_version: str) -> None:
    stacks = [
        StackSettings.model_validate({"kuberayVersion": version, "rayVersion": ray_version})
        for version in VERSIONS
    ]
    assert (
        len(
            {
                tuple(group.fingerprint for group in plan_cluster(stack, "raycluster").groups)
                for stack in stacks
            }
        )
        == 1
    )
