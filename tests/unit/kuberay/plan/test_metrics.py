"""Dashboards, alerts, and the variables that show them in Ray's own dashboard."""

import json
import re
from collections.abc import Iterator
from typing import Any

from kuberay.facts.monitoring import METRICS, metrics_in
from kuberay.plan.metrics import MetricsPlan
from kuberay.plan.stack import StackPlan, plan_stack
from tests.stack_config import load

ALL = {"enabled": True, "dashboards": True, "alerts": True}
GRAFANA = {
    "url": "http://grafana.monitoring.svc:3000/",
    "browserUrl": "https://grafana.example",
    "dataSource": "team",
}
PROMETHEUS = {
    "url": "http://prometheus.monitoring.svc:9090",
    "headersFrom": {"name": "prometheus", "key": "headers"},
}
HOSTS = {"grafana": {"url": "http://grafana:3000"}, "prometheus": {"url": "http://prometheus:9090"}}


def plan(version: str = "1.6.2", metrics: dict[str, Any] = ALL, **more: Any) -> MetricsPlan:
    made = plan_stack(load(kuberayVersion=version, namespace="team", metrics=metrics, **more)).metrics
    assert made
    return made


def models(made: MetricsPlan) -> dict[str, dict[str, Any]]:
    """What Grafana reads, by file."""
    return {
        file: json.loads(text) for config_map in made.dashboards for file, text in config_map["data"].items()
    }


def rules(made: MetricsPlan) -> list[dict[str, Any]]:
    return [rule for group in made.rules["spec"]["groups"] for rule in group["rules"]] if made.rules else []


def queries(made: MetricsPlan) -> Iterator[str]:
    for model in models(made).values():
        yield from (target["expr"] for panel in model["panels"] for target in panel["targets"])
    yield from (rule["expr"] for rule in rules(made))


def named(made: MetricsPlan) -> set[str]:
    return {metric for query in queries(made) for metric in metrics_in(query)}


def test_dashboards_and_alerts_name_the_metrics_of_the_table_and_no_other() -> None:
    assert named(plan()) == METRICS.keys()


def test_a_panel_of_a_state_shows_also_that_it_is_not_so() -> None:
    # KubeRay serves each state as the label `condition` of a series that is always 1.
    shown = [query for query in queries(plan()) if 'condition="true"' in query]
    assert len(shown) == 3
    assert all(" or 0 * max by (name) (" in query for query in shown)


def test_every_query_is_about_the_namespace_of_the_stack() -> None:
    for query in queries(plan()):
        assert "NAMESPACE" not in query
        assert "OPERATOR" not in query
        selectors = re.findall(r"\{(.*?)\}", query)
        assert selectors
        assert all('namespace="team"' in selector for selector in selectors), query


def test_dashboards_of_two_namespaces_are_two_to_grafana() -> None:
    one, other = (models(made) for made in (plan(), plan(metrics=ALL | {"labels": {"a": "b"}})))
    assert one == other
    elsewhere = plan_stack(load(kuberayVersion="1.6.2", namespace="tools", metrics=ALL)).metrics
    assert elsewhere
    assert not one.keys() & models(elsewhere).keys()
    uids = [model["uid"] for each in (one, models(elsewhere)) for model in each.values()]
    assert len(set(uids)) == len(uids) == 8
    assert all(len(uid) <= 40 for uid in uids)


def test_the_choice_of_clusters_is_of_the_namespace_whatever_its_name() -> None:
    made = plan_stack(load(kuberayVersion="1.6.2", namespace="a-ray-b", metrics=ALL)).metrics
    assert made
    for model in models(made).values():
        _, cluster = model["templating"]["list"]
        assert (
            cluster["query"]["query"]
            == 'label_values(ray_node_mem_total{namespace="a-ray-b"}, ray_io_cluster)'
        )


def test_panels_lie_beside_each_other_and_not_over_each_other() -> None:
    for model in models(plan()).values():
        places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in model["panels"]]
        assert len(set(places)) == len(places)
        assert [panel["id"] for panel in model["panels"]] == [number + 1 for number in range(len(places))]


def test_the_sidecar_finds_dashboards_by_their_label() -> None:
    for metrics, labels in (
        (ALL, {"grafana_dashboard": "1"}),
        (ALL | {"dashboardLabels": {"show": "ray"}}, {"show": "ray"}),
        (ALL | {"dashboardLabels": {}}, None),
    ):
        assert [config_map["metadata"].get("labels") for config_map in plan(metrics=metrics).dashboards] == [
            labels
        ] * 4


