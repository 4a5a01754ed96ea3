"""What a wait makes of the API server's answers, and of none."""

import asyncio
from collections.abc import Callable

import httpx2
import pytest

from kuberay.live.api.client import no_answer
from kuberay.live.wait_loop import Look, NotUpError, every, wait

REQUEST = httpx2.Request("GET", "https://cluster.example")


def refused(code: int) -> httpx2.HTTPStatusError:
    return httpx2.HTTPStatusError("said no", request=REQUEST, response=httpx2.Response(code, request=REQUEST))


@pytest.mark.parametrize(
    "error", [httpx2.ReadTimeout(""), httpx2.ConnectError("refused"), refused(429), refused(503)]
)
def test_a_server_that_is_busy_or_out_of_reach_is_asked_again(error: httpx2.HTTPError) -> None:
    assert no_answer(error).startswith("the Kubernetes API server does not answer: ")


@pytest.mark.parametrize("code", [403, 404, 422])
def test_an_answer_is_taken_as_it_is(code: int) -> None:
    with pytest.raises(httpx2.HTTPStatusError):
        no_answer(refused(code))


def waited(*looks: Look | Exception, timeout: float = 10, queue_timeout: float = 0) -> list[str]:
    """The progress that was reported; the last look is taken again and again."""
    upcoming, said = list(looks), list[str]()

    async def look() -> Look:
        seen = upcoming.pop(0) if len(upcoming) > 1 else upcoming[0]
        if isinstance(seen, Exception):
            raise seen
        return seen

    asyncio.run(
        wait(
            look,
            what="it",
            so_far="not there",
            timeout=timeout,
            queue_timeout=queue_timeout,
            report=said.append,
            pause=every(0.01),
        )
    )
    return said


def failure(run: Callable[[], object]) -> str:
    with pytest.raises(NotUpError) as error:
        run()
    return str(error.value)


def test_progress_is_told_once_until_it_changes() -> None:
    looks = [Look(progress=text) for text in ("one", "one", "two", "two", "one")]
    assert waited(*looks, Look(up=True, progress="there")) == ["one", "two", "one"]


def test_a_request_without_an_answer_is_progress_and_the_wait_goes_on() -> None:
    said = waited(httpx2.ReadTimeout("timed out"), refused(503), Look(up=True))
    assert said == [
        "the Kubernetes API server does not answer: timed out",
        "the Kubernetes API server does not answer: said no",
    ]


def test_an_answer_that_is_an_error_ends_the_wait() -> None:
    with pytest.raises(httpx2.HTTPStatusError):
        waited(refused(403), Look(up=True))


def test_what_will_never_be_ends_the_wait_at_once() -> None:
    assert failure(lambda: waited(Look(failed="it: never"))) == "it: never"


def test_when_the_time_is_over_it_says_how_far_it_came_and_why() -> None:
    assert failure(
        lambda: waited(Look(progress="starting", cause="no image", so_far="only 1 of 2"), timeout=0)
    ) == ("it: only 1 of 2 after 0 s (timeoutSeconds): no image")
    assert failure(lambda: waited(httpx2.ReadTimeout("timed out"), timeout=0)) == (
        "it: not there after 0 s (timeoutSeconds): the Kubernetes API server does not answer: timed out"
    )


def test_the_time_begins_when_a_queue_has_let_it_go() -> None:
    queued = [Look(queued="queued in team, 1 of 1: no room")] * 30
    starting = [Look(progress="starting")] * 10
    said = waited(*queued, *starting, Look(up=True), timeout=0.15, queue_timeout=10)
    assert said == ["queued in team, 1 of 1: no room", "starting"]


def test_a_queue_has_a_time_of_its_own() -> None:
    look = Look(queued="queued in team, 2 of 3: no room")
    assert failure(lambda: waited(look, timeout=100, queue_timeout=0.05)) == (
        "it: after 0 s (queue.timeoutSeconds) still queued in team, 2 of 3: no room; it starts by itself when"
        " there is room, and the next `up` waits for it again"
    )
