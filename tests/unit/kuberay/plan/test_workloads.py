"""From settings to RayJobs and RayServices."""

import json
from typing import Any

import pytest
import yaml

from kuberay.checks.exposure import exposures
from kuberay.checks.loading import load_plan
from kuberay.plan.workloads import JobPlan, ServicePlan

DASHBOARD = {"name": "dashboard", "containerPort": 8265}


def job(name: str = "train", *, stack: dict[str, str] | None = None, clusters: dict[str, Any] | None = None, **settings: Any) -> JobPlan:
    config = {f"kuberay:{key}": value for key, value in (stack or {}).items()}
    config["kuberay:jobs"] = json.dumps({name: {"entrypoint": "python train.py"} | settings})
    config["kuberay:clusters"] = json.dumps(clusters or {"raycluster": {}})
    return load_plan(config).jobs[name]


def service(*, name: str = "chat", applications: list[dict[str, Any]] | None = None, **settings: Any) -> ServicePlan:
    serve = {"applications": applications or [{"name": "chat", "import_path": "chat:app"}]}
    return load_plan({"kuberay:services": json.dumps({name: {"serveConfig": serve} | settings})}).services[name]


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
    assert (spec["entrypointNumCpus"], spec["entrypointNumGpus"], json.loads(spec["entrypointResources"])) == (0.5, 1, {"disk": 2})


@pytest.mark.parametrize("where", [{"cluster": "raycluster"}, {"rayCluster": {}}])
def test_the_submitter_runs_on_nodes_of_its_images_architecture(where: dict[str, Any]) -> None:
    pod = job(stack={"architecture": "arm64", "imagePullSecrets": '["pull"]'}, **where).spec["submitterPodTemplate"]["spec"]
    assert pod["nodeSelector"] == {"kubernetes.io/arch": "arm64"}
    assert pod["containers"][0]["image"] == "rayproject/ray:2.46.0-py310-aarch64"
    assert pod["imagePullSecrets"] == [{"name": "pull"}]
    # KubeRay fills in the command where there is none.
    assert "command" not in pod["containers"][0]


def test_the_submitter_may_do_no_more_than_the_head() -> None:
    spec = job().spec
    head, submitter = spec["rayClusterSpec"]["headGroupSpec"]["template"]["spec"], spec["submitterPodTemplate"]["spec"]
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


def test_a_service_hands_over_its_config_as_yaml_and_names_its_applications() -> None:
    made = service(applications=[{"name": "a", "import_path": "a:app"}, {"import_path": "b:app", "route_prefix": "/b"}])
    assert [each["import_path"] for each in yaml.safe_load(made.spec["serveConfigV2"])["applications"]] == ["a:app", "b:app"]
    assert made.applications == {"a", "default"}


def test_a_service_upgrades_by_a_new_cluster_unless_told_otherwise() -> None:
    assert service().spec["upgradeStrategy"] == {"type": "NewCluster"}
    assert service(upgradeStrategy="None").spec["upgradeStrategy"] == {"type": "None"}


def test_a_group_that_is_added_comes_after_the_others() -> None:
    # Then KubeRay adds it to the running cluster; anywhere else it would take a new one.
    before = service(rayCluster={"additionalWorkerGroups": {"b": {}}}).spec["rayClusterConfig"]["workerGroupSpecs"]
    assert [group["groupName"] for group in before] == ["workergroup", "b"]


def test_a_service_answers_at_the_port_that_the_head_calls_serve() -> None:
    assert service().port == 8000
    assert service(rayCluster={"values": {"head": {"ports": [{"name": "serve", "containerPort": 9000}, DASHBOARD]}}}).port == 9000


def test_a_cluster_of_its_own_asks_for_a_token_where_kuberay_can_make_one() -> None:
    new = {"rayVersion": "2.52.0", "kuberayVersion": "1.6.2"}
    assert job(stack=new).spec["rayClusterSpec"]["authOptions"] == {"mode": "token"}
    assert "authOptions" not in job(stack=new | {"kuberayVersion": "1.3.0"}).spec["rayClusterSpec"]
    assert "authOptions" not in job(stack=new | {"protection": '{"tokenAuthentication": "disabled"}'}).spec["rayClusterSpec"]


def test_what_is_open_of_a_cluster_of_its_own_is_said() -> None:
    jobs = json.dumps({"train": {"entrypoint": "x"}})
    config = {"kuberay:jobs": jobs, "kuberay:clusters": "{}", "kuberay:rayVersion": "2.52.0"}
    assert any("jobs.train" in line and "kuberayVersion 1.5.1" in line for line in exposures(load_plan(config)))
    config |= {"kuberay:kuberayVersion": "1.6.2"}
    assert not any("jobs.train" in line for line in exposures(load_plan(config)))


def test_amounts_are_written_as_the_operator_writes_them() -> None:
    # Else each refresh would find the job changed.
    spec = job(rayCluster={"head": {"cpu": 0.5, "memory": "2048Mi"}}).spec["rayClusterSpec"]
    limits = spec["headGroupSpec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert limits == {"cpu": "500m", "memory": "2Gi"}


def test_annotations_of_the_cluster_are_given_to_its_owner_who_hands_them_on() -> None:
    raw = {"values": {"annotations": {"team": "a"}}}
    assert job(rayCluster=raw).annotations == {"team": "a"}
    assert service(rayCluster=raw).annotations == {"team": "a"}


def test_a_cluster_that_no_chart_renders_takes_what_any_chart_knows() -> None:
    worker = {"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone"}], "runtimeClassName": "gvisor"}
    jobs = {"train": {"entrypoint": "x", "rayCluster": {"values": {"worker": worker}}}}
    (group,) = load_plan({"kuberay:jobs": json.dumps(jobs)}).jobs["train"].spec["rayClusterSpec"]["workerGroupSpecs"]
    assert worker.items() <= group["template"]["spec"].items()
