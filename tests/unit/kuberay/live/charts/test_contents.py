"""A chart's CRDs are read from every kind of place that a chart can come from."""

import asyncio
import base64
import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from time import sleep
from typing import Any

import httpx2
import pytest

from kuberay.facts.chart_source import chart_source
from kuberay.live.charts import download
from kuberay.live.charts.contents import ChartError, chart_crds, check_chart
from tests import loopback

CRD = "kind: CustomResourceDefinition\nmetadata: {name: rayclusters.ray.io}\n"
FILES = {
    "kuberay-operator/Chart.yaml": "name: kuberay-operator\n",
    "kuberay-operator/crds/ray.io_rayclusters.yaml": CRD,
    "kuberay-operator/crds/README.md": "What they are.\n",
}
VERSION = "1.6.2"


def archive() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for name, text in FILES.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    return content.getvalue()


class Answers(dict[str, bytes]):
    """What a server answers, by path; with `login`, only to who brings a token that it
    gave for that login.
    """

    login: str | None = None
    drips: bool = False
    """Whether it gives a byte at a time, and pauses."""

    def __init__(self, answers: dict[str, bytes]) -> None:
        super().__init__(answers)
        self.asked: list[tuple[str, str]] = []
        """Each path, and the `Authorization` that came with it."""


@contextmanager
def serving(answers: Answers) -> Generator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            authorization = self.headers.get("Authorization", "")
            answers.asked.append((path, authorization))
            if answers.login is not None and path == "/token":
                right = authorization == f"Basic {answers.login}" and "scope=repository" in query
                self._answer(200 if right else 403, json.dumps({"token": "t0ken"}).encode())
            elif answers.login is not None and authorization != "Bearer t0ken":
                host = self.headers["Host"]
                challenge = (
                    "Bearer"
                    f' realm="http://{host}/token",service="registry",scope="repository:charts/kuberay-operator:pull"'
                )
                self._answer(401, b"", challenge)
            else:
                self._answer(200 if path in answers else 404, answers.get(path, b""))

        def _answer(self, status: int, body: bytes, challenge: str = "") -> None:
            self.send_response(status)
            if challenge:
                self.send_header("WWW-Authenticate", challenge)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(BrokenPipeError, ConnectionResetError):
                for start in range(0, len(body), 1) if answers.drips else ():
                    self.wfile.write(body[start : start + 1])
                    sleep(0.02)
                self.wfile.write(b"" if answers.drips else body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with loopback.serving(Handler) as host:
        yield host


def names(repository: str, folder: Path = Path()) -> list[str]:
    source = chart_source("kuberay-operator", version=VERSION, repository=repository, project_folder=folder)
    return [crd["metadata"]["name"] for crd in chart_crds(source)]


def registry() -> Answers:
    chart = archive()
    digest = f"sha256:{hashlib.sha256(chart).hexdigest()}"
    manifest = {
        "layers": [{"mediaType": "application/vnd.cncf.helm.chart.content.v1.tar+gzip", "digest": digest}]
    }
    base = "/v2/charts/kuberay-operator"
    return Answers(
        {f"{base}/manifests/{VERSION}": json.dumps(manifest).encode(), f"{base}/blobs/{digest}": chart}
    )


def test_a_folder(tmp_path: Path) -> None:
    for name, text in FILES.items():
        file = tmp_path / "charts" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert names("charts", tmp_path) == ["rayclusters.ray.io"]


def test_crds_are_found_wherever_helm_finds_them(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yml", "below/c.json"):
        file = tmp_path / "kuberay-operator/crds" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(CRD.replace("rayclusters", file.stem))
    assert sorted(names(".", tmp_path)) == ["a.ray.io", "b.ray.io", "c.ray.io"]


def test_crds_of_nothing_but_comments_are_none(tmp_path: Path) -> None:
    folder = tmp_path / "charts/kuberay-operator/crds"
    folder.mkdir(parents=True)
    (folder / "removed.yaml").write_text("# They are managed elsewhere.\n---\n# All of them.\n")
    with pytest.raises(ChartError, match="has no CRDs"):
        names("charts", tmp_path)


def test_an_archive_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / f"kuberay-operator-{VERSION}.tgz").write_bytes(archive())
    assert names(".", tmp_path) == ["rayclusters.ray.io"]


@pytest.mark.parametrize(
    "url", [f"kuberay-operator-{VERSION}.tgz", "http://{host}/kuberay-operator-1.6.2.tgz"]
)
def test_a_helm_repository_with_relative_or_whole_addresses(url: str) -> None:
    answers = Answers(
        {f"/helm/kuberay-operator-{VERSION}.tgz": archive(), f"/kuberay-operator-{VERSION}.tgz": archive()}
    )
    with serving(answers) as host:
        entry = {"version": VERSION, "urls": [url.format(host=host)]}
        answers["/helm/index.yaml"] = json.dumps(
            {"entries": {"kuberay-operator": [{"version": "1.3.0", "urls": ["x"]}, entry]}}
        ).encode()
        assert names(f"http://{host}/helm") == names(f"http://{host}/helm/") == ["rayclusters.ray.io"]


def test_a_registry_for_everyone() -> None:
    with serving(registry()) as host:
        assert names(f"oci://{host}/charts") == ["rayclusters.ray.io"]


def test_a_registry_that_gives_something_else_is_not_believed() -> None:
    answers = registry()
    answers.update({path: b"something else" for path in answers if "/blobs/" in path})
    with serving(answers) as host, pytest.raises(ChartError, match="not what its digest says"):
        names(f"oci://{host}/charts")


def test_a_registry_that_gives_tokens_for_a_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = registry()
    answers.login = base64.b64encode(b"me:secret").decode()
    with serving(answers) as host:
        (tmp_path / "config.json").write_text(json.dumps({"auths": {host: {"auth": answers.login}}}))
        monkeypatch.setenv("HELM_REGISTRY_CONFIG", str(tmp_path / "config.json"))
        assert names(f"oci://{host}/charts") == ["rayclusters.ray.io"]
        monkeypatch.setenv("HELM_REGISTRY_CONFIG", str(tmp_path / "none.json"))
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "none"))
        with pytest.raises(ChartError, match="answers 403"):
            names(f"oci://{host}/charts")


