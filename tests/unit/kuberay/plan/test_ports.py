"""Ports that settings move are followed by all that goes by them."""

from typing import Any

import pytest

from components.cluster import summary
from components.service import summary as service_summary
from kuberay.checks.loading import load_plan
from kuberay.plan.dry_run import questions
from kuberay.plan.stack import StackPlan
from tests.bad_settings import head, service, worker
from tests.stack_config import as_config

FOLLOWED = {"client": 10002, "gcs-server": 6380, "dashboard": 9265, "metrics": 9080, "serve": 8000}
FLAGS = {"ray-client-server-port": 10002, "port": 6380, "dashboard-port": 9265, "metrics-export-port": 9080}


def plan(config: dict[str, Any], version: str = "1.6.2") -> StackPlan:
    return load_plan(as_config({"kuberayVersion": version} | config))


def ports(container: dict[str, Any]) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for port in container.get("ports") or []}


def test_a_container_names_no_port_where_all_are_rays_defaults() -> None:
    made = plan(head(rayStartParams={"dashboard-port": 8265, "port": "6379"})).clusters["raycluster"]
    assert "ports" not in made.values["head"] | made.values["worker"]
    assert made.ports == {
        "client": 10001,
        "gcs-server": 6379,
        "dashboard": 8265,
        "metrics": 8080,
        "serve": 8000,
    }


def test_the_head_names_every_port_once_a_flag_moves_one() -> None:
    made = plan(head(rayStartParams=FLAGS)).clusters["raycluster"]
    assert ports(made.values["head"]) == made.ports == FOLLOWED
    assert "ports" not in made.values["worker"]


def test_a_port_that_moves_takes_a_new_head_service() -> None:
    plain, moved, further = (
        plan(head(rayStartParams={"dashboard-port": port})).clusters["raycluster"].service_fingerprint
        for port in (8265, 9265, 9266)
    )
    assert plain == plan({}).clusters["raycluster"].service_fingerprint
    assert len({plain, moved, further}) == 3


def test_what_a_person_is_told_of_a_cluster_follows() -> None:
    told = summary(plan(head(rayStartParams=FLAGS)).clusters["raycluster"])
    at = "raycluster-kuberay-head-svc.kuberay.svc"
    assert told["rayClientAddress"] == f"ray://{at}:10002"
    assert told["dashboardAddress"] == f"http://{at}:9265"
    forward = (
        "kubectl port-forward --namespace kuberay service/raycluster-kuberay-head-svc 9265:9265 10002:10002"
    )
    assert told["portForward"] == forward


def test_workers_name_the_port_of_their_metrics() -> None:
    made = plan(worker(rayStartParams={"metrics-export-port": 9080, "dashboard-port": 9265})).clusters[
        "raycluster"
    ]
    assert ports(made.values["worker"]) == {"metrics": 9080}
    assert "ports" not in made.values["head"]


def test_ports_that_the_owner_names_stay_as_they_are() -> None:
    own = [{"name": "dashboard", "containerPort": 1}, {"containerPort": 2}]
    config = {
        "clusters": {"raycluster": {"head": {"rayStartParams": FLAGS}, "values": {"head": {"ports": own}}}}
    }
    made = plan(config).clusters["raycluster"]
    moved = [{"name": name, "containerPort": FOLLOWED[name]} for name in ("client", "gcs-server", "metrics")]
    assert made.values["head"]["ports"] == own + moved


@pytest.mark.parametrize("port", ["$PORT", 0])
def test_a_port_that_is_known_in_the_pod_alone_moves_nothing(port: Any) -> None:
    assert "ports" not in plan(head(rayStartParams={"port": port})).clusters["raycluster"].values["head"]


def test_a_port_in_quotes_that_the_shell_takes_off_moves_as_well() -> None:
    made = plan(head(rayStartParams={"ray-client-server-port": "'10002'"})).clusters["raycluster"]
    assert ports(made.values["head"])["client"] == 10002


@pytest.mark.parametrize("port", [9000, "9000"])
@pytest.mark.parametrize("version", ["1.3.0", "1.6.2"])
def test_a_service_answers_where_its_serve_config_says(version: str, port: Any) -> None:
    config = service({"import_path": "a:b"})
    config["services"]["chat"]["serveConfig"]["http_options"] = {"port": port}
    made = plan(config, version)
    cluster = made.services["chat"].spec["rayClusterConfig"]
    assert ports(cluster["headGroupSpec"]["template"]["spec"]["containers"][0])["serve"] == 9000
    # KubeRay's probe of a worker asks Serve's proxy there.
    assert ports(cluster["workerGroupSpecs"][0]["template"]["spec"]["containers"][0]) == {"serve": 9000}
    told = service_summary(made.services["chat"])
    assert told["serveAddress"] == "http://chat-serve-svc.kuberay.svc:9000"
    assert told["portForward"] == "kubectl port-forward --namespace kuberay service/chat-serve-svc 9000:9000"
    assert told["dashboardAddress"] == "http://chat-head-svc.kuberay.svc:8265"


@pytest.mark.parametrize("options", [{}, {"port": 8000}, {"host": "a"}, None, "text"])
def test_a_serve_config_with_rays_own_port_names_none(options: Any) -> None:
    config = service({"import_path": "a:b"})
    config["services"]["chat"]["serveConfig"]["http_options"] = options
    cluster = plan(config).services["chat"].spec["rayClusterConfig"]
    assert "ports" not in cluster["headGroupSpec"]["template"]["spec"]["containers"][0]


def test_the_network_policy_lets_namespaces_in_where_any_head_listens() -> None:
    config = service({"import_path": "a:b"}) | {
        "clusters": {"a": {}, "b": {"head": {"rayStartParams": FLAGS}}}
    }
    config["services"]["chat"]["serveConfig"]["http_options"] = {"port": 9000}
    config["protection"] = {
        "networkPolicy": {f"{which}Namespaces": [which] for which in ("serve", "dashboard", "client")}
    }
    (policy,) = (rule for rule in plan(config).namespace.rules if rule["kind"] == "NetworkPolicy")
    given = [[port["port"] for port in rule["ports"]] for rule in policy["spec"]["ingress"][1:]]
    assert given == [[8000, 9000], [8265, 9265], [10001, 10002]]


def test_the_api_server_is_asked_about_the_service_that_there_will_be() -> None:
    asked = questions(plan(head(rayStartParams=FLAGS)), "clusters.raycluster")
    (made,) = (question.manifest for question in asked if question.manifest["kind"] == "Service")
    assert {"name": "dashboard", "port": 9265} in made["spec"]["ports"]
    assert not any(port["port"] == 8265 for port in made["spec"]["ports"])
