"""What a stack takes of its quota."""

from kuberay.checks.quota import quota_demands
from kuberay.plan.stack import plan_stack
from tests.stack_config import load


def test_every_container_of_a_pod_counts() -> None:
    cluster = {"autoscaling": {"cpu": 1}, "worker": {"maxReplicas": 3, "cpu": "100m", "replicas": 2}}
    counted = {
        demand.what: float(demand.of("cpu"))
        for demand in quota_demands(plan_stack(load(clusters={"raycluster": cluster})))
    }
    assert counted == {
        "operator": 0.1,
        "clusters.raycluster, head": 2,
        "clusters.raycluster, workergroup": 0.4,
    }


def test_the_submitter_counts_as_the_settings_have_it_and_beside_ray_with_the_head() -> None:
    jobs = {
        "pod": {"entrypoint": "x", "submitter": {"cpu": "200m"}},
        "beside": {"entrypoint": "x", "submissionMode": "SidecarMode"},
        "http": {"entrypoint": "x", "submissionMode": "HTTPMode"},
    }
    plan = plan_stack(load(clusters={}, jobs=jobs, kuberayVersion="1.6.2"))
    counted = {demand.what: float(demand.of("cpu")) for demand in quota_demands(plan)}
    assert counted["jobs.pod, submitter"] == 0.2
    assert (counted["jobs.pod, head"], counted["jobs.beside, head"], counted["jobs.http, head"]) == (1, 2, 1)
    assert {"jobs.beside, submitter", "jobs.http, submitter"}.isdisjoint(counted)
