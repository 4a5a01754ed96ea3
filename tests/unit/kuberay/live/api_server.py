"""A double of the API server for unit tests: it answers over HTTP on loopback what a
test tells it to.
"""

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

from kuberay.live.api.connection import Connection


def kubeconfig(server: str, **user: Any) -> str:
    """A kubeconfig's content that names a server, and by default a user
    with a token.
    """
    return json.dumps(
        {
            "current-context": "it",
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "me"}}],
            "clusters": [{"name": "it", "cluster": {"server": server}}],
            "users": [{"name": "me", "user": user or {"token": "t"}}],
        }
    )


class Found(dict[str, Any]):
    """An object as lightkube's client gives it."""

    def to_dict(self) -> dict[str, Any]:
        return self


class ApiServer(ThreadingHTTPServer):
    """Has no answers of its own: a test's handler gives them."""

    daemon_threads = True

    def __init__(self, handler: type["Answering"]) -> None:
        super().__init__(("127.0.0.1", 0), handler)

    def kubeconfig(self, **user: Any) -> str:
        return kubeconfig(f"http://127.0.0.1:{self.server_port}", **user)

    def connection(self, **user: Any) -> Connection:
        return Connection(kubeconfig=self.kubeconfig(**user))


class Answering(BaseHTTPRequestHandler):
    """What handlers of tests share."""

    def answer(self, body: Any, code: int = 200, content_type: str | None = "application/json") -> None:
        """Sends an object as JSON, or a text's bytes as they are."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        if content_type:
            self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def status(code: int, message: str, **more: Any) -> dict[str, Any]:
    """What an API server answers with an error."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "message": message,
        **more,
    }


Served = TypeVar("Served", bound=ApiServer)


@contextmanager
def serving(server: Served) -> Generator[Served]:
    """The server, which answers for as long as this lasts."""
    with server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
