"""What a release's values say is said by settings where there are some, and by raw
values where there are none.
"""

from typing import Any

import pytest

from commands.adopt.settings_of import (
    cluster_settings,
    effective,
    image_settings,
    operator_settings,
    raw_values,
    thin_out,
)


@pytest.mark.parametrize(
    ("tag", "settings", "architecture"),
    [
        ("2.46.0-py310-aarch64", {"rayVersion": "2.46.0", "pythonVersion": "3.10"}, "aarch64"),
        ("2.46.0-py312-gpu", {"rayVersion": "2.46.0", "pythonVersion": "3.12", "accelerator": "gpu"}, "x86"),
        (
            "2.52.0-py311-cu128-aarch64",
            {"rayVersion": "2.52.0", "pythonVersion": "3.11", "accelerator": "cu128"},
            "aarch64",
        ),
        ("2.46.0", {"image": "rayproject/ray:2.46.0", "rayVersion": "2.46.0"}, "x86"),
        ("nightly", {"image": "rayproject/ray:nightly"}, "x86"),
    ],
)
def test_the_tag_of_rays_image_says_versions_and_architecture(
    tag: str, settings: dict[str, str], architecture: str
) -> None:
    found = image_settings({"image": {"repository": "rayproject/ray", "tag": tag}})
    assert (found.settings, found.architecture) == (settings, architecture)


def test_an_own_image_keeps_its_name_and_the_chart_says_the_version() -> None:
    values = {"image": {"repository": "registry.example/ray", "tag": "7"}, "head": {"rayVersion": "2.50.0"}}
    assert image_settings(values).settings == {"image": "registry.example/ray:7", "rayVersion": "2.50.0"}


def test_a_mirror_of_rays_image_is_a_mirror() -> None:
    found = image_settings({"image": {"repository": "registry.example/ray", "tag": "2.46.0-py310"}})
    assert found.settings == {
        "rayVersion": "2.46.0",
        "pythonVersion": "3.10",
        "image": "registry.example/ray",
    }


def test_a_null_takes_a_value_of_the_charts_away() -> None:
    assert effective({"head": {"a": 1, "b": 2}}, {"head": {"a": None, "c": 3}}) == {"head": {"b": 2, "c": 3}}


def test_what_the_settings_have_as_a_default_is_not_said() -> None:
    limits = {"cpu": "1", "memory": "2G"}
    group = {"resources": {"limits": limits, "requests": limits}, "replicas": 1, "groupName": "workergroup"}
    assert cluster_settings({"head": group, "worker": group}) == {}


def test_a_request_below_the_limit_is_a_setting_of_its_own() -> None:
    head = {
        "resources": {"limits": {"cpu": 2, "memory": "4G"}, "requests": {"cpu": "500m", "memory": "4000M"}}
    }
    assert cluster_settings({"head": head, "worker": {"disabled": True}})["head"] == {
        "cpu": "2",
        "memory": "4G",
        "cpuRequest": "500m",
    }


def test_what_the_settings_refuse_is_left_to_raw_values() -> None:
    head = {
        "resources": {"limits": {"cpu": "1", "memory": "100Mi"}},
        "rayStartParams": {"no-such-flag": "1"},
        "labels": {"team": "a"},
    }
    assert cluster_settings({"head": head, "worker": {"disabled": True}})["head"] == {"labels": {"team": "a"}}


def test_a_variable_that_is_there_twice_is_left_to_raw_values() -> None:
    head = {"containerEnv": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}
    assert cluster_settings({"head": head, "worker": {"disabled": True}}) == {"worker": {"enabled": False}}


def test_an_autoscaler_at_its_defaults_is_named() -> None:
    assert cluster_settings({"head": {"enableInTreeAutoscaling": True}, "worker": {}}) == {"autoscaling": {}}


def test_the_operators_size_is_a_setting() -> None:
    assert operator_settings({"resources": {"limits": {"cpu": 1, "memory": "1Gi"}}}) == {
        "cpu": "1",
        "memory": "1Gi",
    }


@pytest.mark.parametrize(
    ("made", "wanted", "defaults", "left"),
    [
        ({"a": 1}, {"a": 1}, {}, {}),
        ({"a": 1}, {"a": 2}, {}, {"a": 2}),
        ({"a": 1}, {}, {}, {"a": None}),
        ({}, {"a": 1}, {"a": 1}, {}),
        ({}, {"a": 1}, {"a": 2}, {"a": 1}),
        ({"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"c": 2}}, {"a": {"b": None}}),
        ({"a": {"b": 1}}, {"a": [1]}, {}, {"a": [1]}),
        ({}, {"a": {"b": 1}}, {"a": {}}, {"a": {"b": 1}}),
    ],
)
def test_raw_values_are_what_is_left(made: Any, wanted: Any, defaults: Any, left: Any) -> None:
    assert raw_values(made, wanted, defaults) == left


def test_values_that_make_no_difference_are_taken_out() -> None:
    def needs_only_one(values: dict[str, Any]) -> frozenset[str]:
        return frozenset() if (values.get("a") or {}).get("b") == 1 else frozenset({"b"})

    assert thin_out({"a": {"b": 1, "c": 2}, "d": {"e": 3}}, needs_only_one) == {"a": {"b": 1}}


def test_a_null_that_brings_back_what_is_not_wanted_is_taken_out() -> None:
    def wants_the_first(values: dict[str, Any]) -> frozenset[str]:
        return frozenset(
            ({"first"} if "first" not in values else set()) | ({"second"} if "second" in values else set())
        )

    assert thin_out({"first": None, "second": None}, wants_the_first) == {"first": None}
