"""A Helm release of one of KubeRay's charts."""

from collections.abc import Mapping
from typing import Any

import pulumi

from components.resources.kubernetes_object import of_the_pinned_plugin
from components.stack import PROJECT_FOLDER
from kuberay.facts.charts import Chart, ChartSource, Values, chart_source
from kuberay.settings.stack import StackSettings


class Release(pulumi.CustomResource):
    """A Helm release by the plugin's own names for its inputs.

    The SDK's class lies in ``pulumi_kubernetes.helm.v3``, which imports an HTTP client for another class: an eighth of all that a preview
    imports.
    """

    def __init__(self, name: str, inputs: Mapping[str, pulumi.Input[Any]], opts: pulumi.ResourceOptions) -> None:
        # As the SDK's class says it.
        super().__init__("kubernetes:helm.sh/v3:Release", name, {**inputs, "compat": "true"}, of_the_pinned_plugin(opts))


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
    inputs: dict[str, pulumi.Input[Any]] = {
        "name": name,
        "namespace": namespace,
        "chart": source.chart,
        "version": source.version,
        "values": values.apply(without_nulls) if isinstance(values, pulumi.Output) else without_nulls(values),
        "timeout": settings.timeout_seconds,
        "skipAwait": skip_await,
    }
    if source.repository:
        inputs["repositoryOpts"] = {"repo": source.repository}
    return Release(name, inputs, opts)


def without_nulls(values: Any) -> Any:
    """The values without keys that have none: a null in raw values takes away what the program sets, and no more.

    The Kubernetes plugin drops nulls up to 4.29 and hands them to Helm from 4.30 on (pulumi-kubernetes 2997), where they would also take
    the chart's own defaults away: releases would change with the plugin.
    """
    if isinstance(values, Mapping):
        return {key: without_nulls(value) for key, value in values.items() if value is not None}
    return values
