"""For all tests."""

import os
import re

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from commands.stack.interrupts import take_interrupts
from tests.integration.harness.operators import NEWEST, OLDEST

take_interrupts()
# Where a machine forbids to keep bytecode, each run of the CLI would compile the whole
# program anew, for a third of a second.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


class ByCluster(LoadScopeScheduling):
    """Tests that share a cluster go to one worker: those of a file with one operator,
    and all that have real pods.

    The marks of `--dist loadgroup` do not reach pytest-xdist 3.8.0 from pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition("::")
        if file.startswith("tests/real/"):
            return "tests/real"
        operators = [part for part in re.split(r"[\[\]-]", test) if part in (OLDEST, NEWEST)]
        return " ".join([file, *operators])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    """What `--dist loadscope` means here."""
    return ByCluster(config, log) if config.getvalue("dist") == "loadscope" else None
