"""A double of the REST endpoints that KubeRay's operator calls in a running Ray: jobs,
Serve applications, the health of Serve's proxy.

Simulated pods run no Ray, and their addresses belong to nobody. So this server is the
operator's HTTP proxy: whichever head Service or pod the operator calls, it is answered
here, with what Ray would say in the end, and no request leaves the machine.

- A job succeeds after a moment. One whose entrypoint holds `fail` or `exit 1` fails,
  with a message as Ray's.
- A Serve application runs after a moment. One whose `import_path` holds `broken` is
  DEPLOY_FAILED, with a message as Ray's.

On real nodes (kind, or a cluster of your own) nothing of this is used: there Ray itself
answers, at its dashboard.

Run under supervision: python -m local.ray_rest --help
"""

import argparse
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from lightkube import ApiError, Client, KubeConfig
from lightkube.generic_resource import create_namespaced_resource

RayJob = create_namespaced_resource("ray.io", "v1", "RayJob", "rayjobs")

JOB_SECONDS = 2.0
DEPLOY_SECONDS = 1.0

Answer = tuple[int, Any]
"""An HTTP status, and what goes back as JSON."""


def fails(entrypoint: str) -> bool:
    """Whether a job with this entrypoint is to fail; local/stages.yaml asks the same of
    its submitter's pod.
    """
    return re.search(r"fail|exit 1", entrypoint) is not None


def log_of(job: str, entrypoint: str) -> str:
    """What the job's submitter prints."""
    if not fails(entrypoint):
        return (
            f"Running entrypoint for job {job}: {entrypoint}\n{'-' * 35}\nJob '{job}' succeeded\n{'-' * 35}\n"
        )
    return (
        f"Running entrypoint for job {job}: {entrypoint}\nTraceback (most recent call last):\n"
        f'  File "main.py", line 1, in <module>\nRuntimeError: the simulated job fails because its entrypoint'
        f" says so\n"
        f"{'-' * 35}\nJob '{job}' failed\n{'-' * 35}\n"
    )


@dataclass
class Job:
    """A submitted job."""

    entrypoint: str
    submitted: float
    stopped: bool = False

    def info(self, name: str, now: float) -> dict[str, Any]:
        """As `GET /api/jobs/<name>` tells it."""
        status, message = "RUNNING", "Job is currently running."
        if self.stopped:
            status, message = "STOPPED", "Job was intentionally stopped."
        elif now - self.submitted >= JOB_SECONDS:
            status, message = "SUCCEEDED", "Job finished successfully."
            if fails(self.entrypoint):
                log = log_of(name, self.entrypoint)
                status = "FAILED"
                message = (
                    "Job entrypoint command failed with exit code 1, last available logs (truncated to"
                    f" 20,000 chars):\n{log}"
                )
        return {
            "type": "SUBMISSION",
            "submission_id": name,
            "job_id": name,
            "entrypoint": self.entrypoint,
            "status": status,
            "message": message,
            "start_time": int(self.submitted * 1000),
        }


@dataclass
class Application:
    """A Serve application of one Ray cluster."""

    config: dict[str, Any]
    deployed: float

    def details(self, name: str, now: float) -> dict[str, Any]:
        """As `GET /api/serve/applications/` tells it."""
        status, deployment, message = "DEPLOYING", "UPDATING", ""
        path = str(self.config.get("import_path"))
        if now - self.deployed >= DEPLOY_SECONDS:
            status, deployment = "RUNNING", "HEALTHY"
            if "broken" in path:
                status, deployment = "DEPLOY_FAILED", "UNHEALTHY"
                message = (
                    f"Deploying app '{name}' failed with exception:\nModuleNotFoundError: No module named"
                    f" '{path.partition(':')[0]}'"
                )
        return {
            "name": name,
            "route_prefix": self.config.get("route_prefix", "/"),
            "docs_path": None,
            "status": status,
            "message": message,
            "deployments": {"Simulated": {"name": "Simulated", "status": deployment, "message": ""}},
        }