@pytest.mark.parametrize("config", [{"credsStore": "ours"}, {"credHelpers": {"HOST": "ours"}}])
def test_a_registry_whose_login_a_helper_of_dockers_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any]
) -> None:
    helper = tmp_path / "docker-credential-ours"
    answers = registry()
    answers.login = base64.b64encode(b"me:secret").decode()
    with serving(answers) as host:
        helper.write_text(
            f'#!/bin/sh\n[ "$1 $(cat)" = "get {host}" ] || {{ echo "credentials not found"; exit 1; }}\n'
            'echo \'{"ServerURL": "x", "Username": "me", "Secret": "secret"}\'\n'
        )
        helper.chmod(0o755)
        (tmp_path / "config.json").write_text(json.dumps(config).replace("HOST", host))
        monkeypatch.setenv("HELM_REGISTRY_CONFIG", str(tmp_path / "none.json"))
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        with pytest.raises(ChartError, match="docker-credential-ours"):
            names(f"oci://{host}/charts")
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        assert names(f"oci://{host}/charts") == ["rayclusters.ray.io"]
        helper.write_text("#!/bin/sh\nexit 1\n")
        with pytest.raises(ChartError, match="answers 403"):
            names(f"oci://{host}/charts")


def test_what_is_missing_is_named_in_one_line_without_the_login(tmp_path: Path) -> None:
    answers = Answers({"/index.yaml": b"entries: {}"})
    with serving(answers) as host:
        with pytest.raises(ChartError, match="its index does not have that version") as error:
            names(f"http://me:secret@{host}")
        assert "kuberay-operator 1.6.2" in str(error.value)
        assert "secret" not in str(error.value)
        answers.clear()
        with pytest.raises(ChartError, match="answers 404"):
            names(f"http://{host}")
    (tmp_path / "kuberay-operator-1.6.2.tgz").write_bytes(b"no archive")
    with pytest.raises(ChartError, match="cannot be read"):
        names(".", tmp_path)


def helm_repository(chart: bytes, *, url: str = "chart.tgz", **entry: str) -> Answers:
    versions = [{"version": VERSION, "urls": [url], **entry}]
    return Answers(
        {"/index.yaml": json.dumps({"entries": {"kuberay-operator": versions}}).encode(), "/chart.tgz": chart}
    )


def test_a_chart_is_what_the_index_of_its_repository_says() -> None:
    digest = hashlib.sha256(archive()).hexdigest()
    with serving(helm_repository(archive(), digest=digest)) as host:
        assert names(f"http://{host}") == ["rayclusters.ray.io"]
    with (
        serving(helm_repository(archive(), digest=digest.replace(digest[0], "z"))) as host,
        pytest.raises(ChartError) as error,
    ):
        names(f"http://{host}")
    assert (
        str(error.value)
        == f"the chart kuberay-operator 1.6.2 of http://{host} cannot be read: the repository gave something"
        " that is not what its digest says"
    )


def test_a_chart_is_looked_at_once_a_run_and_again_where_it_was_another() -> None:
    chart = archive()
    repository = helm_repository(chart, digest=hashlib.sha256(b"another").hexdigest())
    with serving(repository) as host:
        source = chart_source(
            "kuberay-operator", version=VERSION, repository=f"http://{host}", project_folder=Path()
        )
        with pytest.raises(ChartError, match="something that is not what its digest says"):
            asyncio.run(check_chart(source))
        repository.update(helm_repository(chart, digest=hashlib.sha256(chart).hexdigest()))
        repository.asked.clear()

        async def by_many() -> None:
            await asyncio.gather(*(check_chart(source) for _ in range(5)))

        asyncio.run(by_many())
        assert [path for path, _ in repository.asked] == ["/index.yaml", "/chart.tgz"]


