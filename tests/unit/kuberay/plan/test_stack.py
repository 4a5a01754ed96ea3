"""A stack's plan holds a part for each component, made once."""

from kuberay.plan.stack import plan_stack
from tests.stack_config import load


def test_a_stack_in_a_namespace_that_exists_makes_none_but_has_rules_for_it() -> None:
    plan = plan_stack(load(createNamespace="false", namespace="team", quota={"pods": 9})).namespace
    assert (plan.name, plan.manifest) == ("team", None)
    assert [rule["kind"] for rule in plan.rules] == ["ResourceQuota", "NetworkPolicy", "PodDisruptionBudget"]


def test_a_namespace_of_the_stack_enforces_the_standard_that_it_was_told() -> None:
    plan = plan_stack(load(protection={"namespacePodSecurity": "baseline"})).namespace
    labels = {f"pod-security.kubernetes.io/{what}": "restricted" for what in ("audit", "warn")}
    labels |= {"pod-security.kubernetes.io/enforce": "baseline"}
    assert plan.manifest == {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "kuberay", "labels": labels},
    }


def test_a_stack_without_metrics_has_no_part_for_them() -> None:
    assert plan_stack(load()).metrics is None


def test_monitors_are_of_ray_and_of_an_operator_that_the_stack_installs() -> None:
    for installed, names in ((True, ["ray", "kuberay-operator"]), (False, ["ray"])):
        plan = plan_stack(load(metrics={"enabled": True}, operator={"install": installed})).metrics
        assert plan
        assert [monitor["metadata"]["name"] for monitor in plan.monitors] == names


def test_a_job_has_the_plan_of_the_cluster_that_it_runs_on() -> None:
    jobs = {"on-it": {"entrypoint": "x", "cluster": "raycluster"}, "alone": {"entrypoint": "x"}}
    plan = plan_stack(load(jobs=jobs))
    assert plan.jobs["on-it"].cluster is plan.clusters["raycluster"]
    assert plan.jobs["alone"].cluster is plan.workload_clusters["jobs.alone"].plan


def test_a_job_is_waited_for_as_long_as_it_says_and_deleted_in_the_time_of_the_stack() -> None:
    jobs = {"short": {"entrypoint": "x"}, "long": {"entrypoint": "x", "timeoutSeconds": 7200}}
    plan = plan_stack(load(timeoutSeconds="600", jobs=jobs))
    timeouts = {name: (job.timeout, job.delete_timeout) for name, job in plan.jobs.items()}
    assert timeouts == {"short": (600, 600), "long": (7200, 600)}


def test_only_a_cluster_that_is_told_so_keeps_its_old_pods() -> None:
    plan = plan_stack(load(clusters={"kept": {"upgradeStrategy": "None"}, "other": {}}))
    keeps = {name: cluster.keeps_old_pods for name, cluster in plan.clusters.items()}
    assert keeps == {"kept": True, "other": False}


def test_a_token_of_the_stack_is_in_the_plans_of_clusters_that_ask_for_one() -> None:
    clusters = {"new": {"rayVersion": "2.52.0"}, "old": {"rayVersion": "2.46.0"}}
    plan = plan_stack(load(("authToken",), authToken="0123456789abcdef0123456789abcdef", clusters=clusters))
    assert plan.clusters["new"].auth_token == plan.settings.auth_token
    assert plan.clusters["old"].auth_token is None
