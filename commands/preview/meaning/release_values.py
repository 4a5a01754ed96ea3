"""The values of a cluster's release, whichever chart it is of: KubeRay's, or the
program's own, whose values are the RayCluster. Pure.
"""

from collections.abc import Mapping
from typing import Any

from kuberay.facts.charts import RESOURCE_CHART, chart_labels
from kuberay.plan.ray_cluster_spec import groups_of, ray_cluster_spec, values_of_spec

_CHART_LABELS = frozenset(chart_labels("ray-cluster", "", ""))


def is_resource(values: Any) -> bool:
    """Whether they are a RayCluster as it is written."""
    return isinstance(values, Mapping) and "spec" in values


def name_of(values: Mapping[str, Any]) -> str | None:
    """The name of the RayCluster that they make; None where they do not say it."""
    return (
        (values.get("metadata") or {}).get("name") if is_resource(values) else values.get("fullnameOverride")
    )


def spec_of(values: Any) -> Any:
    """The spec of the RayCluster that they make.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: a part of them is encrypted,
            and text.
    """
    return values["spec"] if is_resource(values) else ray_cluster_spec(dict(values))


def for_reading(values: Any) -> Any:
    """What the values of KubeRay's chart would be."""
    if not is_resource(values):
        return values
    return _or_as_they_are(
        lambda: {"fullnameOverride": values["metadata"]["name"], **values_of_spec(values["spec"])}, values
    )


def comparable(old: Any, new: Any) -> tuple[Any, Any]:
    """Both sides as KubeRay's chart would have them, so that they can be compared."""
    shown = as_shown(old, new)
    return for_reading(shown[0]), for_reading(shown[1])


def as_shown(old: Any, new: Any) -> tuple[Any, Any]:
    """Both sides as a reader sees them: as the RayCluster where either is one."""
    if not (is_resource(old) or is_resource(new)):
        return old, new
    moves = "head" in (old or ()) or "head" in (new or ())
    before, after = (_without_chart_labels(_as_resource(side)) for side in (old, new))
    return (_without_token_mode(before), _without_token_mode(after)) if moves else (before, after)


def chart_of(release: Mapping[str, Any]) -> str | None:
    """Which chart a release is of, as it is told where it changes."""
    return "the program's own" if release.get("chart") == RESOURCE_CHART else release.get("version")


def _as_resource(values: Any) -> Any:
    if is_resource(values) or not isinstance(values, Mapping) or "head" not in values:
        return values
    metadata = {"name": values.get("fullnameOverride"), "annotations": values.get("annotations")}
    return _or_as_they_are(
        lambda: {
            "metadata": {key: value for key, value in metadata.items() if value},
            "spec": spec_of(values),
        },
        values,
    )


def _without_chart_labels(values: Any) -> Any:
    """Those that say of every object that Helm made it, by which chart."""

    def cleaned(metadata: Any) -> Any:
        labels = {
            key: value for key, value in (metadata.get("labels") or {}).items() if key not in _CHART_LABELS
        }
        return {
            **{key: value for key, value in metadata.items() if key != "labels"},
            **({"labels": labels} if labels else {}),
        }

    def of_group(group: Any) -> Any:
        template = group["template"]
        return {**group, "template": {**template, "metadata": cleaned(template.get("metadata") or {})}}

    def of_all() -> Any:
        head, *workers = (of_group(group) for group in groups_of(values["spec"]).values())
        spec = {**values["spec"], "headGroupSpec": head, "workerGroupSpecs": workers}
        return {**values, "metadata": cleaned(values["metadata"]), "spec": spec}

    return _or_as_they_are(of_all, values) if is_resource(values) else values


def _without_token_mode(values: Any) -> Any:
    """What a patch has written of a RayCluster that the chart has made
    (components/cluster.py).
    """
    if not is_resource(values) or values["spec"].get("authOptions") != {"mode": "token"}:
        return values
    return {**values, "spec": {key: value for key, value in values["spec"].items() if key != "authOptions"}}


def _or_as_they_are(read: Any, values: Any) -> Any:
    """Where a part is encrypted, it is text."""
    try:
        return read()
    except (AttributeError, KeyError, TypeError, ValueError):
        return values
