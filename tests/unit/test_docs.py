"""What is read about the settings is made from them."""

import pytest

from docs.build import FILES
from tests.paths import ROOT


@pytest.mark.parametrize("name", FILES)
def test_the_generated_files_are_up_to_date(name: str) -> None:
    assert (ROOT / name).read_text() == FILES[name](), "run `make docs`"
