"""Every stack file of the project previews cleanly, so that it can be copied."""

from pathlib import Path

import pytest
import yaml

from local.cluster import LocalCluster
from tests.integration.operators import BOTH_OPERATORS
from tests.integration.stack import ROOT, Stack

pytestmark = BOTH_OPERATORS

FILES = [*sorted(ROOT.glob("Pulumi.*.yaml")), *sorted((ROOT / "examples").glob("Pulumi.*.yaml"))]


@pytest.fixture(scope="module")
def empty_stack(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return Stack(cluster, "examples", tmp_path_factory.mktemp("examples"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_a_stack_file_previews_cleanly(file: Path, empty_stack: Stack) -> None:
    config = yaml.safe_load(file.read_text())["config"]
    empty_stack.configure({key.removeprefix("kuberay:"): value for key, value in config.items()})
    changes = empty_stack.preview().changes
    assert set(changes.values()) == {"create"}
    assert any("Ray" in resource for resource in changes)
