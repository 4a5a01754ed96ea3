"""Charts come from the official repository where it answers, and in seconds from
elsewhere where it does not.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from local import chart_repository, tools
from local.chart_repository import DOUBLED, official_charts, repository
from local.errors import LocalError

OFFICIAL = "1.6.2"
Answer = Callable[[BaseHTTPRequestHandler, bytes], None]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one for what is downloaded and made; Helm itself is the one that is
    built.
    """
    monkeypatch.setenv("KUBERAY_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CHARTS", raising=False)
    monkeypatch.setattr(chart_repository, "DOWNLOAD_SECONDS", 3)
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def helm() -> Path:
    return tools.ensure([tools.HELM])["helm"]


def whole(request: BaseHTTPRequestHandler, content: bytes) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    request.wfile.write(content)


def cut_off(request: BaseHTTPRequestHandler, content: bytes) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    request.wfile.write(content[: len(content) // 2])


def cut_off_archive(request: BaseHTTPRequestHandler, content: bytes) -> None:
    (cut_off if request.path.endswith(".tgz") else whole)(request, content)


def slow(request: BaseHTTPRequestHandler, content: bytes) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    with contextlib.suppress(OSError):
        for byte in content:
            request.wfile.write(bytes([byte]))
            time.sleep(0.2)


def silent(request: BaseHTTPRequestHandler, content: bytes) -> None:
    # Longer than the test may take: only the deadline ends it.
    time.sleep(60)


def missing(request: BaseHTTPRequestHandler, content: bytes) -> None:
    request.send_error(404)


def another_page(request: BaseHTTPRequestHandler, content: bytes) -> None:
    whole(request, b"<html><body>Log in to the network</body></html>")


def wrong_archive(request: BaseHTTPRequestHandler, content: bytes) -> None:
    whole(request, b"no archive" if request.path.endswith(".tgz") else content)


@contextlib.contextmanager
def official_repository(
    folder: Path, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> Generator[list[str]]:
    """A server on loopback in the place of the official repository; gives what it was
    asked for.
    """
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            file = folder / self.path.lstrip("/")
            answer(self, file.read_bytes() if file.exists() else b"")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    monkeypatch.setattr(chart_repository, "OFFICIAL_REPOSITORY", f"http://127.0.0.1:{server.server_port}/")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield asked
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def charts(helm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Helm repository with both charts."""
    folder = official_charts(OFFICIAL)
    assert folder
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("KUBERAY_CACHE", str(tmp_path_factory.mktemp("cache")))
        environment.setenv("CHARTS", str(folder))
        made, _ = repository([OFFICIAL], helm)
    assert isinstance(made, Path)
    return made


def names(folder: str | Path) -> list[str]:
    return sorted(file.name for file in Path(folder).iterdir())


BOTH = [f"kuberay-operator-{OFFICIAL}.tgz", f"ray-cluster-{OFFICIAL}.tgz"]


def test_charts_come_from_the_official_repository_where_it_answers(
    charts: Path, helm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with official_repository(charts, whole, monkeypatch) as asked:
        folder, (source,) = repository([OFFICIAL], helm)
        first = len(asked)
        repository([OFFICIAL], helm)
    assert source.kind == "real"
    assert "127.0.0.1" in source.source
    assert names(folder) == ["index.yaml", *BOTH]
    # Charts that have come are kept.
    assert len(asked) == first > 0


@pytest.mark.parametrize(
    "answer", [missing, cut_off, cut_off_archive, slow, silent, another_page, wrong_archive]
)
def test_charts_come_from_the_go_module_in_seconds_where_the_official_repository_fails(
    answer: Answer, charts: Path, helm: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = time.monotonic()
    with official_repository(charts, answer, monkeypatch) as asked:
        folder, (source,) = repository([OFFICIAL], helm)
        first = len(asked)
        repository([OFFICIAL], helm)
    assert time.monotonic() - started < 15
    assert (source.kind, source.source) == ("real", "the Go module github.com/ray-project/kuberay")
    assert names(folder) == ["index.yaml", *BOTH]
    # It is asked again tomorrow, and nothing of what it sent is left.
    assert len(asked) == first > 0
    assert [name for name in names(cache / "charts") if name.startswith("official")] == []


def test_charts_of_the_guide_are_doubles_where_nothing_answers(
    helm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chart_repository, "OFFICIAL_REPOSITORY", "http://127.0.0.1:9/")
    folder, sources = repository([DOUBLED, OFFICIAL], helm)
    assert [(source.version, source.kind) for source in sources] == [(DOUBLED, "double"), (OFFICIAL, "real")]
    assert names(folder) == sorted(
        ["index.yaml", f"kuberay-operator-{DOUBLED}.tgz", f"ray-cluster-{DOUBLED}.tgz", *BOTH]
    )


def test_charts_that_cannot_be_had_are_named_with_the_way_out(
    helm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chart_repository, "OFFICIAL_REPOSITORY", "http://127.0.0.1:9/")
    with pytest.raises(LocalError) as refused:
        repository(["1.5.0"], helm)
    assert (
        str(refused.value)
        == "KubeRay's charts 1.5.0 are out of reach, http://127.0.0.1:9/ does not answer; CHARTS=<folder>"
        " takes others"
    )


def test_a_folder_of_charts_goes_before_all(
    helm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = official_charts(OFFICIAL)
    assert source
    layout = tmp_path / "source" / f"v{OFFICIAL}"
    layout.mkdir(parents=True)
    (layout / "helm-chart").symlink_to(source)
    for chosen in (source, layout.parent):
        monkeypatch.setenv("CHARTS", str(chosen))
        folder, (said,) = repository([OFFICIAL], helm)
        assert said.kind == "real"
        assert names(folder) == ["index.yaml", *BOTH]


def test_a_folder_without_charts_is_named(
    helm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARTS", str(tmp_path))
    with pytest.raises(
        LocalError,
        match=r"holds neither an index\.yaml nor KubeRay's charts, kuberay-operator and ray-cluster",
    ):
        repository([OFFICIAL], helm)


def test_a_folder_without_the_version_that_is_run_is_named(
    helm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = official_charts(OFFICIAL)
    monkeypatch.setenv("CHARTS", str(source))
    with pytest.raises(LocalError) as refused:
        repository([DOUBLED], helm)
    assert (
        str(refused.value) == f"CHARTS={source} holds no kuberay-operator {DOUBLED} ({OFFICIAL}); "
        "set kuberayVersion to a version that it holds, or leave CHARTS out"
    )
