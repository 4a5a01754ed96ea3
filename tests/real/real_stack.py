"""A stack whose pods really run."""

import json
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local import job
from local.real.cluster import RealCluster
from tests.integration.harness.kubernetes import Kubernetes
from tests.integration.harness.stack import Run, Stack

GUIDE = "raycluster"
#: Real pods take their time; a machine that others use as well, more of it.
TIMEOUT = 240
READY = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'


class RealStack(Stack):
    cluster: RealCluster

    def __init__(
        self, cluster: RealCluster, kubernetes: Kubernetes, folder: Path, name: str = "real"
    ) -> None:
        super().__init__(cluster, name, folder)
        self.kubernetes = kubernetes

    def with_cluster(
        self, timeout: int = TIMEOUT, more: dict[str, Any] | None = None, **settings: Any
    ) -> None:
        """The guide's cluster, with these settings of it different, and `more` of the
        stack.
        """
        self.configure({"timeoutSeconds": timeout, "clusters": {GUIDE: settings}} | (more or {}))

    def fails(self, cause: str) -> Run:
        """Brings it up, which has to end with this cause in one line of its errors."""
        run = self.up()
        assert not run.ok, run.text
        assert any(cause in line for line in run.text.splitlines() if "error:" in line), run.text
        assert "Traceback" not in run.text
        return run

    def head(self, cluster: str = "raycluster-kuberay") -> str:
        name = self.head_or_none(cluster)
        assert name is not None
        return name

    def head_or_none(self, cluster: str = "raycluster-kuberay") -> str | None:
        return next((pod.name for pod in self.kubernetes.ray_pods(cluster) if pod.kind == "head"), None)

    def in_pod(self, pod: str, *command: str) -> str:
        return self.kubernetes.kubectl("exec", "-n", "kuberay", pod, "--", *command)

    @contextmanager
    def dashboard(self, cluster: str = GUIDE) -> Generator[str]:
        """Address of Ray's dashboard on this machine, by way of the port-forward that
        the outputs name.
        """
        with job.forwarded(
            self.cluster, self.outputs()["clusters"][cluster]["portForward"], port=8265
        ) as address:
            yield address

    def a_job(self, cluster: str = GUIDE) -> set[str]:
        """Runs one; the jobs that Ray remembers then."""
        with self.dashboard(cluster) as address:
            assert job.follow(address, "python -c 'print(1)'")
        return self.jobs(cluster)

    def kill_head(self, cluster: str = "raycluster-kuberay") -> None:
        """And waits for the next one."""
        killed = self.head(cluster)
        self.kubernetes.kubectl("delete", "pod", killed, "-n", "kuberay", "--grace-period=1", "--wait=false")

        def replaced() -> bool:
            # The RayCluster's own condition may still be that of the pod that was
            # killed.
            head = self.head_or_none(cluster)
            return head not in (killed, None) and "True" in self.kubernetes.kubectl(
                "get", "pod", str(head), "-n", "kuberay", "-o", READY
            )

        assert self.kubernetes.eventually(replaced, 120)

    def jobs(self, cluster: str = GUIDE) -> set[str]:
        """The jobs that Ray remembers."""
        with self.dashboard(cluster) as address:
            return {found["submission_id"] for found in job.ask(f"{address}/api/jobs/")}

    def status_of(self, kind: str, name: str) -> dict[str, Any]:
        return (
            json.loads(self.kubernetes.kubectl("get", kind, name, "-n", "kuberay", "-o", "json")).get(
                "status"
            )
            or {}
        )

    def up_meanwhile(self) -> "subprocess.Popen[str]":
        """Starts `up` and goes on; its output is read from the process."""
        command = self.command("up", "--yes", "--skip-preview")
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command,
            cwd=self.program,
            env=self._environment(),
            stdout=pipe,
            stderr=subprocess.STDOUT,
            text=True,
        )
