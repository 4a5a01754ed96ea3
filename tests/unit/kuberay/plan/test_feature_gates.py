"""The operator's feature gates that a stack needs."""

from typing import Any

import pytest

from kuberay.plan.feature_gates import needed_gates
from kuberay.plan.operator import operator_values
from kuberay.plan.stack import plan_stack
from kuberay.settings.stack import StackSettings
from tests.bad_settings import HISTORY
from tests.stack_config import load

JOB = {"entrypoint": "x"}
CHAT = {"serveConfig": {"applications": [{"import_path": "a:app"}]}}
UPGRADE = "NewClusterWithIncrementalUpgrade"


@pytest.mark.parametrize(
    ("settings", "gate", "place"),
    [
        ({"jobs": {"j": JOB | {"schedule": "@daily"}}}, "RayCronJob", "jobs.j.schedule"),
        (
            {"jobs": {"j": JOB | {"deletionRules": [{"policy": "DeleteCluster"}]}}},
            "RayJobDeletionPolicy",
            "jobs.j.deletionRules",
        ),
        (
            {"jobs": {"j": JOB | {"spec": {"deletionStrategy": {"onSuccess": {"policy": "DeleteSelf"}}}}}},
            "RayJobDeletionPolicy",
            "jobs.j.spec.deletionStrategy",
        ),
        (
            {"clusters": {"c": {"spec": {"workerGroupSpecs": [{"groupName": "a", "suspend": True}]}}}},
            "RayJobDeletionPolicy",
            "clusters.c.spec.workerGroupSpecs.0.suspend",
        ),
        (
            {
                "services": {
                    "s": CHAT
                    | {
                        "upgradeStrategy": UPGRADE,
                        "clusterUpgradeOptions": {"gatewayClassName": "istio"},
                    }
                }
            },
            "RayServiceIncrementalUpgrade",
            "services.s.upgradeStrategy",
        ),
        (
            {"services": {"s": CHAT | {"spec": {"upgradeStrategy": {"type": UPGRADE}}}}},
            "RayServiceIncrementalUpgrade",
            "services.s.spec.upgradeStrategy.type",
        ),
        (
            {"clusters": {"c": {"historyServer": HISTORY}}},
            "RayClusterHistoryServer",
            "clusters.c.historyServer",
        ),
        (
            {"services": {"s": CHAT | {"rayCluster": {"historyServer": HISTORY}}}},
            "RayClusterHistoryServer",
            "services.s.rayCluster.historyServer",
        ),
        (
            {"clusters": {"c": {"spec": {"tlsOptions": {"enabled": True}}}}},
            "RayClusterMTLS",
            "clusters.c.spec.tlsOptions",
        ),
        (
            {"jobs": {"j": JOB | {"spec": {"rayClusterSpec": {"networkPolicy": {"mode": "DenyAll"}}}}}},
            "RayClusterNetworkPolicy",
            "jobs.j.spec.rayClusterSpec.networkPolicy",
        ),
        (
            {"clusters": {"c": {"spec": {"gcsFaultToleranceOptions": {"backend": "rocksdb"}}}}},
            "GCSFaultToleranceEmbeddedStorage",
            "clusters.c.spec.gcsFaultToleranceOptions.backend",
        ),
    ],
)
def test_a_gate_is_on_where_something_needs_it(settings: dict[str, Any], gate: str, place: str) -> None:
    stack = StackSettings.model_validate({"kuberayVersion": "1.7.0"} | settings)
    assert needed_gates(stack) == {gate: tuple(place.split("."))}
    gates = operator_values(stack)["featureGates"]
    assert sorted(each["name"] for each in gates if each["enabled"]) == sorted(
        ["RayClusterStatusConditions", gate]
    )


def test_a_gate_is_off_where_nothing_needs_it() -> None:
    redis = {"gcsFaultToleranceOptions": {"backend": "redis"}}
    kept = {"workerGroupSpecs": [{"groupName": "a", "suspend": False}]}
    settings = load(jobs={"j": JOB}, services={"s": CHAT})
    assert needed_gates(settings) == {}
    given = StackSettings.model_validate({"clusters": {"c": {"spec": redis}, "d": {"spec": kept}}})
    assert needed_gates(given) == {}


def test_no_gate_is_asked_for_that_the_operator_does_not_know() -> None:
    # Its CRD has no such field, and adding the gate would be refused.
    clusters = {"c": {"spec": {"tlsOptions": {"enabled": True}}}}
    operator = {"values": {"featureGates": list[Any]()}}
    settings = load(kuberayVersion="1.6.2", clusters=clusters, operator=operator)
    assert needed_gates(settings)
    assert operator_values(settings)["featureGates"] == []


@pytest.mark.parametrize("options", [{}, {"collectorOptions": {}}])
def test_no_logs_are_missed_where_there_is_no_collector(options: dict[str, Any]) -> None:
    # KubeRay says what is wrong with it.
    plan_stack(load(kuberayVersion="1.7.0", clusters={"c": {"spec": {"historyServerOptions": options}}}))
