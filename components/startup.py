"""What holds for the process of the program, so that previews are quick and errors
readable: imported first, by `__main__.py` alone.
"""

import atexit
import gc
import os
import signal

import pulumi

# A preview lives for half a second, of which Python's collector took a fifth: it went
# through all that is imported, again and again, and once more at the end, and found
# nothing to free.
gc.set_threshold(100_000)
atexit.register(gc.freeze)


def prepare_process() -> None:
    """What holds for the process of the program and for nobody who imports
    a component.
    """
    # When a resource fails, the engine interrupts the program; Python's traceback would
    # bury the cause that was just printed.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    # The SDK tells the engine six times how it gets on with each resource, and waits
    # for an answer each time: a tenth of a preview of a hundred clusters. The engine
    # shows these messages with `--debug` alone.
    pulumi.log.debug = _drop


def _drop(*_: object, **__: object) -> None:
    """Says nothing."""
