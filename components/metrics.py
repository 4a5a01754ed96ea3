"""Metrics: what Prometheus is told to scrape."""

import pulumi

from components.namespace import Namespace
from components.resources.hooks import error_text
from components.resources.kubernetes_object import KubernetesObject, of_this_stack
from components.resources.providers import provider_of_component
from components.stack import stack_connection
from kuberay.plan.namespace import MetricsPlan


class Metrics(pulumi.ComponentResource):
    """PodMonitors of the Prometheus operator, for the Ray pods of the namespace and for KubeRay's operator.

    The cluster is asked while the program runs whether it knows PodMonitors, and gets none where it does not. With an
    explicit provider, or with dependencies, which may bring the kind, that would be too early: they are made unasked.
    """

    def __init__(
        self,
        plan: MetricsPlan,
        namespace: Namespace,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("kuberay:components:Metrics", "metrics", None, opts)
        is_too_early = provider_of_component(self) or (opts and opts.depends_on is not None)
        if is_too_early or _pod_monitors_are_known(plan.namespace):
            for monitor in plan.monitors:
                placed = of_this_stack(monitor, namespace.name)
                name = f"{placed['metadata']['name']}.metrics"
                KubernetesObject(name, placed, pulumi.ResourceOptions(parent=self))
        self.register_outputs({})


def _pod_monitors_are_known(namespace: str) -> bool:
    """Whether the cluster knows the kind; True where it cannot be asked, so that a short outage takes no PodMonitor away."""
    from kuberay.live.pod_monitors import NO_POD_MONITORS, knows_pod_monitors

    try:
        known = knows_pod_monitors(stack_connection(), namespace)
    except Exception as error:
        pulumi.log.warn(f"metrics: planned as if the cluster knew PodMonitors; it cannot be asked: {error_text(error)}")
        return True
    if not known:
        pulumi.log.warn(f"metrics: {NO_POD_MONITORS}")
    return known
