"""Says what is being done and for how long: a long step does not look like a hang."""

import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

TERMINAL_SECONDS = 1.0
LOG_SECONDS = 15.0


def elapsed(seconds: float) -> str:
    """3.2 -> '3s', 200 -> '3m20s'."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"


@contextmanager
def step(label: str) -> Generator[None]:
    """Shows `label … elapsed` while the body runs: one line rewritten on a terminal, a
    line now and then in a log.
    """
    terminal = sys.stderr.isatty()
    started = time.monotonic()
    finished = threading.Event()

    def show(ending: str) -> None:
        start = "\r\033[K" if terminal else ""
        print(
            f"{start}{label} … {elapsed(time.monotonic() - started)}", end=ending, file=sys.stderr, flush=True
        )

    def keep_showing() -> None:
        while not finished.wait(TERMINAL_SECONDS if terminal else LOG_SECONDS):
            show("" if terminal else "\n")

    if terminal:
        show("")
    else:
        print(f"{label} …", file=sys.stderr, flush=True)
    ticker = threading.Thread(target=keep_showing, daemon=True)
    ticker.start()
    try:
        yield
    finally:
        finished.set()
        ticker.join()
        show("\n")
