"""What a plan reads of an owner's spec is told by key before anything reads it."""

from typing import Any

import pytest

from kuberay.checks.loading import SettingsError, load_plan
from tests.stack_config import as_config

HERE = "kuberay:clusters.ray.spec"


def refused(spec: Any, **settings: Any) -> list[str]:
    with pytest.raises(SettingsError) as error:
        load_plan(as_config({"clusters": {"ray": {"spec": spec}}} | settings))
    return error.value.problems


NAMED = "must be a list of maps with a name each, Ray's container first"


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        ({"headGroupSpec": []}, ".headGroupSpec: [] must be a map"),
        ({"suspend": "true"}, '.suspend: "true" must be true or false, without quotes'),
        ({"workerGroupSpecs": {"a": 1}}, '.workerGroupSpecs: {"a": 1} must be a list of maps'),
        (
            {"workerGroupSpecs": [{"groupName": "a"}]},
            (
                ".workerGroupSpecs.0.template: null is required: a group of this list stands in place of the"
                " settings' groups"
            ),
        ),
        (
            {"workerGroupSpecs": [{"groupName": "a", "template": {}}]},
            f".workerGroupSpecs.0.template.spec.containers: null {NAMED}",
        ),
        ({"headGroupSpec": {"template": {"spec": []}}}, ".headGroupSpec.template.spec: [] must be a map"),
        (
            {"headGroupSpec": {"template": {"spec": {"containers": []}}}},
            f".headGroupSpec.template.spec.containers: [] {NAMED}",
        ),
        (
            {"headGroupSpec": {"template": {"spec": {"containers": [{"name": "ray"}]}}}},
            (
                ".headGroupSpec.template.spec.containers.0.image: null must be text: the image of Ray's"
                " container"
            ),
        ),
        (
            {
                "headGroupSpec": {
                    "template": {
                        "spec": {
                            "containers": [{"name": "r", "image": "i:1", "env": [{"name": "A", "value": 1}]}]
                        }
                    }
                }
            },
            ".headGroupSpec.env.A: 1 must be text; quote it",
        ),
    ],
)
def test_a_spec_of_another_shape_is_told_by_key(spec: Any, line: str) -> None:
    assert refused(spec) == [HERE + line]


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        ({"submitterPodTemplate": "x"}, '.submitterPodTemplate: "x" must be a map'),
        ({"submitterPodTemplate": {"metadata": []}}, ".submitterPodTemplate.metadata: [] must be a map"),
        ({"submitterPodTemplate": {"spec": None}}, ".submitterPodTemplate.spec: null must be a map"),
        (
            {"submitterPodTemplate": {"spec": {"containers": []}}},
            ".submitterPodTemplate.spec.containers: [] must be a list of maps with a name each, the container"
            " that submits the job first",
        ),
    ],
)
def test_a_spec_of_a_job_of_another_shape_is_told_by_key(spec: Any, line: str) -> None:
    assert refused({}, jobs={"train": {"entrypoint": "x", "spec": spec}}) == [
        f"kuberay:jobs.train.spec{line}"
    ]
    scheduled = {"entrypoint": "x", "schedule": "@daily", "spec": {"jobTemplate": spec}}
    assert refused({}, kuberayVersion="1.6.2", jobs={"train": scheduled}) == [
        f"kuberay:jobs.train.spec.jobTemplate{line}"
    ]


@pytest.mark.parametrize("below", ["serveService", "serveService.spec", "serveService.metadata"])
def test_a_spec_of_a_service_of_another_shape_is_told_by_key(below: str) -> None:
    spec: Any = "x"
    for key in reversed(below.split(".")):
        spec = {key: spec}
    serve = {"applications": [{"name": "a", "import_path": "a:b"}]}
    assert refused({}, services={"chat": {"serveConfig": serve, "spec": spec}}) == [
        f'kuberay:services.chat.spec.{below}: "x" must be a map'
    ]


def test_a_job_on_a_cluster_of_the_stack_has_no_cluster_to_give_fields_to() -> None:
    jobs = {"train": {"entrypoint": "x", "cluster": "ray", "spec": {"rayClusterSpec": {}}}}
    assert refused({}, jobs=jobs) == [
        "kuberay:jobs.train.spec.rayClusterSpec: {} is for a cluster of the job's own; it has none with"
        " cluster"
    ]


def test_a_container_of_a_setting_is_told_like_any_value_of_a_chart() -> None:
    clusters = {"ray": {"worker": {"sidecars": [{"name": "a", "env": [{"name": "B", "value": True}]}]}}}
    assert refused({}, clusters=clusters) == [
        "kuberay:clusters.ray.worker.sidecars.0.env.B: true must be text; quote it"
    ]


def test_a_setting_of_a_group_that_its_version_does_not_know_is_refused_by_name() -> None:
    assert refused({}, clusters={"ray": {"head": {"rayLabels": {"zone": "a"}}}}) == [
        'kuberay:clusters.ray.head.rayLabels: {"zone": "a"} needs KubeRay 1.5.0 or later; kuberayVersion is'
        " 1.3.0"
    ]
    assert refused({}, clusters={"ray": {"worker": {"idleTimeoutSeconds": 5}}}) == [
        "kuberay:clusters.ray.worker.idleTimeoutSeconds: 5 is read by the second version of the autoscaler"
        " alone; set autoscaling.version: v2"
    ]
