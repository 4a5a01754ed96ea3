"""What the program does before all else, so that previews are quick: imported first, by `__main__.py` alone."""

import atexit
import gc

import pulumi

# A preview lives for half a second, of which Python's collector took a fifth: it went through all that is imported, again and again, and
# once more at the end, and found nothing to free.
gc.set_threshold(100_000)
atexit.register(gc.freeze)


def _drop(*_: object, **__: object) -> None:
    """Keeps a message for developers of the SDK to itself."""


# The SDK tells the engine six times how it gets on with each resource, and waits for an answer each time: a tenth of a preview of a hundred
# clusters. The engine shows these messages with `--debug` alone.
pulumi.log.debug = _drop
