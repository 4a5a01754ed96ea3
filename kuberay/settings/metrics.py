"""Settings of metrics: what Prometheus is told to scrape."""

from typing import Annotated

from kuberay.settings.base import Matching, Name, Settings


class MetricsSettings(Settings):
    """PodMonitors of the Prometheus operator, for Ray pods and for KubeRay's operator."""

    enabled: bool = False
    """Whether to make them. Where the cluster knows no PodMonitor they are left out, and each preview says so."""
    labels: dict[str, str] = {}
    """Labels of the PodMonitors, by which a Prometheus picks its own: `{release: prometheus}`."""
    interval: Annotated[str, Matching(r"^[0-9]+(s|m)$", "is not a time such as 30s or 1m")] = "30s"
    """How often they are scraped."""
    allowed_namespaces: list[Name] = []
    """Namespaces that Prometheus runs in: their pods reach Ray's metrics port, and no other."""
