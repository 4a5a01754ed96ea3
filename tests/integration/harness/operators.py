"""The operators that tests run on: the oldest and the newest that resolve
as modules.
"""

import pytest

OLDEST, NEWEST = "1.3.0", "1.6.2"

#: For a case of which `make test` runs another of the same kind, so that it takes half
#: the time: `make matrix` runs these.
MATRIX = pytest.mark.matrix

#: Marks a file whose tests hold on both: `pytestmark = BOTH_OPERATORS`. Files without a
#: mark run on the oldest.
BOTH_OPERATORS = pytest.mark.parametrize(
    "cluster", [pytest.param(OLDEST, marks=MATRIX), NEWEST], indirect=True
)

#: For a test in such a file that has nothing to do with the operator.
ONE_OPERATOR = pytest.mark.parametrize("cluster", [NEWEST], indirect=True)
