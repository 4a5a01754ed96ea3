"""What a stack takes of its quota."""

from kuberay.checks.quota import demands
from kuberay.plan.stack import plan_stack
from tests.unit.settings import load


def test_every_container_of_a_pod_counts() -> None:
    cluster = {"autoscaling": {"cpu": 1}, "worker": {"maxReplicas": 3, "cpu": "100m", "replicas": 2}}
    counted = {demand.what: float(demand.of("cpu")) for demand in demands(plan_stack(load(clusters={"raycluster": cluster})))}
    assert counted == {"operator": 0.1, "clusters.raycluster, head": 2, "clusters.raycluster, workergroup": 0.4}
