"""What is read about the settings is made from them."""

from pathlib import Path

import pytest

from docs.build import FILES

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize("name", FILES)
def test_the_generated_files_are_up_to_date(name: str) -> None:
    assert (ROOT / name).read_text() == FILES[name](), "run `make docs`"
