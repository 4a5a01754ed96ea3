"""Which values and feature gates each version of the charts knows."""

import typing

from kuberay.facts.charts import chart_keys, feature_gates, in_this_version
from kuberay.facts.versions import KubeRayVersion

VERSIONS: tuple[str, ...] = typing.get_args(KubeRayVersion)


def test_a_feature_gate_that_was_taken_away_is_known_until_then() -> None:
    assert [version for version in VERSIONS if "AsyncJobInfoQuery" in feature_gates(version)] == [
        "1.6.0",
        "1.6.1",
        "1.6.2",
    ]


def test_a_renamed_value_below_others_is_found() -> None:
    labels = {"metrics": {"serviceMonitor": {"selector": {"release": "prometheus"}}}}
    renamed = {"metrics": {"serviceMonitor": {"additionalLabels": {"release": "prometheus"}}}}
    assert in_this_version("1.6.2", labels) == labels
    assert in_this_version("1.7.0", labels) == renamed
    assert labels != renamed


def test_a_patch_release_knows_what_its_minor_version_knows() -> None:
    assert (
        chart_keys("ray-cluster", "1.6.1")
        == chart_keys("ray-cluster", "1.6.0")
        != chart_keys("ray-cluster", "1.5.2")
    )
