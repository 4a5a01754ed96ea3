"""The program takes its process's interrupts and messages: here they stay
the tests'.
"""

import signal
from collections.abc import Iterator

import pulumi
import pytest


@pytest.fixture(autouse=True)
def this_process_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(pulumi.log, "debug", pulumi.log.debug)
    interrupts = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, interrupts)
