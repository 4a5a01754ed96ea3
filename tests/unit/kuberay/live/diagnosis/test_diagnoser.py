"""Events are read where a pod's status says nothing."""

import asyncio
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import httpx2
from lightkube import AsyncClient

from kuberay.live.diagnosis.diagnoser import OPERATOR_LOOKS, Diagnoser

REQUEST = httpx2.Request("GET", "https://cluster.example")


def refused(code: int) -> httpx2.HTTPStatusError:
    return httpx2.HTTPStatusError("said no", request=REQUEST, response=httpx2.Response(code, request=REQUEST))


STARTING = {"metadata": {"name": "worker", "uid": "1"}, "status": {"phase": "Running"}}


class Events:
    """A client that lists one event, or refuses to."""

    def __init__(self, *, forbidden: bool = False) -> None:
        self.forbidden = forbidden
        self.asked = 0

    async def list(self, *_: object, **__: object) -> AsyncIterator[Any]:
        self.asked += 1
        if self.forbidden:
            raise refused(403)
        event = {
            "type": "Warning",
            "reason": "Unhealthy",
            "message": "Readiness probe failed",
            "metadata": {},
        }
        yield SimpleNamespace(to_dict=lambda: event)


def looked(events: Events, *, times: int, at_once: bool = True) -> str | None:
    diagnoser = Diagnoser(cast("AsyncClient", events), "kuberay", at_once=at_once)
    troubles = [asyncio.run(diagnoser.look_at(STARTING, room_may_come=False)) for _ in range(times)]
    last = troubles[-1]
    return last.text if last else None


def test_the_events_of_a_pod_are_read_now_and_then() -> None:
    events = Events()
    assert looked(events, times=5) == "Unhealthy: Readiness probe failed"
    assert events.asked == 1


def test_the_events_of_a_pod_that_has_just_come_are_not_read() -> None:
    events = Events()
    assert looked(events, times=5, at_once=False) is None
    assert events.asked == 0


def test_the_operator_is_given_a_moment_to_refuse_an_object() -> None:
    diagnoser = Diagnoser(cast("AsyncClient", Events()), "kuberay")
    assert not diagnoser.operator_has_looked_at(STARTING)
    time.sleep(OPERATOR_LOOKS)
    assert diagnoser.operator_has_looked_at(STARTING)


def test_an_account_that_may_not_read_events_goes_without() -> None:
    assert looked(Events(forbidden=True), times=2) is None
