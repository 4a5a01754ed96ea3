"""Which CRDs are brought to the operator's version."""

import pytest

from components.crds import is_stale


@pytest.mark.parametrize(
    ("found", "version", "was", "stale"),
    [
        pytest.param(None, "1.3.0", None, True, id="left by an install of unknown version"),
        pytest.param(None, "1.3.0", "1.3.0", False, id="installed by Helm with this very release"),
        pytest.param(None, "1.6.2", "1.3.0", True, id="an upgrade, installed by Helm"),
        pytest.param("1.5.1", "1.6.2", "1.5.1", True, id="an upgrade"),
        pytest.param("1.6.2", "1.6.2", "1.3.0", False, id="an upgrade that was killed after this CRD"),
        pytest.param("1.6.2", "1.6.2", "1.6.2", False, id="no other version"),
        pytest.param("1.6.2", "1.3.0", "1.6.2", True, id="a downgrade"),
        pytest.param("1.3.0", "1.6.2", None, True, id="left by an older install"),
        pytest.param("1.6.2", "1.3.0", None, False, id="of a newer install, maybe another operator's"),
        pytest.param("1.6.2", "1.3.0", "1.3.0", False, id="of a newer operator beside this one"),
    ],
)
def test_a_crd_is_stale(found: str | None, version: str, was: str | None, stale: bool) -> None:
    assert is_stale(found, version, was) == stale
