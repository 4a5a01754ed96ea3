"""Dashboards and alerts as data files beside this one, and the metrics that they name:
who serves them, and from which version on.

A query names a metric with braces behind it, so that it can be told from functions and
labels.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

_FOLDER = Path(__file__).parent
#: In queries, for the namespace of the stack.
NAMESPACE: Final = "NAMESPACE"
#: In queries, for the operator's Deployment, of whose name its pods have theirs.
OPERATOR: Final = "OPERATOR"

Subject = Literal["clusters", "jobs", "services", "operator"]


@dataclass(frozen=True)
class Metric:
    """Who serves a metric."""

    of: Literal["Ray", "KubeRay", "Prometheus"]
    since: str
    """Of Ray, the oldest version in which it was seen; of KubeRay, the one that brought
    it. Prometheus makes its own.
    """
    once: str = ""
    """What has to happen before it is there; nothing where it always is."""


#: Every metric that a dashboard or an alert names. Tests hold it against what Ray's
#: pods and the operators serve.
METRICS: Final[Mapping[str, Metric]] = {
    name: metric
    for metric, names in {
        Metric("Ray", "2.46.0"): (
            """ray_node_cpu_utilization ray_node_mem_used ray_node_mem_total ray_node_disk_usage
            ray_node_disk_free ray_node_network_receive_speed ray_node_network_send_speed ray_resources
            ray_object_store_memory"""
        ),
        Metric("Ray", "2.46.0", once="a pod has a GPU"): "ray_node_gpus_utilization",
        Metric("Ray", "2.46.0", once="a task or an actor was made"): "ray_tasks ray_actors",
        Metric(
            "Ray", "2.46.0", once="a task was killed for memory"
        ): "ray_memory_manager_worker_eviction_total",
        Metric("Ray", "2.46.0", once="a service has answered a request"): (
            """ray_serve_num_http_requests_total ray_serve_http_request_latency_ms_bucket
            ray_serve_deployment_replica_healthy ray_serve_replica_processing_queries
            ray_serve_deployment_queued_queries"""
        ),
        Metric(
            "Ray", "2.46.0", once="a request to a service has failed"
        ): "ray_serve_num_http_error_requests_total",
        Metric(
            "KubeRay", "1.4.0", once="a cluster is there"
        ): "kuberay_cluster_info kuberay_cluster_condition_provisioned",
        Metric("KubeRay", "1.4.0", once="a job is there"): "kuberay_job_deployment_status",
        Metric(
            "KubeRay", "1.4.0", once="a job has ended since the operator started"
        ): "kuberay_job_execution_duration_seconds",
        Metric("KubeRay", "1.4.0", once="a service is there"): (
            """
            kuberay_service_condition_ready kuberay_service_condition_upgrade_in_progress"""
        ),
        Metric("KubeRay", "1.3.0"): (
            """controller_runtime_reconcile_total controller_runtime_reconcile_errors_total
            controller_runtime_reconcile_time_seconds_bucket workqueue_depth rest_client_requests_total
            process_resident_memory_bytes"""
        ),
        Metric("Prometheus", ""): "up",
    }.items()
    for name in names.split()
}


def metrics_in(query: str) -> set[str]:
    """The metrics that a query names."""
    return set(re.findall(r"([A-Za-z_:][\w:]*)\{", query))


def dashboard(subject: Subject) -> Mapping[str, Any]:
    """Title and panels of a dashboard; a panel has queries by the legend of what they
    give.
    """
    return json.loads((_FOLDER / f"{subject}.json").read_text())


def alerts() -> Mapping[Subject, Mapping[str, Any]]:
    """The alerts by what they are about, and by name."""
    import yaml

    return yaml.safe_load((_FOLDER / "alerts.yaml").read_text())
