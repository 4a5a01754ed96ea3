"""Every stack file of the project previews cleanly, so that it can be copied."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from local.cluster import LocalCluster
from tests.integration.harness.operators import BOTH_OPERATORS, NEWEST, OLDEST
from tests.integration.harness.stack import Stack
from tests.paths import ROOT

pytestmark = BOTH_OPERATORS

FILES = [*sorted(ROOT.glob("Pulumi.*.yaml")), *sorted((ROOT / "examples").glob("Pulumi.*.yaml"))]


def config_of(file: Path) -> dict[str, Any]:
    return yaml.safe_load(file.read_text())["config"]


@pytest.fixture(scope="module")
def empty_stack(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return Stack(cluster, "examples", tmp_path_factory.mktemp("examples"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_a_stack_file_previews_cleanly(file: Path, empty_stack: Stack, version: str) -> None:
    named = config_of(file).get("kuberay:kuberayVersion", version)
    assert named in (OLDEST, NEWEST), "no operator of it is here"
    if named != version:
        pytest.skip(f"is a file for KubeRay {named}")
    empty_stack.configure({key.removeprefix("kuberay:"): value for key, value in config_of(file).items()})
    changes = empty_stack.preview().changes
    assert set(changes.values()) == {"create"}
    assert any("Ray" in resource for resource in changes)
