"""From settings to RayJobs and RayCronJobs."""

import json
from typing import Any

import pytest
import yaml

from kuberay.checks.loading import load_plan
from kuberay.plan.job import JobPlan

WORKERS = [{"policy": "DeleteWorkers"}]


def job(
    name: str = "train",
    *,
    stack: dict[str, str] | None = None,
    clusters: dict[str, Any] | None = None,
    **settings: Any,
) -> JobPlan:
    config = {f"kuberay:{key}": value for key, value in (stack or {}).items()}
    config["kuberay:jobs"] = json.dumps({name: {"entrypoint": "python train.py"} | settings})
    config["kuberay:clusters"] = json.dumps(clusters or {"raycluster": {}})
    return load_plan(config).jobs[name]


def test_a_job_has_a_cluster_of_its_own_that_goes_when_it_is_over() -> None:
    spec = job(rayCluster={"worker": {"replicas": 3}}, ttlSecondsAfterFinished=60).spec
    assert spec["rayClusterSpec"]["workerGroupSpecs"][0]["replicas"] == 3
    assert (spec["shutdownAfterJobFinishes"], spec["ttlSecondsAfterFinished"]) == (True, 60)
    assert "clusterSelector" not in spec


def test_a_job_on_a_cluster_of_the_stack_finds_it_by_its_resource_name() -> None:
    spec = job(cluster="raycluster").spec
    assert spec["clusterSelector"] == {"ray.io/cluster": "raycluster-kuberay"}
    assert "rayClusterSpec" not in spec


def test_the_runtime_environment_is_handed_over_as_yaml() -> None:
    environment = {"pip": ["torch"], "env_vars": {"A": "1"}}
    assert yaml.safe_load(job(runtimeEnv=environment).spec["runtimeEnvYAML"]) == environment


def test_the_entrypoints_resources_are_handed_over_as_kuberay_takes_them() -> None:
    spec = job(entrypointNumCpus=0.5, entrypointNumGpus=1, entrypointResources={"disk": 2}).spec
    assert (
        spec["entrypointNumCpus"],
        spec["entrypointNumGpus"],
        json.loads(spec["entrypointResources"]),
    ) == (0.5, 1, {"disk": 2})


@pytest.mark.parametrize("where", [{"cluster": "raycluster"}, {"rayCluster": {}}])
def test_the_submitter_runs_on_nodes_of_its_images_architecture(where: dict[str, Any]) -> None:
    pod = job(stack={"architecture": "arm64", "imagePullSecrets": '["pull"]'}, **where).spec[
        "submitterPodTemplate"
    ]["spec"]
    assert pod["nodeSelector"] == {"kubernetes.io/arch": "arm64"}
    assert pod["containers"][0]["image"] == "rayproject/ray:2.46.0-py310-aarch64"
    assert pod["imagePullSecrets"] == [{"name": "pull"}]
    # KubeRay fills in the command where there is none.
    assert "command" not in pod["containers"][0]


def test_the_submitter_may_do_no_more_than_the_head() -> None:
    spec = job().spec
    head, submitter = (
        spec["rayClusterSpec"]["headGroupSpec"]["template"]["spec"],
        spec["submitterPodTemplate"]["spec"],
    )
    assert submitter["securityContext"] == head["securityContext"]
    assert submitter["containers"][0]["securityContext"] == head["containers"][0]["securityContext"]


def test_the_operator_submits_by_itself_in_http_mode() -> None:
    assert "submitterPodTemplate" not in job(submissionMode="HTTPMode").spec


@pytest.mark.parametrize(
    ("change", "runs_again"),
    [
        ({"entrypoint": "python other.py"}, True),
        ({"runtimeEnv": {"pip": ["torch"]}}, True),
        ({"rayCluster": {"worker": {"memory": "4G"}}}, True),
        ({"cluster": "raycluster"}, True),
        ({"ttlSecondsAfterFinished": 60}, False),
        ({"backoffLimit": 2}, False),
        ({"activeDeadlineSeconds": 60}, False),
        ({"wait": False, "timeoutSeconds": 60}, False),
    ],
)
def test_a_job_runs_again_when_what_it_runs_has_changed(change: dict[str, Any], runs_again: bool) -> None:
    assert (job().fingerprint != job(**change).fingerprint) == runs_again


