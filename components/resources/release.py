"""A Helm release of one of KubeRay's charts."""

from collections.abc import Mapping
from typing import Any

import pulumi

from components.resources.hooks import SharedHook
from components.resources.kubernetes_object import of_the_pinned_plugin
from components.stack import PROJECT_FOLDER
from kuberay.facts.chart_source import Charts, ChartSource, chart_source
from kuberay.facts.charts import RELEASE, RESOURCE_CHART, Chart, Values
from kuberay.settings.overrides import empties_a_list, without_nulls


class Release(pulumi.CustomResource):
    """A Helm release by the plugin's own names for its inputs.

    The SDK's class lies in ``pulumi_kubernetes.helm.v3``, which imports an HTTP client
    for another class: an eighth of all that a preview imports.
    """

    def __init__(
        self, name: str, inputs: Mapping[str, pulumi.Input[Any]], opts: pulumi.ResourceOptions
    ) -> None:
        # As the SDK's class says it.
        super().__init__(RELEASE, name, {**inputs, "compat": "true"}, of_the_pinned_plugin(opts))


_CHARTS = SharedHook("chart-is-what-its-repository-says")

#: That of the program's own chart; a path of this machine would be in the state, and a
#: difference on any other.
RESOURCE_SOURCE = ChartSource(RESOURCE_CHART, None, None)


def source_of(chart: Chart, charts: Charts) -> ChartSource:
    """Where a chart comes from."""
    return chart_source(
        chart, version=charts.version, repository=charts.repository, project_folder=PROJECT_FOLDER
    )


def chart_release(
    name: str,
    release: str,
    source: ChartSource,
    namespace: pulumi.Input[str],
    values: pulumi.Input[Values],
    opts: pulumi.ResourceOptions,
    *,
    raw: Values,
    timeout: int,
    skip_await: bool,
    skip_crds: bool = False,
) -> Release:
    """The release, pinned to the version of its chart.

    ``name`` is its name in Pulumi, ``release`` the one in Helm; without that, Helm's
    would get a random suffix. ``raw`` are the owner's own among the values.
    """
    inputs: dict[str, pulumi.Input[Any]] = {
        "name": release,
        "namespace": namespace,
        "chart": source.chart,
        "version": source.version,
        "values": values.apply(without_nulls) if isinstance(values, pulumi.Output) else without_nulls(values),
        "timeout": timeout,
        "skipAwait": skip_await,
    }
    if skip_crds:
        inputs["skipCrds"] = True
    if empties_a_list(raw):
        # Otherwise the plugin leaves empty lists out as it does nulls, and the chart's
        # default list would stand in their place.
        inputs["allowNullValues"] = True
    if source.repository:
        login = source.login._asdict() if source.login else {}
        # Whether the stack file has it encrypted or not.
        inputs["repositoryOpts"] = {
            "repo": source.repository,
            **{key: pulumi.Output.secret(text) for key, text in login.items()},
        }
        opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(hooks=_looked_at(name, source)))
    return Release(name, inputs, opts)


def _looked_at(name: str, source: ChartSource) -> pulumi.ResourceHookBinding:
    """Helm installs whatever a repository gives. Before it is asked to, the same is
    held against the digest that the repository's index names.
    """

    async def before_helm_takes_it(args: pulumi.ResourceHookArgs) -> None:
        from kuberay.live.charts.contents import check_chart

        await check_chart(source)

    hook = _CHARTS.of(name, before_helm_takes_it)
    return pulumi.ResourceHookBinding(before_create=[hook], before_update=[hook])
