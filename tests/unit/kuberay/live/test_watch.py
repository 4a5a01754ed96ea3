"""The view of a namespace: of the cluster that the stack names, through lost
connections, and not for ever for who may not look.
"""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from kuberay.live import watch as module
from kuberay.live.wait_loop import NotUpError
from kuberay.live.watch import NamespaceView
from tests.unit.kuberay.live.api_server import Answering, ApiServer, serving, status

#: What a real API server sends inside a watch of a version that it no longer has: after
#: its restart, or after a CRD has changed.
TOO_OLD = {
    "type": "ERROR",
    "object": {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "too old resource version: 1 (2)",
        "reason": "Expired",
        "code": 410,
    },
}


class Server(ApiServer):
    """Lists pods, or refuses to. Of watches it sends what it is told to, and then says
    nothing more, nor that they have ended.
    """

    def __init__(self, *, answers: int = 200) -> None:
        super().__init__(_Handler)
        self.answers = answers
        self.lists = self.watches = 0
        self.pods: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        """What the next watch sends, before it ends."""
        self.ends_watches = False
        self.ended = threading.Event()


class _Handler(Answering, BaseHTTPRequestHandler):
    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        if "watch=" in self.path:
            self.server.watches += 1
            events: list[dict[str, Any]] = []
            if "/pods" in self.path:
                events, self.server.events = self.server.events, []
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            for event in events:
                self.wfile.write(json.dumps(event).encode() + b"\n")
            self.wfile.flush()
            if not events and not self.server.ends_watches:
                self.server.ended.wait(30)
            return
        self.server.lists += 1
        answer = {
            "kind": "List",
            "apiVersion": "v1",
            "metadata": {"resourceVersion": "1"},
            "items": self.server.pods if "/pods" in self.path else [],
        }
        # Of a kind that it does not know, an API server says so in plain text.
        if self.server.answers == 404:
            self.answer(b"404 page not found", 404, "text/plain")
        else:
            self.answer(
                status(403, "me cannot list pods") if self.server.answers == 403 else answer,
                self.server.answers,
            )


Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as running:

        def started(*, answers: int = 200) -> Server:
            server = running.enter_context(serving(Server(answers=answers)))
            running.callback(server.ended.set)
            return server

        yield started


def look(server: Server, *, until_lists: int) -> None:
    """Makes a view, as a program does whose stack names this server, and waits for so
    many lists.
    """

    async def looking() -> None:
        view = NamespaceView(server.connection(), "kuberay")
        await view.until_listed(10)
        ends = time.monotonic() + 10
        while server.lists < until_lists and time.monotonic() < ends:
            await asyncio.sleep(0.05)

    asyncio.run(looking())


def test_the_threads_ask_the_cluster_that_the_stack_names(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, decoy = serve(), serve()
    (tmp_path / "config").write_text(decoy.kubeconfig())
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    look(server, until_lists=2)
    assert (server.lists, decoy.lists) == (2, 0)


def test_a_watch_whose_connection_got_lost_is_begun_again(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LOST_SECONDS", 0.2)
    server = serve()
    look(server, until_lists=4)
    assert server.lists >= 4


def test_who_may_not_look_is_told_at_once(serve: Serve) -> None:
    server = serve(answers=403)
    begun = time.monotonic()
    with pytest.raises(NotUpError, match=r"does not show Ray's pods to this account: .*me cannot list pods"):
        look(server, until_lists=2)
    assert time.monotonic() - begun < 5


def test_that_the_kinds_were_deleted_is_told_once_they_could_have_come(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_KIND_COMES", 1)
    server = serve(answers=404)
    with pytest.raises(
        NotUpError,
        match=r"^the cluster knows no RayClusters: .*; `make destroy`, then `pulumi up`, brings them back$",
    ):
        look(server, until_lists=2)
    assert server.lists > 2


def pod(name: str, version: str = "2") -> dict[str, Any]:
    return {
        "metadata": {"name": name, "resourceVersion": version, "labels": {"ray.io/cluster": "ray"}},
        "status": {},
    }


def names_seen(server: Server, wanted: list[str]) -> list[str]:
    """Makes a view and waits until it shows these pods; returns those that it shows in
    the end.
    """

    async def looking() -> list[str]:
        view = NamespaceView(server.connection(), "kuberay")
        await view.until_listed(10)
        ends = time.monotonic() + 10
        while (
            names := sorted(str(pod["metadata"]["name"]) for pod in view.pods("ray"))
        ) != wanted and time.monotonic() < ends:
            await view.change("ray", 0.1)
        return names

    return asyncio.run(looking())


def test_a_watch_that_is_too_old_is_begun_anew_with_what_is_there_now(serve: Serve) -> None:
    server = serve()
    server.pods = [pod("old")]
    server.events = [{"type": "ADDED", "object": pod("seen")}, TOO_OLD]
    # By the time of the second list both are gone.
    threading.Timer(0.5, lambda: setattr(server, "pods", [pod("new")])).start()
    assert names_seen(server, ["new"]) == ["new"]


def test_what_changes_is_shown_as_it_changes(serve: Serve) -> None:
    server = serve()
    server.pods = [pod("stays"), pod("goes")]
    bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9"}}}
    server.events = [
        {"type": "ADDED", "object": pod("comes", "3")},
        bookmark,
        {"type": "DELETED", "object": pod("goes", "4")},
    ]
    assert names_seen(server, ["comes", "stays"]) == ["comes", "stays"]


def test_a_server_that_ends_watches_at_once_is_not_asked_in_a_hot_loop(serve: Serve) -> None:
    server = serve()
    server.ends_watches = True

    async def looking() -> None:
        await NamespaceView(server.connection(), "kuberay").until_listed(10)
        await asyncio.sleep(2.5)

    asyncio.run(looking())
    # Two kinds, and one watch of each in a second; a watch that ended well needs no
    # list.
    assert 2 <= server.watches <= 8
    assert server.lists == 2
