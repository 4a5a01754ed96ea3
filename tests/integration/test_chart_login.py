"""A login in `chartRepository` reaches the repository, and neither the state, nor
messages, nor anybody's list of processes.
"""

import base64
import functools
import json
import shutil
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import psutil
import pytest

from local.cluster import LocalCluster
from tests.integration.harness.encrypted import set_secret
from tests.integration.harness.kubernetes import Kubernetes
from tests.integration.harness.operators import MATRIX
from tests.integration.harness.stack import Stack, guide
from tests.loopback import serving

USER, PASSWORD = "mei-ling", "hunter2+hunter2"


class Guarded(SimpleHTTPRequestHandler):
    """Serves a folder to who brings the login, and notes the command lines of all
    processes meanwhile.
    """

    commands: set[str] = set()

    def do_GET(self) -> None:
        self.commands.update(
            " ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])
        )
        if (
            self.headers.get("Authorization")
            == f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"
        ):
            super().do_GET()
        else:
            self.send_error(401)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture(scope="module")
def host(cluster: LocalCluster) -> Iterator[str]:
    with serving(functools.partial(Guarded, directory=str(cluster.home.charts))) as host:
        yield host


def repository(host: str, password: str = PASSWORD) -> str:
    return f"http://{USER}:{password.replace('+', '%2B')}@{host}/"


def secrets_in(text: str) -> list[str]:
    return [secret for secret in (USER, PASSWORD, PASSWORD.replace("+", "%2B")) if secret in text]


def test_charts_come_from_a_repository_that_asks_for_a_login_and_the_login_is_nowhere(
    stack: Stack, host: str
) -> None:
    stack.configure(guide())
    set_secret(stack, "chartRepository", repository(host))
    run = stack.up_or_fail()
    assert secrets_in(run.text + json.dumps(stack.state()) + stack.preview_text().text) == []
    (release,) = (found for found in stack.resources() if found["urn"].endswith("Release::raycluster"))
    assert release["inputs"]["repositoryOpts"]["repo"] == f"http://{host}/"
    assert stack.preview().changes == {}


def test_a_report_renders_charts_of_such_a_repository(stack: Stack, host: str) -> None:
    stack.configure(guide(worker={"memory": "3G"}))
    set_secret(stack, "chartRepository", repository(host))
    run = stack.make_preview(stack.name)
    folder = stack.config_file.parent / "report"
    (report,) = json.loads((folder / "report.json").read_text())["stacks"]
    assert report["unknown"] == []
    assert any("memory: 3G" in line for line in report["ray"][0]["manifests"]["lines"])
    assert secrets_in(run.text + "".join(file.read_text() for file in folder.iterdir())) == []


def test_no_process_was_started_with_the_login(host: str) -> None:
    assert any("pulumi" in command for command in Guarded.commands)
    assert [command for command in Guarded.commands if secrets_in(command)] == []


def test_a_login_that_is_refused_is_not_told(stack: Stack, host: str) -> None:
    stack.configure(guide(worker={"memory": "3G"}))
    set_secret(stack, "chartRepository", repository(host, "0815-0815"))
    run = stack.up()
    assert not run.ok
    assert "401" in run.text
    assert [secret for secret in (USER, "0815-0815") if secret in run.text] == []


def test_a_chart_that_is_not_what_the_index_says_is_refused_before_helm_is_asked(
    stack: Stack, kubernetes: Kubernetes, cluster: LocalCluster, tmp_path: Path
) -> None:
    before = {pod.uid for pod in kubernetes.ray_pods("raycluster-kuberay")}
    shutil.copytree(cluster.home.charts, tmp_path, dirs_exist_ok=True)
    with (tmp_path / "ray-cluster-1.3.0.tgz").open("ab") as chart:
        chart.write(b"more")
    with serving(functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path))) as host:
        stack.configure(guide(worker={"memory": "3G"}) | {"chartRepository": f"http://{host}/"})
        run = stack.up()
    assert not run.ok
    assert (
        f"the chart ray-cluster 1.3.0 of http://{host}/ cannot be read: the repository gave something that is"
        " not what its digest says" in run.text
    )
    assert {pod.uid for pod in kubernetes.ray_pods("raycluster-kuberay")} == before


@MATRIX
def test_a_state_of_before_with_the_login_in_the_address_is_mended_without_a_restart(
    stack: Stack, kubernetes: Kubernetes, host: str, tmp_path: Path
) -> None:
    stack.configure(guide())
    set_secret(stack, "chartRepository", repository(host))
    stack.up_or_fail()
    before = {pod.uid for pod in kubernetes.ray_pods("raycluster-kuberay")}
    state = stack.state()
    for resource in state["resources"]:
        for side in ("inputs", "outputs"):
            if "repositoryOpts" in resource.get(side, {}):
                resource[side]["repositoryOpts"] = {"repo": repository(host)}
    stack.replace_state(state)
    assert secrets_in(json.dumps(stack.state())) != []
    assert stack.preview().changes == {"Release kuberay-operator": "update", "Release raycluster": "update"}
    stack.up_or_fail()
    assert secrets_in(json.dumps(stack.state())) == []
    assert {pod.uid for pod in kubernetes.ray_pods("raycluster-kuberay")} == before
