"""Pods that run an old spec are counted, with one request for all clusters of a stack."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from kuberay.live.api.connection import Connection
from kuberay.live.waiting.pods import old_pods


class Server(ThreadingHTTPServer):
    """Lists pods of two clusters."""

    daemon_threads = True
    asked = 0


class Handler(BaseHTTPRequestHandler):
    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        self.server.asked += 1
        items = [pod("one", "headgroup", "new"), pod("one", "workers", "old"), pod("one", "workers", "old"), pod("two", "headgroup", "old")]
        body = json.dumps({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def pod(cluster: str, group: str, template: str) -> dict[str, Any]:
    labels = {"ray.io/cluster": cluster, "ray.io/group": group}
    return {
        "metadata": {"name": f"{cluster}-{group}", "labels": labels, "annotations": {"kuberay.pulumi/template": template}},
        "status": {},
    }


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def connection(port: int) -> Connection:
    content = {
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it"}}],
        "clusters": [{"name": "it", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
    }
    return Connection(kubeconfig=json.dumps(content))


def test_all_clusters_of_a_stack_are_asked_about_once(server: Server) -> None:
    wanted = {"headgroup": "new", "workers": "new"}
    found = [old_pods(connection(server.server_port), "kuberay", name, wanted, as_at_first=True) for name in ("one", "two", "three")]
    assert found == [{"workers": 2}, {"headgroup": 1}, {}]
    assert server.asked == 1


def test_after_a_wait_they_are_asked_about_anew(server: Server) -> None:
    for _ in range(2):
        assert old_pods(connection(server.server_port), "kuberay", "two", {"headgroup": "new"}) == {"headgroup": 1}
    assert server.asked == 2


def test_a_cluster_that_cannot_be_asked_has_none() -> None:
    assert old_pods(connection(1), "kuberay", "one", {"headgroup": "new"}, as_at_first=True) == {}