def test_an_operator_of_others_is_for_them_to_watch() -> None:
    made = plan(operator={"install": False})
    assert [config_map["metadata"]["name"] for config_map in made.dashboards] == [
        "ray-clusters",
        "ray-jobs",
        "ray-services",
    ]
    assert made.rules
    groups = [group["name"] for group in made.rules["spec"]["groups"]]
    assert groups == ["team-ray-clusters", "team-ray-jobs", "team-ray-services"]


def test_what_an_operator_does_not_serve_is_left_out_and_said() -> None:
    made = plan("1.3.0")
    assert {name for name in METRICS if name.startswith("kuberay_")} == METRICS.keys() - named(made)
    assert (
        made.left_out
        == "KubeRay 1.4.0 or later serves what these show, and kuberayVersion is 1.3.0: left out the panel"
        " 'Clusters that have had all of their pods' of Ray clusters, the panel 'Jobs by status' of Ray"
        " jobs, the panel 'How long jobs ran' of Ray jobs, the panel 'Services that are ready' of Ray"
        " services, the panel 'Services that go over to a new cluster' of Ray services, the panel 'Ray"
        " clusters by what made them' of KubeRay operator, the alert RayClusterNotProvisioned, the alert"
        " RayJobFailed, the alert RayServiceNotReady"
    )
    assert plan("1.4.0").left_out is None


def test_an_alert_says_how_bad_it_is_and_where() -> None:
    for rule in rules(plan()):
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["labels"]["namespace"] == "team"
        assert rule["annotations"]["summary"].endswith(".")


def test_nothing_but_monitors_is_made_unasked() -> None:
    made = plan(metrics={"enabled": True})
    assert (made.dashboards, made.rules, made.left_out) == ((), None, None)


# --- Ray's own dashboard --------------------------------------------------------------


def of_stack(**metrics: Any) -> StackPlan:
    service = {"serveConfig": {"applications": [{"import_path": "a:b"}]}}
    return plan_stack(load(metrics=metrics, jobs={"train": {"entrypoint": "x"}}, services={"chat": service}))


def variables(made: StackPlan, group: str) -> dict[str, list[dict[str, Any]]]:
    """The variables of a group's pods, by cluster."""
    return {".".join(placed.here): placed.plan.values[group]["containerEnv"] for placed in made.placed}


def test_heads_of_clusters_and_services_are_told_of_grafana_and_prometheus() -> None:
    made = of_stack(grafana=GRAFANA, prometheus=PROMETHEUS)
    told = [
        {"name": "RAY_GRAFANA_HOST", "value": "http://grafana.monitoring.svc:3000"},
        {"name": "RAY_GRAFANA_IFRAME_HOST", "value": "https://grafana.example"},
        {"name": "RAY_PROMETHEUS_NAME", "value": "team"},
        {"name": "RAY_PROMETHEUS_HOST", "value": "http://prometheus.monitoring.svc:9090"},
        {
            "name": "RAY_PROMETHEUS_HEADERS",
            "valueFrom": {"secretKeyRef": {"name": "prometheus", "key": "headers"}},
        },
    ]
    # A job would run again for them.
    assert variables(made, "head") == {
        "clusters.raycluster": told,
        "jobs.train.rayCluster": [],
        "services.chat.rayCluster": told,
    }
    assert not any(variables(made, "worker").values())
    assert made.metrics is None


def test_a_change_of_them_restarts_a_cluster_and_runs_no_job_again() -> None:
    before, after = of_stack(), of_stack(**HOSTS)
    assert before.clusters["raycluster"].head.fingerprint != after.clusters["raycluster"].head.fingerprint
    assert before.services["chat"].fingerprint != after.services["chat"].fingerprint
    assert before.jobs["train"].fingerprint == after.jobs["train"].fingerprint


def test_a_variable_of_the_head_itself_counts() -> None:
    head = {"env": {"RAY_GRAFANA_HOST": "http://own:3000"}}
    made = plan_stack(load(metrics=HOSTS, clusters={"raycluster": {"head": head}}))
    found = {each["name"]: each.get("value") for each in variables(made, "head")["clusters.raycluster"]}
    assert found == {"RAY_GRAFANA_HOST": "http://own:3000", "RAY_PROMETHEUS_HOST": "http://prometheus:9090"}


def test_an_operator_of_another_name_is_scraped_and_alerted_of_by_that() -> None:
    made = plan(operator={"values": {"fullnameOverride": "ray", "nameOverride": "rays"}})
    _, operator = made.monitors
    assert operator["spec"]["selector"] == {"matchLabels": {"app.kubernetes.io/name": "rays"}}
    (down,) = [rule for rule in rules(made) if rule["alert"] == "KubeRayOperatorDown"]
    assert down["expr"] == 'absent(up{namespace="team", pod=~"ray-.*"} == 1)'
    assert not [query for query in queries(made) if "kuberay-operator" in query]