def test_a_job_does_not_run_again_because_its_cluster_has_changed() -> None:
    before = job(cluster="a", clusters={"a": {}})
    after = job(cluster="a", clusters={"a": {"rayVersion": "2.47.0"}})
    assert before.fingerprint == after.fingerprint
    assert before.spec != after.spec


def test_a_cluster_of_its_own_asks_for_a_token_where_kuberay_can_make_one() -> None:
    new = {"rayVersion": "2.52.0", "kuberayVersion": "1.6.2"}
    assert job(stack=new).spec["rayClusterSpec"]["authOptions"] == {"mode": "token"}
    assert "authOptions" not in job(stack=new | {"kuberayVersion": "1.3.0"}).spec["rayClusterSpec"]
    assert (
        "authOptions"
        not in job(stack=new | {"protection": '{"tokenAuthentication": "disabled"}'}).spec["rayClusterSpec"]
    )


def test_amounts_are_written_as_the_operator_writes_them() -> None:
    # Else each refresh would find the job changed.
    spec = job(rayCluster={"head": {"cpu": 0.5, "memory": "2048Mi"}}).spec["rayClusterSpec"]
    limits = spec["headGroupSpec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert limits == {"cpu": "500m", "memory": "2Gi"}


def test_a_job_of_a_schedule_is_a_raycronjob_of_the_job_that_it_would_be() -> None:
    new = {"kuberayVersion": "1.7.0"}
    once, nightly = (
        job(stack=new),
        job(stack=new, schedule="0 2 * * *", timeZone="Europe/Berlin", suspend=True),
    )
    assert (once.kind, nightly.kind) == ("RayJob", "RayCronJob")
    when = {"schedule": "0 2 * * *", "timeZone": "Europe/Berlin", "suspend": True}
    assert nightly.spec == when | {"jobTemplate": once.spec}
    assert nightly.run == once.run == once.spec
    assert (once.is_waited_for, nightly.is_waited_for) == (True, False)


def test_the_time_zone_stands_in_the_schedule_where_kuberay_has_no_field_for_it() -> None:
    spec = job(stack={"kuberayVersion": "1.6.2"}, schedule="@daily", timeZone="Europe/Berlin").spec
    assert (spec["schedule"], "timeZone" in spec) == ("CRON_TZ=Europe/Berlin @daily", False)


def test_a_suspended_job_says_so_and_nothing_waits_for_it() -> None:
    assert job(suspend=True).spec["suspend"] is True
    assert not job(suspend=True).is_waited_for
    assert "suspend" not in job().spec


def test_the_submitter_asks_for_what_the_settings_say_and_for_no_more_than_its_limit() -> None:
    small = {
        "cpu": 0.1,
        "memory": "1G",
        "memoryRequest": "500M",
        "serviceAccountName": "submits",
        "backoffLimit": 5,
    }
    spec = job(submitter=small).spec
    (container,) = spec["submitterPodTemplate"]["spec"]["containers"]
    assert container["resources"] == {
        "limits": {"cpu": "100m", "memory": "1G"},
        "requests": {"cpu": "100m", "memory": "500M"},
    }
    assert spec["submitterPodTemplate"]["spec"]["serviceAccountName"] == "submits"
    assert spec["submitterConfig"] == {"backoffLimit": 5}


def test_kuberay_is_told_of_no_submitter_where_it_goes_beside_ray() -> None:
    spec = job(stack={"kuberayVersion": "1.6.2"}, submissionMode="SidecarMode").spec
    assert (spec["submissionMode"], {"submitterPodTemplate", "submitterConfig"} & spec.keys()) == (
        "SidecarMode",
        set(),
    )


@pytest.mark.parametrize(
    ("version", "ends"),
    [
        ("1.5.1", [{"jobStatus": "SUCCEEDED"}, {"jobStatus": "FAILED"}]),
        ("1.6.0", [{"jobStatus": "SUCCEEDED"}, {"jobStatus": "FAILED"}, {"jobDeploymentStatus": "Failed"}]),
    ],
)
def test_a_rule_is_for_every_end_that_a_version_knows(version: str, ends: list[dict[str, str]]) -> None:
    spec = job(stack={"kuberayVersion": version}, deletionRules=WORKERS).spec
    rules = [{"policy": "DeleteWorkers", "condition": {**end, "ttlSeconds": 0}} for end in ends]
    assert spec["deletionStrategy"] == {"deletionRules": rules}
    # KubeRay refuses both together.
    assert not {"shutdownAfterJobFinishes", "ttlSecondsAfterFinished"} & spec.keys()


def test_a_rule_is_a_policy_where_kuberay_knows_no_rules() -> None:
    spec = job(stack={"kuberayVersion": "1.4.2"}, deletionRules=WORKERS).spec
    assert (spec["deletionPolicy"], "deletionStrategy" in spec) == ("DeleteWorkers", False)


def test_rules_for_one_end_have_their_own_time() -> None:
    rules = [
        {"policy": "DeleteWorkers", "jobStatus": "SUCCEEDED"},
        {"policy": "DeleteCluster", "jobStatus": "SUCCEEDED", "ttlSeconds": 60},
    ]
    spec = job(stack={"kuberayVersion": "1.6.2"}, deletionRules=rules).spec
    assert [rule["condition"] for rule in spec["deletionStrategy"]["deletionRules"]] == [
        {"jobStatus": "SUCCEEDED", "ttlSeconds": 0},
        {"jobStatus": "SUCCEEDED", "ttlSeconds": 60},
    ]


def test_how_a_job_is_submitted_and_what_is_left_of_it_is_not_what_it_runs() -> None:
    new = {"kuberayVersion": "1.6.2"}
    once = job(stack=new)
    changes: list[dict[str, Any]] = [
        {"submitter": {"cpu": 2, "backoffLimit": 5}},
        {"suspend": True},
        {"deletionRules": WORKERS},
        {"preRunningDeadlineSeconds": 60},
    ]
    for change in changes:
        assert job(stack=new, **change).fingerprint == once.fingerprint, change
    assert job(stack=new, submissionMode="SidecarMode").fingerprint != once.fingerprint


def test_a_cluster_has_a_token_of_the_stacks_own_where_that_is_asked_for() -> None:
    new = {"rayVersion": "2.52.0", "kuberayVersion": "1.6.2"}
    own = job(stack=new, ownToken=True)
    assert own.cluster.token_secret == "jobs-train-token"
    assert own.spec["rayClusterSpec"]["authOptions"] == {"mode": "token", "secretName": "jobs-train-token"}
    environment = own.spec["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0]["env"]
    reference = {"secretKeyRef": {"name": "jobs-train-token", "key": "auth_token"}}
    assert {"name": "RAY_AUTH_TOKEN", "valueFrom": reference} in environment
    assert job(stack=new).cluster.token_secret is None


def test_the_submitter_is_told_that_ray_asks_for_no_token_where_it_would_by_itself() -> None:
    without = {
        "rayVersion": "2.61.0",
        "kuberayVersion": "1.6.2",
        "protection": '{"tokenAuthentication": "disabled"}',
    }
    none = [{"name": "RAY_AUTH_MODE", "value": "disabled"}]
    for made in (job(stack=without), job(stack=without, cluster="raycluster")):
        assert made.spec["submitterPodTemplate"]["spec"]["containers"][0]["env"] == none


@pytest.mark.parametrize(
    "line",
    [
        "* * * * *",
        "0 2 * * 1-5",
        "*/15 8-18/2 1,15 JAN-mar ?",
        "5/10 0 * * sun",
        "@hourly",
        "@every 1h30m",
        "0 0 31 12 *",
    ],
)
def test_what_the_operator_takes_for_a_schedule_is_taken(line: str) -> None:
    assert job(stack={"kuberayVersion": "1.6.2"}, schedule=line).spec["schedule"] == line
