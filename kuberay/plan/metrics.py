"""Metrics of a stack: what Prometheus is told to scrape, what Grafana shows of it, when
people are alerted. Pure.
"""

import json
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kuberay.facts.charts import OPERATOR_RELEASE
from kuberay.facts.digests import fingerprint
from kuberay.facts.monitoring import METRICS, NAMESPACE, OPERATOR, Subject, alerts, dashboard, metrics_in
from kuberay.facts.objects import Manifest, manifest
from kuberay.facts.phrases import first_few
from kuberay.facts.versions import at_least, number
from kuberay.plan.operator import OperatorPlan
from kuberay.settings.kubernetes import EnvVar
from kuberay.settings.metrics import MetricsSettings
from kuberay.settings.stack import StackSettings

#: The kinds of the Prometheus operator that a stack makes.
MonitoringKind = Literal["PodMonitor", "PrometheusRule"]

#: The name of what is made for Ray's pods. The program adds the stack's, for stacks may
#: share a namespace.
_RAY = "ray"
#: Grafana's rows have 24 columns.
_WIDTH, _HEIGHT = 12, 8
_DATA_SOURCE = {"type": "prometheus", "uid": "${source}"}


@dataclass(frozen=True)
class MetricsPlan:
    """What Prometheus and Grafana are told of a stack; names are without
    the stack's.
    """

    namespace: str
    monitors: tuple[Manifest, ...]
    """A PodMonitor for Ray's pods, and one for the operator if the stack installs it.
    """
    dashboards: tuple[Manifest, ...] = ()
    """ConfigMaps for Grafana's sidecar."""
    rules: Manifest | None = None
    """A PrometheusRule with the alerts."""
    left_out: str | None = None
    """Which panels and alerts are not there, as the operator does not serve their
    metrics at its version.
    """


def plan_metrics(settings: StackSettings, operator: OperatorPlan) -> MetricsPlan | None:
    """What Prometheus and Grafana are told of a stack and its operator; None where that
    is nothing.
    """
    metrics = settings.metrics
    if not metrics.enabled:
        return None
    left_out: list[str] = []
    return MetricsPlan(
        settings.namespace,
        tuple(pod_monitors(settings, operator)),
        tuple(_dashboards(settings, operator, left_out)) if metrics.dashboards else (),
        _rules(settings, operator, left_out) if metrics.alerts else None,
        _older(settings.kuberay_version, left_out) if left_out else None,
    )


def _older(version: str, left_out: list[str]) -> str:
    since = max((metric.since for metric in METRICS.values() if metric.of == "KubeRay"), key=number)
    return (
        f"KubeRay {since} or later serves what these show, and kuberayVersion is {version}: left out"
        f" {first_few(left_out, 20)}"
    )


def pod_monitors(settings: StackSettings, operator: OperatorPlan) -> list[Manifest]:
    """One for Ray pods, jobs' and services' included, and one for the operator if this
    stack installs it.
    """
    # Which Ray cluster a figure is of: Ray itself does not say so.
    cluster = {
        "sourceLabels": ["__meta_kubernetes_pod_label_ray_io_cluster"],
        "targetLabel": "ray_io_cluster",
    }
    ray_pods = {
        "matchExpressions": [{"key": "ray.io/node-type", "operator": "In", "values": ["head", "worker"]}]
    }
    monitors = [_pod_monitor(settings, _RAY, ray_pods, {"port": "metrics", "relabelings": [cluster]})]
    if settings.operator.install:
        # As its chart labels the pods.
        name = operator.values.get("nameOverride") or OPERATOR_RELEASE
        pods = {"matchLabels": {"app.kubernetes.io/name": name}}
        monitors.append(
            _pod_monitor(settings, "kuberay-operator", pods, {"port": "http", "path": "/metrics"})
        )
    return monitors


def embedding_variables(metrics: MetricsSettings) -> dict[str, EnvVar]:
    """The variables of a head by which Ray's own dashboard shows panels of Grafana and
    asks Prometheus.
    """
    grafana, prometheus = metrics.grafana, metrics.prometheus
    texts = {
        "RAY_GRAFANA_HOST": grafana and grafana.url,
        "RAY_GRAFANA_IFRAME_HOST": grafana and grafana.browser_url,
        "RAY_PROMETHEUS_NAME": grafana and grafana.data_source,
        "RAY_PROMETHEUS_HOST": prometheus and prometheus.url,
    }
    variables = {name: EnvVar(value=text) for name, text in texts.items() if text}
    if prometheus and prometheus.headers_from:
        # Never as text: whoever may read pods would read it.
        headers = {"valueFrom": {"secretKeyRef": prometheus.headers_from.model_dump()}}
        variables["RAY_PROMETHEUS_HEADERS"] = EnvVar.model_validate(headers)
    return variables


# --- Dashboards -----------------------------------------------------------------------