@dataclass
class RayRest:
    """What all simulated Ray clusters have been told, and what they answer."""

    entrypoint_of: Callable[[str], str | None]
    """The entrypoint of the RayJob with this job id, when its submitter submits it: the
    submitter's pod runs no `ray job submit`.
    """
    clock: Callable[[], float] = time.time
    _jobs: dict[str, Job] = field(default_factory=dict[str, Job])
    _applications: dict[str, dict[str, Application]] = field(
        default_factory=dict[str, dict[str, Application]]
    )

    def answer(self, method: str, host: str, path: str, body: Any) -> Answer:
        """One request to one Ray cluster, told by the host that is called."""
        match method, path.strip("/").split("/"):
            case "GET", ["-", "healthz"]:
                return 200, "success"
            case "GET", ["api", "jobs"]:
                return 200, [job.info(name, self.clock()) for name, job in self._jobs.items()]
            case "GET", ["api", "jobs", name]:
                job = self._job(name)
                return (200, job.info(name, self.clock())) if job else (404, f"Job {name} does not exist")
            case "GET", ["api", "jobs", name, "logs"]:
                job = self._job(name)
                return (
                    (200, {"logs": log_of(name, job.entrypoint)})
                    if job
                    else (404, f"Job {name} does not exist")
                )
            case "POST", ["api", "jobs"]:
                self._jobs[body["submission_id"]] = Job(body["entrypoint"], self.clock())
                return 200, {"job_id": body["submission_id"], "submission_id": body["submission_id"]}
            case "POST", ["api", "jobs", name, "stop"]:
                return self._stop(name)
            case "DELETE", ["api", "jobs", name]:
                return (
                    (200, {"deleted": True})
                    if self._jobs.pop(name, None)
                    else (404, f"Job {name} does not exist")
                )
            case "GET", ["api", "serve", "applications"]:
                applications = self._applications.get(host, {})
                found = {
                    name: application.details(name, self.clock())
                    for name, application in applications.items()
                }
                return 200, {"deploy_mode": "MULTI_APP", "applications": found}
            case "PUT", ["api", "serve", "applications"]:
                self._deploy(host, body["applications"])
                return 200, None
            case _:
                return 404, f"the double of Ray's REST endpoints has no {method} {path}"

    def _job(self, name: str) -> Job | None:
        if name not in self._jobs and (entrypoint := self.entrypoint_of(name)) is not None:
            self._jobs[name] = Job(entrypoint, self.clock())
        return self._jobs.get(name)

    def _stop(self, name: str) -> Answer:
        job = self._job(name)
        if job is None:
            return 404, f"Job {name} does not exist"
        running = job.info(name, self.clock())["status"] == "RUNNING"
        job.stopped = job.stopped or running
        return 200, {"stopped": running}

    def _deploy(self, host: str, configs: list[dict[str, Any]]) -> None:
        """Applications that stay as they are go on running; those that are not named
        any more are gone.
        """
        running = self._applications.get(host, {})
        made: dict[str, Application] = {}
        for config in configs:
            name = config.get("name") or "default"
            same = name in running and running[name].config == config
            made[name] = running[name] if same else Application(config, self.clock())
        self._applications[host] = made


def server(port: int, rest: RayRest) -> ThreadingHTTPServer:
    """An HTTP proxy on loopback that forwards nothing."""
    one_at_a_time = Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            text = self.rfile.read(length)
            # A client that uses a proxy sends the whole address.
            url = urlsplit(self.path)
            with one_at_a_time:
                status, answer = rest.answer(
                    self.command,
                    url.netloc or self.headers.get("Host", ""),
                    url.path,
                    json.loads(text or "null"),
                )
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Says nothing: the operator asks every two seconds."""

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def main() -> None:
    """Runs until it is ended."""
    parser = argparse.ArgumentParser(
        prog="python -m local.ray_rest", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True, help="loopback port of the proxy")
    given = parser.parse_args()

    client = Client(KubeConfig.from_file(given.kubeconfig), trust_env=False)

    def entrypoint_of(job: str) -> str | None:
        try:
            for found in client.list(RayJob, namespace="*"):
                ray_job = found.to_dict()
                submitted = ray_job["spec"].get("submissionMode") != "HTTPMode"
                if submitted and (ray_job.get("status") or {}).get("jobId") == job:
                    return ray_job["spec"]["entrypoint"]
        except ApiError as error:  # the CRD is not there
            if error.status.code != 404:
                raise
        return None

    server(given.port, RayRest(entrypoint_of)).serve_forever()


if __name__ == "__main__":
    main()
