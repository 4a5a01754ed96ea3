"""What makes previews quick and holds for the whole program: imported first, by `__main__.py` alone."""

import atexit
import gc

import pulumi

# A preview lives for half a second, of which Python's collector took a fifth: it went through all that is imported, again and again, and
# once more at the end, and found nothing to free.
gc.set_threshold(100_000)
atexit.register(gc.freeze)


def spare_debug_messages() -> None:
    """Keeps the SDK's messages for its own developers to itself.

    It tells the engine six times how it gets on with each resource, and waits for an answer each time: a tenth of a preview of a hundred
    clusters. The engine shows these messages with `--debug` alone.
    """

    def drop(*_: object, **__: object) -> None:
        """Says nothing."""

    pulumi.log.debug = drop
