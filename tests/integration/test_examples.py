"""Every stack file of the project previews cleanly, so that it can be copied."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from local.cluster import LocalCluster
from tests.integration.harness.operators import NEWEST, OLDEST
from tests.integration.harness.stack import Stack
from tests.paths import ROOT

FILES = [*sorted(ROOT.glob("Pulumi.*.yaml")), *sorted((ROOT / "examples").glob("Pulumi.*.yaml"))]


def config_of(file: Path) -> dict[str, Any]:
    return yaml.safe_load(file.read_text())["config"]


#: Each file on the operator that it names, and on both where it names none.
ON_ITS_OPERATORS = [
    pytest.param(version, file, id=f"{file.relative_to(ROOT).as_posix()}-{version}")
    for version in (OLDEST, NEWEST)
    for file in FILES
    if config_of(file).get("kuberay:kuberayVersion", version) == version
]


@pytest.fixture(scope="module")
def empty_stack(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return Stack(cluster, "examples", tmp_path_factory.mktemp("examples"))


def test_the_operators_here_are_those_that_the_files_name() -> None:
    assert {config_of(file).get("kuberay:kuberayVersion", OLDEST) for file in FILES} <= {OLDEST, NEWEST}


@pytest.mark.parametrize(("cluster", "file"), ON_ITS_OPERATORS, indirect=["cluster"])
def test_a_stack_file_previews_cleanly(file: Path, empty_stack: Stack) -> None:
    empty_stack.configure({key.removeprefix("kuberay:"): value for key, value in config_of(file).items()})
    changes = empty_stack.preview().changes
    assert set(changes.values()) == {"create"}
    assert any("Ray" in resource for resource in changes)
