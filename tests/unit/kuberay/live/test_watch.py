"""The view of a namespace: of the cluster that the stack names, through lost connections, and not for ever for who may not look."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kuberay.live import watch as module
from kuberay.live.api.connection import Connection
from kuberay.live.waiting.loop import NotUpError, until_listed
from kuberay.live.watch import NamespaceView


class ApiServer(ThreadingHTTPServer):
    """Lists nothing, or refuses to; of watches it says nothing, nor that they have ended."""

    daemon_threads = True

    def __init__(self, *, answers: int = 200) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = answers
        self.lists = 0
        self.ended = threading.Event()

    def kubeconfig(self) -> str:
        return json.dumps(
            {
                "current-context": "it",
                "contexts": [{"name": "it", "context": {"cluster": "it", "user": "me"}}],
                "clusters": [{"name": "it", "cluster": {"server": f"http://127.0.0.1:{self.server_port}"}}],
                "users": [{"name": "me", "user": {"token": "t"}}],
            }
        )


class _Handler(BaseHTTPRequestHandler):
    server: ApiServer  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        if "watch=" in self.path:
            self.send_response(200)
            self.end_headers()
            self.wfile.flush()
            self.server.ended.wait(30)
            return
        self.server.lists += 1
        answer = {"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": []}
        if self.server.answers == 403:
            answer = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403, "message": "me cannot list pods"}
        # Of a kind that it does not know, an API server says so in plain text.
        body = b"404 page not found" if self.server.answers == 404 else json.dumps(answer).encode()
        self.send_response(self.server.answers)
        self.send_header("Content-Type", "text/plain" if self.server.answers == 404 else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def serve() -> Iterator[list[ApiServer]]:
    servers: list[ApiServer] = []
    yield servers
    for server in servers:
        server.ended.set()
        server.shutdown()


def started(servers: list[ApiServer], *, answers: int = 200) -> ApiServer:
    server = ApiServer(answers=answers)
    servers.append(server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def look(server: ApiServer, *, until_lists: int) -> None:
    """Makes a view, as a program does whose stack names this server, and waits for so many lists."""

    async def looking() -> None:
        view = NamespaceView(Connection(kubeconfig=server.kubeconfig()), "kuberay")
        await until_listed(view, 10)
        ends = time.monotonic() + 10
        while server.lists < until_lists and time.monotonic() < ends:
            await asyncio.sleep(0.05)

    asyncio.run(looking())


def test_the_threads_ask_the_cluster_that_the_stack_names(serve: list[ApiServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server, decoy = started(serve), started(serve)
    (tmp_path / "config").write_text(decoy.kubeconfig())
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    look(server, until_lists=2)
    assert (server.lists, decoy.lists) == (2, 0)


def test_a_watch_whose_connection_got_lost_is_begun_again(serve: list[ApiServer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOST_SECONDS", 0.2)
    server = started(serve)
    look(server, until_lists=4)
    assert server.lists >= 4


def test_who_may_not_look_is_told_at_once(serve: list[ApiServer]) -> None:
    server = started(serve, answers=403)
    begun = time.monotonic()
    with pytest.raises(NotUpError, match=r"does not show Ray's pods to this account: .*me cannot list pods"):
        look(server, until_lists=2)
    assert time.monotonic() - begun < 5


def test_that_the_kinds_were_deleted_is_told_once_they_could_have_come(serve: list[ApiServer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KIND_COMES", 1)
    server = started(serve, answers=404)
    with pytest.raises(NotUpError, match=r"^the cluster knows no RayClusters: .*; `make destroy`, then `pulumi up`, brings them back$"):
        look(server, until_lists=2)
    assert server.lists > 2