def _subjects(settings: StackSettings) -> Iterator[Subject]:
    """What there are dashboards and alerts of: an operator that others have installed
    is for them to watch.
    """
    return (
        subject for subject in typing.get_args(Subject) if subject != "operator" or settings.operator.install
    )


def _is_served(query: str, settings: StackSettings) -> bool:
    """Whether all metrics of a query are there at this version of KubeRay."""
    named = [METRICS[name] for name in metrics_in(query)]
    return all(metric.of != "KubeRay" or at_least(settings.kuberay_version, metric.since) for metric in named)


def _dashboards(settings: StackSettings, operator: OperatorPlan, left_out: list[str]) -> Iterator[Manifest]:
    for subject in _subjects(settings):
        data = dashboard(subject)
        panels: list[Manifest] = []
        for panel in data["panels"]:
            if all(_is_served(query, settings) for query in panel["queries"].values()):
                panels.append(_panel(len(panels), panel, operator))
            else:
                left_out.append(f"the panel {panel['title']!r} of {data['title']}")
        labels = settings.metrics.dashboard_labels
        yield {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": f"ray-{subject}",
                "namespace": settings.namespace,
                **({"labels": labels} if labels else {}),
            },
            # The sidecar puts the files of all namespaces into one folder.
            "data": {
                f"{settings.namespace}-ray-{subject}.json": json.dumps(
                    _grafana_model(data["title"], settings.namespace, panels)
                )
            },
        }


def _grafana_model(title: str, namespace: str, panels: list[Manifest]) -> Manifest:
    return {
        # By which Grafana knows it, in 40 characters: one for each namespace.
        "uid": f"ray-{fingerprint(title, namespace)}",
        "title": f"{title} in {namespace}",
        "tags": ["ray"],
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                {"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus"},
                {
                    "name": "cluster",
                    "label": "Ray cluster",
                    "type": "query",
                    "datasource": _DATA_SOURCE,
                    "query": {
                        "query": (
                            f'label_values(ray_node_mem_total{{namespace="{namespace}"}}, ray_io_cluster)'
                        ),
                        "refId": "cluster",
                    },
                    "refresh": 2,
                    "sort": 1,
                    "multi": True,
                    "includeAll": True,
                    "allValue": ".*",
                    "current": {"text": "All", "value": "$__all"},
                },
            ]
        },
        "panels": panels,
    }


def _panel(number: int, panel: Mapping[str, Any], operator: OperatorPlan) -> Manifest:
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel["title"],
        "datasource": _DATA_SOURCE,
        "gridPos": {"x": number % 2 * _WIDTH, "y": number // 2 * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel["unit"], "min": 0}, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "expr": _filled(query, operator),
                "legendFormat": legend,
            }
            for place, (legend, query) in enumerate(panel["queries"].items())
        ],
    }


# --- Alerts ---------------------------------------------------------------------------


def _rules(settings: StackSettings, operator: OperatorPlan, left_out: list[str]) -> Manifest:
    every = alerts()
    groups: list[Manifest] = []
    for subject in _subjects(settings):
        rules: list[Manifest] = []
        for name, alert in every[subject].items():
            if _is_served(alert["expr"], settings):
                rules.append(_rule(name, alert, operator))
            else:
                left_out.append(f"the alert {name}")
        if rules:
            groups.append({"name": f"{settings.namespace}-ray-{subject}", "rules": rules})
    return _of_prometheus_operator(settings, "PrometheusRule", _RAY, {"groups": groups})


def _rule(name: str, alert: Mapping[str, Any], operator: OperatorPlan) -> Manifest:
    return {
        "alert": name,
        "expr": _filled(alert["expr"], operator),
        **({"for": alert["for"]} if "for" in alert else {}),
        # By which Alertmanager sends it on; an aggregate has lost the namespace.
        "labels": {"severity": alert["severity"], "namespace": operator.namespace},
        "annotations": {"summary": _filled(alert["summary"], operator)},
    }


# --- Both -----------------------------------------------------------------------------


def _filled(text: str, operator: OperatorPlan) -> str:
    return text.replace(NAMESPACE, operator.namespace).replace(OPERATOR, operator.deployment)


def _pod_monitor(settings: StackSettings, name: str, selector: Manifest, endpoint: Manifest) -> Manifest:
    spec = {"selector": selector, "podMetricsEndpoints": [endpoint | {"interval": settings.metrics.interval}]}
    return _of_prometheus_operator(settings, "PodMonitor", name, spec)


def _of_prometheus_operator(
    settings: StackSettings, kind: MonitoringKind, name: str, spec: Manifest
) -> Manifest:
    # No empty ones: the API server keeps none, and each preview would add them anew.
    labels = {"labels": settings.metrics.labels} if settings.metrics.labels else {}
    return manifest("monitoring.coreos.com/v1", kind, name, settings.namespace, spec, **labels)
