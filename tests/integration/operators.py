"""The operators that tests run on: the oldest and the newest that resolve as modules."""

import pytest

#: Marks a file whose tests hold on both: `pytestmark = BOTH_OPERATORS`.
BOTH_OPERATORS = pytest.mark.parametrize("cluster", ["1.3.0", "1.6.2"], indirect=True)
