"""Bad settings through the real CLI: one clear line, no traceback, nothing changed."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from local.cluster import LocalCluster
from tests.bad_settings import BAD_SETTINGS, Bad
from tests.integration.harness.stack import Run, Stack

#: The unit tests try all of them; a seventh is enough to see what the CLI makes of it.
TRIED = BAD_SETTINGS[::7]
#: Stacks that are tried side by side.
WORKERS = 3


@pytest.fixture(scope="module")
def stacks(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> list[Stack]:
    return [Stack(cluster, f"bad-{number}", tmp_path_factory.mktemp("bad")) for number in range(WORKERS)]


@pytest.fixture(scope="module")
def refusals(stacks: list[Stack]) -> dict[str, Run]:
    """What `up` did with each mistake."""

    def refuse(number: int) -> dict[str, Run]:
        runs: dict[str, Run] = {}
        for bad in TRIED[number::WORKERS]:
            stacks[number].configure(bad.config)
            runs[bad.mistake] = stacks[number].up()
        return runs

    with ThreadPoolExecutor(WORKERS) as pool:
        return {mistake: run for runs in pool.map(refuse, range(WORKERS)) for mistake, run in runs.items()}


@pytest.mark.parametrize("bad", TRIED, ids=lambda bad: bad.mistake)
def test_up_refuses_it_with_one_clear_line(bad: Bad, refusals: dict[str, Run]) -> None:
    run = refusals[bad.mistake]
    assert not run.ok
    assert "Traceback" not in run.text
    expected = bad.cli_says or bad.says
    assert any(all(part in line for part in expected) for line in run.text.splitlines()), run.text


def test_nothing_was_made_by_any_of_them(stacks: list[Stack], refusals: dict[str, Run]) -> None:
    assert len(refusals) == len(TRIED) >= 30
    for stack in stacks:
        assert {resource["type"] for resource in stack.resources()} <= {"pulumi:pulumi:Stack"}
