"""Requests get to the API server as the kubeconfig says, and again where it is busy or
a connection was lost.
"""

import asyncio
import json
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from lightkube import ApiError
from lightkube.resources.core_v1 import Pod

from kuberay.live.api.client import code_of, connect, connect_blocking
from kuberay.live.api.connection import Connection
from kuberay.live.api.kubeconfig import KubeconfigError
from tests.unit.kuberay.live.api_server import Answering, ApiServer, kubeconfig, serving, status

POD = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p", "namespace": "kuberay"}}
#: In place of a code: the connection is closed without an answer.
LOST = 0


class Server(ApiServer):
    """Answers with one code after the other, and with a pod from then on."""

    def __init__(self) -> None:
        super().__init__(Handler)
        self.codes: list[int] = []
        self.headers: list[dict[str, list[str]]] = []


class Handler(Answering, BaseHTTPRequestHandler):
    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        self.server.headers.append({name.lower(): self.headers.get_all(name) or [] for name in self.headers})
        code = self.server.codes.pop(0) if self.server.codes else 200
        if code == LOST:
            self.close_connection = True
            return
        body = POD if code == 200 else status(code, f"answer {code}")
        self.answer(body, code, None if code == 418 else "application/json")


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server()) as server:
        yield server


def ask(connection: Connection, *, loop: bool, patience: float) -> str:
    """The name of the pod, asked for in an event loop or outside of one."""

    async def in_a_loop() -> Any:
        client = connect(connection, "kuberay", patience=patience)
        try:
            return await client.get(Pod, "p")
        finally:
            await client.close()

    found: Any = (
        asyncio.run(in_a_loop())
        if loop
        else connect_blocking(connection, "kuberay", patience=patience).get(Pod, "p")
    )
    return found.metadata.name


@pytest.mark.parametrize("loop", [True, False])
@pytest.mark.parametrize("codes", [[429], [500], [502, 503], [504, LOST], [LOST]])
def test_a_server_that_is_busy_or_restarts_is_asked_again(
    server: Server, codes: list[int], loop: bool
) -> None:
    server.codes = list(codes)
    assert ask(server.connection(), loop=loop, patience=10) == "p"
    assert len(server.headers) == len(codes) + 1


@pytest.mark.parametrize("loop", [True, False])
def test_without_patience_there_is_one_try(server: Server, loop: bool) -> None:
    server.codes = [503]
    with pytest.raises(ApiError, match="answer 503"):
        ask(server.connection(), loop=loop, patience=0)
    assert len(server.headers) == 1


@pytest.mark.parametrize("loop", [True, False])
@pytest.mark.parametrize("code", [400, 403, 404, 409, 422])
def test_an_answer_is_taken_as_it_is(server: Server, code: int, loop: bool) -> None:
    server.codes = [code]
    with pytest.raises(ApiError) as error:
        ask(server.connection(), loop=loop, patience=10)
    assert (code_of(error.value), len(server.headers)) == (code, 1)


def test_patience_ends(server: Server) -> None:
    server.codes = [503] * 100
    with pytest.raises(ApiError, match="answer 503"):
        ask(server.connection(), loop=False, patience=0.5)
    assert 2 <= len(server.headers) <= 6


def test_an_error_without_a_content_type_is_told_by_its_code(server: Server) -> None:
    server.codes = [418]
    with pytest.raises(Exception, match="418") as error:
        ask(server.connection(), loop=False, patience=0)
    assert code_of(error.value) == 418


@pytest.mark.parametrize("loop", [True, False])
def test_a_request_says_as_whom_it_acts(server: Server, loop: bool) -> None:
    ask(server.connection(**{"token": "t", "as": "ci", "as-groups": ["a", "b"]}), loop=loop, patience=0)
    [headers] = server.headers
    assert (headers["impersonate-user"], headers["impersonate-group"]) == (["ci"], ["a", "b"])
    assert headers["authorization"] == ["Bearer t"]


@pytest.mark.parametrize("loop", [True, False])
def test_a_token_that_has_run_out_is_asked_of_the_plugin_once_more(
    server: Server, loop: bool, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    program = f"""
import json, pathlib
runs = pathlib.Path({str(runs)!r})
number = len(runs.read_text()) if runs.exists() else 0
runs.write_text("x" * (number + 1))
print(json.dumps({{"status": {{"token": f"number {{number}}"}}}}))
"""
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": ["-c", program],
    }
    server.codes = [401]
    assert ask(server.connection(exec=plugin), loop=loop, patience=0) == "p"
    assert [headers["authorization"] for headers in server.headers] == [
        ["Bearer number 0"],
        ["Bearer number 1"],
    ]
    server.codes = [401, 401]
    with pytest.raises(ApiError, match="answer 401"):
        ask(server.connection(exec=plugin), loop=loop, patience=10)


def test_a_file_with_a_token_is_read_again_once_the_server_refuses_what_was_in_it(
    server: Server, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("old\n")
    client = connect_blocking(server.connection(tokenFile=str(file)), "kuberay", patience=0)
    client.get(Pod, "p")
    file.write_text("new\n")
    client.get(Pod, "p")
    assert [headers["authorization"] for headers in server.headers] == [["Bearer old"], ["Bearer new"]]


def test_the_environments_proxy_is_used_but_not_for_this_machine(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
    elsewhere = Connection(kubeconfig=kubeconfig("http://api.cluster.example"))
    assert ask(elsewhere, loop=False, patience=0) == "p"
    assert server.headers[0]["host"] == ["api.cluster.example"]
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert ask(server.connection(), loop=False, patience=0) == "p"


@pytest.mark.parametrize(
    ("user", "what"),
    [
        ({"token": "hunter2\nx"}, "the token"),
        ({"token": "hunter2\u20ac"}, "the token"),
        ({"token": "t", "as": "hunter2\nx"}, "whom the user acts as"),
    ],
)
def test_what_no_header_takes_is_told_without_a_character_of_it(user: dict[str, str], what: str) -> None:
    connection = Connection(kubeconfig=kubeconfig("http://127.0.0.1:1", **user))
    with pytest.raises(KubeconfigError) as error:
        connect_blocking(connection, "default", timeout=1, patience=0).get(Pod, "it")
    assert str(error.value) == (
        f"{what} of the kubeconfig's user holds a character that no HTTP header takes, such as a line break"
    )


@pytest.mark.parametrize("data", ["aHVudGVyMg==", "hunter2zebra"])
def test_a_certificate_that_is_none_is_told_by_its_key(data: str) -> None:
    config = json.loads(kubeconfig("https://127.0.0.1:1"))
    config["clusters"][0]["cluster"]["certificate-authority-data"] = data
    with pytest.raises(KubeconfigError) as error:
        connect_blocking(Connection(kubeconfig=json.dumps(config)), "default", timeout=1, patience=0)
    assert str(error.value) == (
        "the certificate-authority of the kubeconfig's cluster holds no certificate in PEM"
    )
