"""Which values and feature gates each version of the charts knows."""

import typing
from pathlib import Path

import pytest

from kuberay.facts.charts import (
    Login,
    chart_keys,
    chart_source,
    feature_gates,
    in_this_version,
    without_logins,
)
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


def test_a_login_is_apart_from_the_address_of_its_repository_and_in_no_text_of_both() -> None:
    def source(repository: str) -> tuple[str | None, Login | None, str]:
        found = chart_source("ray-cluster", version="1.3.0", repository=repository, project_folder=Path())
        return found.repository, found.login, str(found)

    address, login, text = source("https://me:hunter%2F2%40@charts.example:8443/a?b")
    assert (address, login) == ("https://charts.example:8443/a?b", Login("me", "hunter/2@"))
    assert "hunter" not in text
    assert source("https://t0ken@charts.example")[:2] == ("https://charts.example", Login("t0ken", ""))
    assert source("https://charts.example/@a")[:2] == ("https://charts.example/@a", None)


def test_a_text_without_logins_keeps_its_addresses() -> None:
    assert (
        without_logins("of https://me:hunter2@a.example/b, https://c.example")
        == "of https://a.example/b, https://c.example"
    )
    assert without_logins("https://me:hun/ter 2@a.example/b") == "https://a.example/b"
    assert without_logins("me:hun/ter2@a.example/b") == "a.example/b"


@pytest.mark.parametrize("image", ["r.example:5000/ray:1@sha256:0a", "ray:1@sha256:0a", "ray@sha256:0a"])
def test_the_digest_of_an_image_is_behind_no_login(image: str) -> None:
    assert without_logins(image) == image
