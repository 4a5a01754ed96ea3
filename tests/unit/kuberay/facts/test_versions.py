"""Which versions there are, and what a chosen one lacks."""

import pytest

from kuberay.facts.versions import NEEDS, at_least, lacking, number


def test_versions_compare_by_number() -> None:
    assert at_least("1.10.0", "1.9.3")
    assert at_least("1.3.0", "1.3.0")
    assert not at_least("1.5.0", "1.5.1")


def test_a_nightly_or_release_candidate_counts_as_its_release() -> None:
    assert number("2.52.0rc1") == number("2.52.0.dev0") == (2, 52, 0)


def test_versions_that_are_new_enough_lack_nothing() -> None:
    assert lacking("token authentication", kuberay="1.5.1", ray="2.52.0") is None


@pytest.mark.parametrize(
    ("kuberay", "ray", "line"),
    [
        ("1.5.0", "2.52.0", "needs KubeRay 1.5.1 or later; kuberayVersion is 1.5.0"),
        ("1.6.2", "2.46.0", "needs Ray 2.52.0 or later; rayVersion is 2.46.0"),
        (
            "1.3.0",
            "2.46.0",
            (
                "needs KubeRay 1.5.1 or later and Ray 2.52.0 or later; kuberayVersion is 1.3.0, rayVersion is"
                " 2.46.0"
            ),
        ),
    ],
)
def test_what_is_lacking_is_named_with_the_version_that_has_it(kuberay: str, ray: str, line: str) -> None:
    assert lacking("token authentication", kuberay=kuberay, ray=ray) == line


def test_a_feature_of_kuberay_alone_asks_for_no_ray_version() -> None:
    assert lacking("Redis user", kuberay="1.4.2") == "needs KubeRay 1.5.0 or later; kuberayVersion is 1.4.2"


def test_the_newest_kuberay_has_everything() -> None:
    assert [feature for feature in NEEDS if lacking(feature, kuberay="1.7.0", ray="2.52.0")] == []
