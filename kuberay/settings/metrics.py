"""Settings of metrics: what Prometheus is told to scrape, what people are shown of it,
and when they are alerted.
"""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from kuberay.settings.base import Matching, Name, Settings
from kuberay.settings.kubernetes import SecretKeyRef


def _check_web_address(address: str) -> str:
    no_address = "is not an address of the web, such as http://grafana.monitoring.svc:3000"
    try:
        parts = urlsplit(address)
        is_known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        raise ValueError(no_address) from None
    if not is_known:
        raise ValueError(no_address)
    if parts.username is not None:
        raise ValueError(
            "has a login, which would be readable in the pods; Ray has no way to be given one but"
            " prometheus.headersFrom"
        )
    if parts.query or parts.fragment:
        raise ValueError("must end with the path: Ray adds its own to it")
    return address.rstrip("/")


#: As Ray puts a path of its own behind it: without a slash at its end.
WebAddress = Annotated[str, Field(max_length=500), AfterValidator(_check_web_address)]


class GrafanaSettings(Settings):
    """A Grafana that shows its panels in Ray's own dashboard: variables of the head, so
    each change of them restarts it.
    """

    url: WebAddress
    """Where heads reach it: `http://grafana.monitoring.svc:3000` (Ray's
    `RAY_GRAFANA_HOST`).
    """
    browser_url: WebAddress | None = None
    """Where the browsers of people reach it, if not there (`RAY_GRAFANA_IFRAME_HOST`).
    """
    data_source: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """What Grafana calls the data source that is this Prometheus, if not `Prometheus`
    (`RAY_PROMETHEUS_NAME`).
    """


class PrometheusSettings(Settings):
    """A Prometheus that Ray's own dashboard asks: variables of the head, so each change
    of them restarts it.
    """

    url: WebAddress
    """Where heads reach it: `http://prometheus.monitoring.svc:9090` (Ray's
    `RAY_PROMETHEUS_HOST`).
    """
    headers_from: SecretKeyRef | None = None
    """A key of a Secret in the namespace that holds headers for it as JSON:
    `{"Authorization": "Bearer …"}` (`RAY_PROMETHEUS_HEADERS`).
    """


class MetricsSettings(Settings):
    """PodMonitors of the Prometheus operator, for Ray pods and for KubeRay's operator;
    dashboards and alerts on what they have scraped.
    """

    enabled: bool = False
    """Whether to make them. Where the cluster knows no PodMonitor they are left out,
    and each preview says so.
    """
    labels: dict[str, str] = {}
    """Labels of the PodMonitors and the PrometheusRule, by which a Prometheus picks its
    own: `{release: prometheus}`.
    """
    interval: Annotated[str, Matching(r"^[0-9]+(s|m)$", "is not a time such as 30s or 1m")] = "30s"
    """How often they are scraped."""
    allowed_namespaces: list[Name] = []
    """Namespaces that Prometheus runs in: their pods reach Ray's metrics port, and no
    other.
    """
    dashboards: bool = False
    """Whether to make Grafana dashboards of clusters, jobs, services and the operator:
    ConfigMaps, which Grafana's sidecar picks up.
    """
    dashboard_labels: dict[str, str] = {"grafana_dashboard": "1"}
    """Labels of these ConfigMaps, by which the sidecar finds them."""
    alerts: bool = False
    """Whether to make alerting rules for clusters, jobs, services and the operator: a
    PrometheusRule of the Prometheus operator.
    """
    grafana: GrafanaSettings | None = None
    """A Grafana for the Metrics page of Ray's own dashboard, on clusters and services.
    """
    prometheus: PrometheusSettings | None = None
    """A Prometheus for Ray's own dashboard, on clusters and services."""
