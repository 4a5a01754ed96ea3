"""What the double of Ray's REST endpoints answers."""

import json
import urllib.request
from threading import Thread
from typing import Any

import pytest

from local.ports import free_ports
from local.ray_rest import DEPLOY_SECONDS, JOB_SECONDS, RayRest, server

HEAD = "raycluster-head-svc.kuberay.svc.cluster.local:8265"
OTHER = "other-head-svc.kuberay.svc.cluster.local:8265"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rest(clock: Clock) -> RayRest:
    """A Ray to which a RayJob `by-pod` was submitted by its submitter's pod."""
    return RayRest({"by-pod": "python main.py"}.get, clock)


def submit(rest: RayRest, name: str, entrypoint: str) -> None:
    rest.answer("POST", HEAD, "/api/jobs/", {"submission_id": name, "entrypoint": entrypoint})


def status(rest: RayRest, name: str) -> str:
    return rest.answer("GET", HEAD, f"/api/jobs/{name}", None)[1]["status"]


def deploy(rest: RayRest, *import_paths: str, head: str = HEAD) -> None:
    applications = [{"name": path.partition(":")[0], "import_path": path} for path in import_paths]
    rest.answer("PUT", head, "/api/serve/applications/", {"applications": applications})


def applications(rest: RayRest, head: str = HEAD) -> dict[str, str]:
    found: dict[str, Any] = rest.answer("GET", head, "/api/serve/applications/", None)[1]["applications"]
    return {name: application["status"] for name, application in found.items()}


def test_a_job_runs_for_a_moment_and_succeeds(rest: RayRest, clock: Clock) -> None:
    assert rest.answer("GET", HEAD, "/api/jobs/a", None)[0] == 404
    submit(rest, "a", "python main.py")
    assert status(rest, "a") == "RUNNING"
    clock.now += JOB_SECONDS
    assert status(rest, "a") == "SUCCEEDED"


@pytest.mark.parametrize("entrypoint", ["bash -c 'exit 1'", "python fail.py"])
def test_a_job_whose_entrypoint_says_so_fails_with_a_message(
    rest: RayRest, clock: Clock, entrypoint: str
) -> None:
    submit(rest, "a", entrypoint)
    clock.now += JOB_SECONDS
    assert status(rest, "a") == "FAILED"
    assert "exit code 1" in rest.answer("GET", HEAD, "/api/jobs/a", None)[1]["message"]


def test_a_job_that_a_pod_submits_is_known_when_it_is_asked_for(rest: RayRest) -> None:
    assert status(rest, "by-pod") == "RUNNING"


def test_a_job_can_be_stopped(rest: RayRest, clock: Clock) -> None:
    submit(rest, "a", "python main.py")
    assert rest.answer("POST", HEAD, "/api/jobs/a/stop", None) == (200, {"stopped": True})
    clock.now += JOB_SECONDS
    assert status(rest, "a") == "STOPPED"


def test_applications_run_after_a_moment_and_broken_ones_do_not(rest: RayRest, clock: Clock) -> None:
    deploy(rest, "good:app", "broken:app")
    assert applications(rest) == {"good": "DEPLOYING", "broken": "DEPLOYING"}
    clock.now += DEPLOY_SECONDS
    assert applications(rest) == {"good": "RUNNING", "broken": "DEPLOY_FAILED"}


def test_a_new_config_deploys_what_changed_and_drops_what_is_gone(rest: RayRest, clock: Clock) -> None:
    deploy(rest, "a:app", "b:app")
    clock.now += DEPLOY_SECONDS
    deploy(rest, "a:app", "c:app")
    assert applications(rest) == {"a": "RUNNING", "c": "DEPLOYING"}


def test_each_cluster_has_applications_of_its_own(rest: RayRest) -> None:
    deploy(rest, "a:app")
    assert applications(rest, OTHER) == {}


def test_it_answers_as_a_proxy_for_any_address(rest: RayRest) -> None:
    port = next(free_ports())
    made = server(port, rest)
    Thread(target=made.serve_forever, daemon=True).start()
    try:
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({"http": f"http://127.0.0.1:{port}"})
        )
        with opener.open(f"http://{HEAD}/api/serve/applications/", timeout=5) as answer:
            assert json.load(answer)["applications"] == {}
        with opener.open("http://10.244.1.7:8000/-/healthz", timeout=5) as answer:
            assert answer.status == 200
    finally:
        made.shutdown()
        made.server_close()
