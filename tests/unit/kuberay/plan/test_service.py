"""From settings to RayServices."""

import json
from typing import Any

import yaml

from kuberay.checks.loading import load_plan
from kuberay.plan.service import ServicePlan

DASHBOARD = {"name": "dashboard", "containerPort": 8265}


def service(
    *,
    name: str = "chat",
    applications: list[dict[str, Any]] | None = None,
    stack: dict[str, str] | None = None,
    **settings: Any,
) -> ServicePlan:
    serve = {"applications": applications or [{"name": "chat", "import_path": "chat:app"}]}
    config = {f"kuberay:{key}": value for key, value in (stack or {}).items()}
    return load_plan(
        config | {"kuberay:services": json.dumps({name: {"serveConfig": serve} | settings})}
    ).services[name]


def test_a_service_hands_over_its_config_as_yaml_and_names_its_applications() -> None:
    made = service(
        applications=[{"name": "a", "import_path": "a:app"}, {"import_path": "b:app", "route_prefix": "/b"}]
    )
    assert [each["import_path"] for each in yaml.safe_load(made.spec["serveConfigV2"])["applications"]] == [
        "a:app",
        "b:app",
    ]
    assert made.applications == {"a", "default"}


def test_a_service_upgrades_by_a_new_cluster_unless_told_otherwise() -> None:
    assert service().spec["upgradeStrategy"] == {"type": "NewCluster"}
    assert service(upgradeStrategy="None").spec["upgradeStrategy"] == {"type": "None"}


def test_a_group_that_is_added_comes_after_the_others() -> None:
    # Then KubeRay adds it to the running cluster; anywhere else it would take a new
    # one.
    before = service(rayCluster={"additionalWorkerGroups": {"b": {}}}).spec["rayClusterConfig"][
        "workerGroupSpecs"
    ]
    assert [group["groupName"] for group in before] == ["workergroup", "b"]


def test_a_service_answers_at_the_port_that_the_head_calls_serve() -> None:
    assert service().port == 8000
    assert (
        service(
            rayCluster={"values": {"head": {"ports": [{"name": "serve", "containerPort": 9000}, DASHBOARD]}}}
        ).port
        == 9000
    )


def test_a_service_has_the_service_that_it_is_given_and_a_record_of_what_is_the_stacks() -> None:
    made = service(serveService={"type": "LoadBalancer", "annotations": {"b": "1", "a": "2"}})
    annotations = {"b": "1", "a": "2", "kuberay.pulumi/annotations": "a,b"}
    assert made.spec["serveService"] == {
        "metadata": {"annotations": annotations},
        "spec": {"type": "LoadBalancer"},
    }
    assert "serveService" not in service().spec


def test_an_incremental_upgrade_has_its_options_and_a_gateway() -> None:
    cluster = {"autoscaling": {}, "worker": {"maxReplicas": 3}}
    upgrade: dict[str, Any] = {
        "upgradeStrategy": "NewClusterWithIncrementalUpgrade",
        "clusterUpgradeOptions": {"gatewayClassName": "istio"},
    }
    made = service(stack={"kuberayVersion": "1.6.2"}, rayCluster=cluster, **upgrade)
    options = {
        "gatewayClassName": "istio",
        "stepSizePercent": 10,
        "intervalSeconds": 60,
        "maxSurgePercent": 100,
    }
    assert made.spec["upgradeStrategy"] == {
        "type": "NewClusterWithIncrementalUpgrade",
        "clusterUpgradeOptions": options,
    }
    assert (made.gateway, service().gateway) == ("chat-gateway", None)
