"""Bad settings through the real CLI: one clear line, no traceback, nothing changed."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local.cluster import LocalCluster
from tests.bad_settings import BAD_SETTINGS, Bad
from tests.integration.stack import Stack


@pytest.fixture(scope="module")
def refusals(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, list[object]]]:
    """What `up` printed for each mistake, and what was in the state after it."""

    def refuse(numbered: tuple[int, Bad]) -> tuple[str, tuple[str, list[object]]]:
        number, bad = numbered
        stack = Stack(cluster, f"bad-{number}", Path(tmp_path_factory.mktemp("bad")))
        stack.configure(bad.config)
        run = stack.up()
        made = [r["urn"] for r in stack.resources() if not r["urn"].split("::")[2].startswith("pulumi:")]
        return bad.mistake, (("" if not run.ok else "UP SUCCEEDED ") + run.text, made)

    with ThreadPoolExecutor(4) as pool:
        return dict(pool.map(refuse, enumerate(BAD_SETTINGS)))


@pytest.mark.parametrize("bad", BAD_SETTINGS, ids=lambda bad: bad.mistake)
def test_up_refuses_it_with_a_clear_line_and_changes_nothing(bad: Bad, refusals: dict[str, tuple[str, list[object]]]) -> None:
    text, made = refusals[bad.mistake]
    assert not text.startswith("UP SUCCEEDED")
    assert "Traceback" not in text
    assert made == []
    line = next((line for line in text.splitlines() if all(part in line for part in bad.says)), None)
    assert line is not None, text
