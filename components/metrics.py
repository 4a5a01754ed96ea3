"""Metrics: what Prometheus is told to scrape and to alert of, and what
Grafana shows.
"""

import pulumi

from components.namespace import Namespace
from components.resources.hooks import error_text
from components.resources.kubernetes_object import KubernetesObject, of_this_stack
from components.resources.providers import provider_of_component
from components.stack import stack_connection
from kuberay.facts.objects import Manifest
from kuberay.facts.visible import log_line, log_lines
from kuberay.plan.metrics import MetricsPlan, MonitoringKind


class Metrics(pulumi.ComponentResource):
    """PodMonitors and a PrometheusRule of the Prometheus operator, and ConfigMaps with
    dashboards for Grafana's sidecar.

    The cluster is asked while the program runs whether it knows the operator's kinds,
    and gets none where it does not. With an explicit provider, or with dependencies,
    which may bring the kinds, that would be too early: they are made unasked.
    """

    def __init__(
        self, plan: MetricsPlan, namespace: Namespace, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("kuberay:components:Metrics", "metrics", None, opts)
        is_too_early = provider_of_component(self) or (opts and opts.depends_on is not None)
        if is_too_early or _is_known("PodMonitor", plan.namespace):
            for monitor in plan.monitors:
                self._make(monitor, namespace, "metrics")
        for dashboard in plan.dashboards:
            self._make(dashboard, namespace, "dashboard")
        if plan.rules and (is_too_early or _is_known("PrometheusRule", plan.namespace)):
            self._make(plan.rules, namespace, "alerts")
        if plan.left_out:
            pulumi.log.warn(log_line(f"metrics: {plan.left_out}"))
        self.register_outputs({})

    def _make(self, manifest: Manifest, namespace: Namespace, what: str) -> None:
        placed = of_this_stack(manifest, namespace.name)
        KubernetesObject(f"{placed['metadata']['name']}.{what}", placed, pulumi.ResourceOptions(parent=self))


def _is_known(kind: MonitoringKind, namespace: str) -> bool:
    """Whether the cluster knows the kind; True where it cannot be asked, so that a
    short outage takes nothing away.
    """
    from kuberay.live.prometheus_operator import knows_kind, unknown_kind

    try:
        known = knows_kind(stack_connection(), namespace, kind)
    except Exception as error:
        what = f"metrics: planned as if the cluster knew {kind}s; it cannot be asked"
        pulumi.log.warn(log_lines(f"{what}: {error_text(error)}"))
        return True
    if not known:
        pulumi.log.warn(log_line(f"metrics: {unknown_kind(kind)}"))
    return known