def test_a_login_goes_to_the_repository_and_to_nobody_else() -> None:
    basic = f"Basic {base64.b64encode(b'me:p@ss').decode()}"
    with serving(repository := helm_repository(archive())) as host:
        assert names(f"http://me:p%40ss@{host}") == ["rayclusters.ray.io"]
        assert repository.asked == [("/index.yaml", basic), ("/chart.tgz", basic)]
        elsewhere = helm_repository(archive(), url=f"http://{host}/chart.tgz")
        repository.asked.clear()
        with serving(elsewhere) as other:
            assert names(f"http://me:p%40ss@{other}") == ["rayclusters.ray.io"]
        assert (elsewhere.asked, repository.asked) == ([("/index.yaml", basic)], [("/chart.tgz", "")])


@pytest.mark.parametrize("path", ["/index.yaml", "/chart.tgz"])
def test_a_download_has_a_bound(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "MOST", 1 << 20)
    answers = helm_repository(archive())
    answers[path] = bytes((1 << 20) + 1)
    with serving(answers) as host, pytest.raises(ChartError, match=f"{path} gives more than 1 MiB"):
        names(f"http://{host}")


def test_an_archive_that_unpacks_to_far_more_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "MOST", 1 << 20)
    with (
        serving(helm_repository(gzip.compress(bytes(1 << 24)))) as host,
        pytest.raises(ChartError, match="unpacks to more than 1 MiB"),
    ):
        names(f"http://{host}")


def test_a_download_that_drips_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_LONGEST", 0.1)
    answers = helm_repository(archive())
    answers.drips = True
    with serving(answers) as host, pytest.raises(ChartError, match="takes longer than 0 s"):
        names(f"http://{host}")


@pytest.mark.parametrize(
    "index",
    [
        b"[]",
        b"entries: []",
        b"entries: {kuberay-operator: [1]}",
        b"entries: {kuberay-operator: [{version: 1.6.2}]}",
    ],
)
def test_an_index_that_is_none_is_told_in_one_line(index: bytes) -> None:
    with serving(Answers({"/index.yaml": index})) as host, pytest.raises(ChartError, match="cannot be read"):
        names(f"http://{host}")


@pytest.mark.parametrize("index", [b"[" * 100_000, b"{a: " * 100_000, b"- " * 100_000, b"? " * 100_000])
def test_an_index_that_is_nested_without_end_is_told_in_one_line(index: bytes) -> None:
    with serving(Answers({"/index.yaml": index})) as host, pytest.raises(ChartError) as error:
        names(f"http://{host}")
    why = "its index is nested more than 100 levels deep"
    assert str(error.value) == f"the chart kuberay-operator 1.6.2 of http://{host} cannot be read: {why}"


def refusal(monkeypatch: pytest.MonkeyPatch, pages: dict[str, httpx2.Response]) -> str:
    """What is said of a repository of these pages, each by its address."""
    client = httpx2.Client

    def answer(request: httpx2.Request) -> httpx2.Response:
        assert request.url.scheme == "https"
        return pages[str(request.url)]

    monkeypatch.setattr(
        download.httpx2,
        "Client",
        lambda **given: client(transport=httpx2.MockTransport(answer), **given),
    )
    with pytest.raises(ChartError) as error:
        names("https://charts.example")
    return str(error.value)


CHART = "https://charts.example/chart.tgz?signature=hunter2"
SAID = "the chart kuberay-operator 1.6.2 of https://charts.example cannot be read"


def index_of(url: str) -> httpx2.Response:
    return httpx2.Response(200, json={"entries": {"kuberay-operator": [{"version": VERSION, "urls": [url]}]}})


def moved(address: str) -> httpx2.Response:
    return httpx2.Response(302, headers={"Location": address})


@pytest.mark.parametrize(
    "pages",
    [
        {"index.yaml": index_of("http://other.example/chart.tgz?signature=hunter2")},
        {
            "index.yaml": index_of(CHART),
            "chart.tgz?signature=hunter2": moved("http://other.example/chart.tgz?signature=hunter2"),
        },
        {"index.yaml": moved("http://other.example/chart.tgz?signature=hunter2")},
    ],
)
def test_a_chart_is_taken_on_no_way_on_which_it_could_be_exchanged(
    monkeypatch: pytest.MonkeyPatch, pages: dict[str, httpx2.Response]
) -> None:
    said = refusal(monkeypatch, {f"https://charts.example/{path}": page for path, page in pages.items()})
    assert (
        said
        == f"{SAID}: it leads to http://other.example/chart.tgz, and on that way anyone could exchange the"
        " chart"
    )


def test_the_query_of_an_address_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = {"https://charts.example/index.yaml": index_of(CHART), CHART: httpx2.Response(403)}
    assert refusal(monkeypatch, pages) == f"{SAID}: https://charts.example/chart.tgz answers 403"
