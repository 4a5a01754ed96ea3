"""What jobs and services cannot do with is refused, with the reason."""

import json
from typing import Any

import pytest

from kuberay.checks.loading import SettingsError
from tests.stack_config import load

NO_DASHBOARD = {"head": {"rayStartParams": {"include-dashboard": False}}}
SERVE = {"applications": [{"import_path": "a:b"}]}
REDIS = {"gcsFaultTolerance": {"redisAddress": "redis:6379", "externalStorageNamespace": "team"}}


def problems(**settings: Any) -> list[str]:
    try:
        load(**settings)
    except SettingsError as error:
        return error.problems
    return []


def test_a_job_and_a_service_need_the_dashboard() -> None:
    assert problems(
        clusters={"small": NO_DASHBOARD},
        jobs={
            "own": {"entrypoint": "true", "rayCluster": NO_DASHBOARD},
            "shared": {"entrypoint": "true", "cluster": "small"},
        },
        services={"chat": {"serveConfig": SERVE, "rayCluster": NO_DASHBOARD}},
    ) == [
        (
            'kuberay:jobs.own.rayCluster.head.rayStartParams.include-dashboard: "false" cannot be here: '
            "KubeRay submits the job to the dashboard; leave it out"
        ),
        (
            'kuberay:services.chat.rayCluster.head.rayStartParams.include-dashboard: "false" cannot be here: '
            "KubeRay asks the dashboard how the applications are; leave it out"
        ),
        (
            'kuberay:jobs.shared.cluster: "small" has no dashboard (rayStartParams.include-dashboard: false),'
            " to which KubeRay submits jobs"
        ),
    ]
    assert problems(clusters={"small": NO_DASHBOARD}) == []


@pytest.mark.parametrize("spelt", ["False", "no", "0", "f", "n", "off", "'false'", '"No"'])
def test_a_dashboard_is_off_however_ray_takes_it_for_that(spelt: str) -> None:
    config = {"head": {"rayStartParams": {"include-dashboard": spelt}}}
    assert problems(jobs={"own": {"entrypoint": "true", "rayCluster": config}}) == [
        f"kuberay:jobs.own.rayCluster.head.rayStartParams.include-dashboard: {json.dumps(spelt)} cannot be"
        " here: KubeRay submits the job to the dashboard; leave it out"
    ]
    assert problems(clusters={"small": config}) == []


@pytest.mark.parametrize(
    ("spelt", "refused"), [("False", True), ("FALSE", True), ("no", False), ("'false'", False)]
)
def test_a_log_monitor_is_left_out_by_words_that_every_version_passes_on(spelt: str, refused: bool) -> None:
    said = problems(clusters={"a": {"head": {"rayStartParams": {"include-log-monitor": spelt}}}})
    why = "has no effect before KubeRay 1.7.0, which alone passes it on; kuberayVersion is 1.3.0"
    assert said == (
        [f'kuberay:clusters.a.head.rayStartParams.include-log-monitor: "{spelt}" {why}'] if refused else []
    )


@pytest.mark.parametrize(("version", "refused"), [("1.3.0", True), ("1.6.2", True), ("1.7.0", False)])
def test_a_log_monitor_is_left_out_from_the_version_on_that_passes_it_on(version: str, refused: bool) -> None:
    said = problems(
        kuberayVersion=version, clusters={"a": {"head": {"rayStartParams": {"include-log-monitor": "false"}}}}
    )
    why = f"has no effect before KubeRay 1.7.0, which alone passes it on; kuberayVersion is {version}"
    assert said == (
        [f'kuberay:clusters.a.head.rayStartParams.include-log-monitor: "false" {why}'] if refused else []
    )


@pytest.mark.parametrize("version", ["1.3.0", "1.6.2"])
def test_a_storage_is_one_clusters_alone(version: str) -> None:
    at = "gcsFaultTolerance.externalStorageNamespace"
    assert problems(
        kuberayVersion=version,
        clusters={"a": REDIS, "b": REDIS},
        jobs={"tried": {"entrypoint": "true", "backoffLimit": 2, "rayCluster": REDIS}},
        services={"chat": {"serveConfig": SERVE, "rayCluster": REDIS}},
    ) == [
        (
            f'kuberay:clusters.b.{at}: "team" is that of clusters.a in the same Redis too: each would take'
            " the other's state; choose another"
        ),
        (
            f'kuberay:jobs.tried.rayCluster.{at}: "team" would be shared by the clusters of all tries'
            " (backoffLimit), and each take the state of the one before; leave it out"
        ),
        (
            f'kuberay:services.chat.rayCluster.{at}: "team" would be shared by the two clusters of an'
            " upgrade, and the new one take the old one's state; leave it out"
        ),
    ]


@pytest.mark.parametrize("address", ["redis://redis:6379", "Redis:6379", "rediss://REDIS:6379"])
def test_a_redis_is_the_same_however_its_address_is_written(address: str) -> None:
    same = {"gcsFaultTolerance": {"redisAddress": address, "externalStorageNamespace": "team"}}
    why = "is that of clusters.a in the same Redis too: each would take the other's state; choose another"
    assert problems(clusters={"a": REDIS, "b": same}) == [
        f'kuberay:clusters.b.gcsFaultTolerance.externalStorageNamespace: "team" {why}'
    ]


def test_a_redis_of_the_environment_that_all_groups_share_is_the_same_too() -> None:
    raw = {
        "annotations": {"ray.io/ft-enabled": "true", "ray.io/external-storage-namespace": "team"},
        "common": {"containerEnv": [{"name": "RAY_REDIS_ADDRESS", "value": "redis:6379"}]},
    }
    (line,) = problems(clusters={"a": REDIS, "b": {"values": raw}})
    assert "is that of clusters.a in the same Redis too" in line


def test_fault_tolerance_that_raw_values_turn_off_shares_nothing() -> None:
    off = REDIS | {"values": {"gcsFaultTolerance": {"enabled": False}}}
    assert problems(kuberayVersion="1.6.2", clusters={"a": REDIS, "b": off}) == []


def test_storages_that_differ_in_their_redis_or_their_prefix_are_two() -> None:
    other = {"gcsFaultTolerance": {"redisAddress": "other:6379", "externalStorageNamespace": "team"}}
    own = {"gcsFaultTolerance": {"redisAddress": "redis:6379", "externalStorageNamespace": "own"}}
    once = {"once": {"entrypoint": "true", "rayCluster": own}}
    default = {"gcsFaultTolerance": {"redisAddress": "redis:6379"}}
    assert problems(clusters={"a": REDIS, "b": other, "c": default, "d": default}, jobs=once) == []


def test_an_operator_that_does_not_watch_the_stacks_own_namespace_is_refused() -> None:
    values = {"values": {"watchNamespace": ["team-a"]}}
    assert problems(operator=values) == [
        'kuberay:operator.values.watchNamespace: ["team-a"] leaves out kuberay, the namespace of this stack: '
        "its operator would make no pods here; add it"
    ]
    assert problems(operator={"values": {"watchNamespace": ["team-a", "kuberay"]}}) == []


@pytest.mark.parametrize("none", [0, "0"])
def test_an_operator_without_a_pod_is_refused(none: Any) -> None:
    settings = {"kuberayVersion": "1.6.2", "operator": {"values": {"replicas": none}}}
    assert problems(**settings) == [
        f"kuberay:operator.values.replicas: {json.dumps(none)} would leave no operator that makes pods; leave"
        " it out"
    ]
