"""Upgrades are run one after the other, each from where the last has led, and their
table says what became of them.
"""

from collections.abc import Callable
from itertools import pairwise, permutations

import pytest

from local import tools
from local.errors import LocalError
from local.tools import Tool
from tests.integration.harness.upgrade_matrix import KEPT, VERSIONS, in_turn, page


def test_all_pairs_are_one_way_through_all_versions() -> None:
    pairs = list(permutations(VERSIONS, 2))
    run = list(in_turn(pairs))
    assert sorted(run) == sorted(pairs)
    assert [(one, another) for one, another in pairwise(run) if one[1] != another[0]] == []


def test_pairs_apart_are_each_run_once() -> None:
    pairs = [("1.3.0", "1.6.2"), ("1.4.2", "1.5.1"), ("1.3.0", "1.6.2")]
    assert sorted(in_turn(pairs)) == sorted(set(pairs))


def test_the_table_tells_what_was_run_what_was_refused_and_what_was_not_run() -> None:
    results = {
        tools.KUBERNETES.version: {
            "1.3.0": {"1.6.2": ("2026-11-30", KEPT), "1.4.2": ("2026-11-29", "refused: spec.x is in use")}
        }
    }
    section = (
        page(results).partition(f"## Kubernetes {tools.KUBERNETES.version}\n\n")[2].partition("\n## ")[0]
    )
    assert section.splitlines()[2] == "| 1.3.0 |  | (1) | – | – | – | 2026-11-30 |"
    assert section.rstrip().splitlines()[-1] == "1. 2026-11-29, 1.3.0 to 1.4.2: refused: spec.x is in use"


@pytest.mark.parametrize(
    ("get", "what", "known"),
    [
        (tools.kubernetes, "Kubernetes", "1.31.14, 1.34.2, 1.36.3"),
        (tools.operator, "KubeRay", ", ".join(VERSIONS)),
    ],
)
def test_a_version_without_a_folder_is_refused_with_those_that_have_one(
    get: Callable[[str], Tool], what: str, known: str
) -> None:
    with pytest.raises(LocalError) as refused:
        get("1.2.3")
    assert (
        str(refused.value)
        == f"{what} 1.2.3 cannot be run on this machine, only {known}: local/tools has a folder for each"
    )


def test_a_control_plane_is_of_the_version_that_its_folder_pins() -> None:
    assert [tools.kubernetes(version).version for version in tools.versions_at_hand("kubernetes")] == [
        "1.31.14",
        "1.34.2",
        "1.36.3",
    ]
