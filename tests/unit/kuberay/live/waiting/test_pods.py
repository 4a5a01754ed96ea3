"""Pods that run an old spec are counted, with one request for all clusters
of a stack.
"""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from kuberay.live.api.connection import Connection
from kuberay.live.waiting.pods import old_pods
from tests.unit.kuberay.live.api_server import Answering, ApiServer, kubeconfig, serving


class Server(ApiServer):
    """Lists pods of two clusters."""

    asked = 0


class Handler(Answering, BaseHTTPRequestHandler):
    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        self.server.asked += 1
        items = [
            pod("one", "headgroup", "new"),
            pod("one", "workers", "old"),
            pod("one", "workers", "old"),
            pod("two", "headgroup", "old"),
        ]
        self.answer(
            {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items}
        )


def pod(cluster: str, group: str, template: str) -> dict[str, Any]:
    labels = {"ray.io/cluster": cluster, "ray.io/group": group}
    return {
        "metadata": {
            "name": f"{cluster}-{group}",
            "labels": labels,
            "annotations": {"kuberay.pulumi/template": template},
        },
        "status": {},
    }


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server(Handler)) as server:
        yield server


def test_all_clusters_of_a_stack_are_asked_about_once(server: Server) -> None:
    wanted = {"headgroup": "new", "workers": "new"}
    found = [
        old_pods(server.connection(), "kuberay", name, wanted, as_at_first=True)
        for name in ("one", "two", "three")
    ]
    assert found == [{"workers": 2}, {"headgroup": 1}, {}]
    assert server.asked == 1


def test_after_a_wait_they_are_asked_about_anew(server: Server) -> None:
    for _ in range(2):
        assert old_pods(server.connection(), "kuberay", "two", {"headgroup": "new"}) == {"headgroup": 1}
    assert server.asked == 2


def test_a_cluster_that_cannot_be_asked_has_none() -> None:
    assert (
        old_pods(
            Connection(kubeconfig=kubeconfig("http://127.0.0.1:1")),
            "kuberay",
            "one",
            {"headgroup": "new"},
            as_at_first=True,
        )
        == {}
    )
