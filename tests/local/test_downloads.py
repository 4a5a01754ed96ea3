"""Pulumi's CLI and plugin come from their host where it answers; where it does not,
that is found out in seconds.

The host is a server on loopback: a proxy that speaks for it, with a certificate that
the programs are told to trust. So what runs is the real probe, the SDK's real installer
and the real `pulumi plugin install`; only the installer's script is ours, as Pulumi's
is out of reach.
"""

import contextlib
import io
import ssl
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from local import downloads, tools

SCRIPT = """#!/bin/bash
set -eo pipefail
while [ $# -gt 0 ]; do
  case "$1" in --install-root) root=$2; shift;; --version) version=$2; shift;; esac
  shift
done
mkdir -p "$root/bin"
curl --fail --silent "https://get.pulumi.com/releases/sdk/pulumi-v$version-linux-x64.tar.gz" |
  tar -xz -C "$root/bin" --strip-components 1
"""
Answer = Callable[[BaseHTTPRequestHandler, bytes], None]


def archive(folder: str, **programs: str) -> bytes:
    """A released archive with programs that are shell scripts."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as made:
        for name, script in programs.items():
            text = f"#!/bin/sh\n{script}\n".encode()
            entry = tarfile.TarInfo(f"{folder}/{name.replace('_', '-')}".lstrip("/"))
            entry.size, entry.mode = len(text), 0o755
            made.addfile(entry, io.BytesIO(text))
    return content.getvalue()


def released(cli_says: str = tools.PULUMI.version) -> dict[str, bytes]:
    """What the host has, by the end of its path."""
    return {
        "install.sh": SCRIPT.encode(),
        "x64.tar.gz": archive("pulumi", pulumi=f"echo v{cli_says}", pulumi_language_python="exit 0"),
        "amd64.tar.gz": archive("", pulumi_resource_kubernetes="exit 1"),
    }


def whole(request: BaseHTTPRequestHandler, content: bytes) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    request.wfile.write(content)


def missing(request: BaseHTTPRequestHandler, content: bytes) -> None:
    request.send_error(404)


def broken(request: BaseHTTPRequestHandler, content: bytes) -> None:
    request.send_error(500)


def cut_off(request: BaseHTTPRequestHandler, content: bytes) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    request.wfile.write(content[: len(content) // 2])
    request.close_connection = True


def slow(request: BaseHTTPRequestHandler, content: bytes) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(100_000_000))
    request.end_headers()
    with contextlib.suppress(OSError):
        for start in range(0, len(content), 10):
            request.wfile.write(content[start : start + 10])
            time.sleep(0.2)


def silent(request: BaseHTTPRequestHandler, content: bytes) -> None:
    time.sleep(20)


def another_page(request: BaseHTTPRequestHandler, content: bytes) -> None:
    whole(request, b"<html><body>Log in to the network</body></html>")


def wrong_bytes(request: BaseHTTPRequestHandler, content: bytes) -> None:
    whole(request, content[:20] + bytes(len(content)))


class Host:
    """Answers for every host that is asked for through it."""

    def __init__(self, certificate: ssl.SSLContext) -> None:
        self.certificate = certificate
        self.answer: Answer = whole
        self.files = released()
        self.asked: list[str] = []
        host = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_CONNECT(self) -> None:
                self.send_response(200)
                self.end_headers()
                with contextlib.suppress(OSError, ssl.SSLError):
                    self.connection = self.request = host.certificate.wrap_socket(
                        self.connection, server_side=True
                    )
                    self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)  # pyright: ignore
                    self.close_connection = False
                    return
                self.close_connection = True

            def do_GET(self) -> None:
                host.asked.append(self.path)
                content = next(
                    (content for end, content in host.files.items() if self.path.endswith(end)), None
                )
                with contextlib.suppress(OSError, ssl.SSLError):
                    (missing if content is None else host.answer)(self, content or b"")

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("get.pulumi.com").configure_cert(context)
    trusted = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(trusted))
    host = Host(context)
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{host.server.server_port}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, str(trusted))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PULUMI_HOME", raising=False)
    monkeypatch.setattr(downloads, "PROBE_SECONDS", 2)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    yield host
    host.server.shutdown()
    host.server.server_close()


@pytest.fixture(scope="module")
def pulumi() -> Path:
    """The real CLI, built or of PATH."""
    return (tools.on_path(tools.PULUMI) or tools.ensure([tools.PULUMI]).programs)["pulumi"]


@pytest.fixture
def cache(pulumi: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one."""
    monkeypatch.setenv("KUBERAY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_cli_comes_by_the_sdks_installer(host: Host, cache: Path) -> None:
    found = downloads.pulumi_cli()
    assert found.keys() == {"pulumi", "pulumi-language-python"}
    assert tools.version_of([found["pulumi"], "version"]) == tools.numbers(tools.PULUMI.version)
    asked = len(host.asked)
    assert downloads.pulumi_cli() == found
    assert len(host.asked) == asked
    assert not (cache.parent / "home").exists()


def test_the_plugin_comes_by_the_cli(host: Host, cache: Path, pulumi: Path) -> None:
    found = downloads.kubernetes_plugin(lambda: pulumi)
    assert found is not None
    assert found.is_relative_to(cache)
    assert found.read_text().startswith("#!/bin/sh")
    assert not (cache.parent / "home").exists()


def test_a_plugin_that_the_user_has_installed_is_used_as_it_is(host: Host, cache: Path, pulumi: Path) -> None:
    theirs = (
        cache.parent
        / f"home/.pulumi/plugins/resource-kubernetes-v{tools.provider_version()}/pulumi-resource-kubernetes"
    )
    theirs.parent.mkdir(parents=True)
    theirs.touch()
    assert downloads.kubernetes_plugin(lambda: pulumi) == theirs
    assert host.asked == []


@pytest.mark.parametrize("answer", [missing, broken, cut_off, slow, silent, another_page, wrong_bytes])
def test_a_host_that_fails_is_found_out_in_seconds_and_leaves_nothing(
    host: Host, cache: Path, pulumi: Path, answer: Answer
) -> None:
    host.answer = answer
    started = time.monotonic()
    assert downloads.pulumi_cli() == {}
    assert downloads.kubernetes_plugin(lambda: pulumi) is None
    assert time.monotonic() - started < 40
    assert {path.rpartition("/")[2] for path in host.asked} >= {
        f"pulumi-v{tools.PULUMI.version}-linux-x64.tar.gz",
        f"pulumi-resource-kubernetes-v{tools.provider_version()}-linux-amd64.tar.gz",
    }
    assert list((cache / "downloads").glob("*")) == []
    # It is asked again tomorrow.
    asked = len(host.asked)
    assert downloads.pulumi_cli() == {}
    assert len(host.asked) == asked


def test_a_host_that_nobody_reaches_is_found_out_in_seconds(host: Host, cache: Path, pulumi: Path) -> None:
    host.server.shutdown()
    host.server.server_close()
    started = time.monotonic()
    assert downloads.pulumi_cli() == {}
    assert downloads.kubernetes_plugin(lambda: pulumi) is None
    assert time.monotonic() - started < 10


def test_a_cli_of_another_version_than_asked_for_is_not_kept(host: Host, cache: Path) -> None:
    host.files = released(cli_says="3.1.0")
    assert downloads.pulumi_cli() == {}
    assert list((cache / "downloads").glob("*")) == []
