"""What is read about the settings is made from them, and what is to be copied from the docs is taken."""

import json
import re
from typing import Any

import pytest
import yaml

from docs.build import FILES
from kuberay.checks.loading import load_plan
from tests.paths import ROOT

STACK_FILES = [
    pytest.param(block, id=f"{file.name}-{number}")
    for file in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    for number, block in enumerate(re.findall(r"```yaml\n(config:\n.*?)```", file.read_text(), re.DOTALL))
]


@pytest.mark.parametrize("name", FILES)
def test_the_generated_files_are_up_to_date(name: str) -> None:
    assert (ROOT / name).read_text() == FILES[name](), "run `make docs`"


@pytest.mark.parametrize("block", STACK_FILES)
def test_a_stack_file_in_the_docs_can_be_copied(block: str) -> None:
    given: dict[str, Any] = yaml.safe_load(block)["config"]
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in given.items()}
    assert load_plan(texts, project_folder=ROOT).settings
