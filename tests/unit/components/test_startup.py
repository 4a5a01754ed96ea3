"""What holds for the process of the program."""

import asyncio
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pulumi
import pytest

from components import startup


@pytest.fixture(autouse=True)
def process_of_the_tests() -> Iterator[None]:
    """The signal's handler and Pulumi's log, as the other tests need them."""
    handler, debug = signal.getsignal(signal.SIGINT), pulumi.log.debug
    yield
    signal.signal(signal.SIGINT, handler)
    pulumi.log.debug = debug


def test_a_hook_has_a_thread_while_resources_wait_for_it_in_all_of_the_language_hosts() -> None:
    done = Event()

    async def register() -> None:
        loop = asyncio.get_running_loop()
        # As the language host leaves it.
        loop.set_default_executor(ThreadPoolExecutor(2))
        startup.prepare_process()
        resources = [loop.run_in_executor(None, done.wait, 10) for _ in range(100)]
        try:
            await asyncio.wait_for(asyncio.to_thread(done.set), 5)
        finally:
            done.set()
            await asyncio.gather(*resources)

    asyncio.run(register())
