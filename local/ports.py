"""Ports on this machine that nobody uses."""

import random
import socket
from collections.abc import Iterator

# Below the range from which Linux takes the ports of outgoing connections: one of those
# could be given away between choosing and use.
PORT_RANGE = range(16000, 30000)


def free_ports() -> Iterator[int]:
    """Loopback ports that nobody listens on."""
    while True:
        port = random.choice(PORT_RANGE)  # noqa: S311
        if is_free(port):
            yield port


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
