"""A Helm release of one of KubeRay's charts."""

import pulumi
from pulumi_kubernetes.helm.v3 import Release, RepositoryOptsArgs

from components.stack import PROJECT_FOLDER
from kuberay.facts.charts import Chart, ChartSource, Values, chart_source
from kuberay.settings.stack import StackSettings


def source_of(chart: Chart, settings: StackSettings) -> ChartSource:
    """Where this stack has a chart from."""
    return chart_source(chart, version=settings.kuberay_version, repository=settings.chart_repository, project_folder=PROJECT_FOLDER)


def chart_release(
    name: str,
    chart: Chart,
    settings: StackSettings,
    namespace: pulumi.Input[str],
    values: pulumi.Input[Values],
    opts: pulumi.ResourceOptions,
    *,
    skip_await: bool,
) -> Release:
    """The release, called `name` in Pulumi and in Helm (which else adds a random suffix), pinned to the stack's version."""
    source = source_of(chart, settings)
    return Release(
        name,
        name=name,
        namespace=namespace,
        chart=source.chart,
        version=source.version,
        repository_opts=RepositoryOptsArgs(repo=source.repository) if source.repository else None,
        values=values,
        timeout=settings.timeout_seconds,
        skip_await=skip_await,
        opts=opts,
    )
