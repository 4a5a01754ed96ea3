"""The one loop of all waits: progress, requests without an answer, causes that are
certain, and the end when the time is over.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from httpx2 import HTTPError

from kuberay.facts.phrases import Report
from kuberay.live.api.client import no_answer


class NotUpError(Exception):
    """Ray is not up; the message is the cause in one line."""


@dataclass(frozen=True)
class Look:
    """What one look at something tells."""

    up: bool = False
    """It is as it should be: the wait is over."""
    failed: str | None = None
    """Why it will never be, where that is certain: one line that names it."""
    progress: str = ""
    """What there is to say of it meanwhile."""
    cause: str = ""
    """Why it is not up so far, where that is more than its progress."""
    so_far: str | None = None
    """What it has come to, where the time is over: ``only 1 of 2 pods ready``."""
    queued: str | None = None
    """Where it stands in a queue, which holds it back and has a time of its own."""


async def wait(
    look: Callable[[], Awaitable[Look]],
    *,
    what: str,
    so_far: str,
    timeout: float,
    queue_timeout: float = 0,
    report: Report,
    pause: Callable[[float], Awaitable[None]],
) -> None:
    """Looks again and again until a look says that something is up.

    Args:
        look: asks the cluster. A request without an answer is progress; any other error
            ends the wait.
        what: the name of what is waited for.
        so_far: what it has come to where no look has told: ``not available``.
        timeout: in seconds; begins anew when a queue has let it go.
        queue_timeout: how long it may be in a queue, in seconds.
        report: takes each new line of progress.
        pause: waits until it is worth to look again, but no longer than so many
            seconds.

    Raises:
        NotUpError: with the cause, as early as it is certain and at the latest after
            the timeout.
    """
    begun = time.monotonic()
    deadline = begun + timeout
    said = ""
    while True:
        try:
            seen = await look()
        except HTTPError as error:
            seen = Look(progress=no_answer(error))
        if seen.up:
            return
        if seen.failed:
            raise NotUpError(seen.failed)
        if seen.queued:
            now = time.monotonic()
            if now > begun + queue_timeout:
                raise NotUpError(
                    f"{what}: after {queue_timeout:.0f} s (queue.timeoutSeconds) still {seen.queued}; it"
                    " starts by itself when there is room, and the next `up` waits for it again"
                )
            seen, deadline = replace(seen, progress=seen.queued), now + timeout
        left = deadline - time.monotonic()
        if left < 0:
            cause = seen.cause or seen.progress
            raise NotUpError(
                f"{what}: {seen.so_far or so_far} after {timeout:.0f} s (timeoutSeconds): {cause}"
            )
        if seen.progress != said:
            said = seen.progress
            report(said)
        await pause(left + 0.01)


def every(seconds: float, *, at_first: float | None = None) -> Callable[[float], Awaitable[None]]:
    """A pause of so many seconds; a shorter one at first, and then ever longer ones up
    to it.
    """
    upcoming = at_first or seconds

    async def pause(at_most: float) -> None:
        nonlocal upcoming
        await asyncio.sleep(min(upcoming, at_most))
        upcoming = min(upcoming * 1.5, seconds)

    return pause
