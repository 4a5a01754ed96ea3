"""The operators that tests run on: the oldest and the newest that resolve as modules."""

import pytest

OLDEST, NEWEST = "1.3.0", "1.6.2"

#: Marks a file whose tests hold on both: `pytestmark = BOTH_OPERATORS`.
BOTH_OPERATORS = pytest.mark.parametrize("cluster", [OLDEST, NEWEST], indirect=True)

#: For a test in such a file that has nothing to do with the operator.
ONE_OPERATOR = pytest.mark.parametrize("cluster", [OLDEST], indirect=True)

#: The like, for one that would tell a fault of the newest first.
NEWEST_OPERATOR = pytest.mark.parametrize("cluster", [NEWEST], indirect=True)
