"""A Ray job on a stack of the local cluster, the way a user of one's own cluster goes: port-forward, then Ray's REST API for jobs."""

import json
import re
import shlex
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from local.cluster import until
from local.errors import LocalError
from local.ports import free_ports
from local.stack import LocalStack

_FORWARD_SECONDS = 20
_ENDED = ("SUCCEEDED", "FAILED", "STOPPED")
#: Ray starts a driver for the job first; on a busy machine that takes a while.
_LOOK_AGAIN = 0.5


def run(stack: LocalStack, cluster: str | None, entrypoint: str) -> bool:
    """Submits the entrypoint to one of the stack's clusters (None: the only one), shows its log as it grows; whether it succeeded."""
    clusters: dict[str, dict[str, Any]] = stack.outputs().get("clusters") or {}
    name = cluster or next(iter(clusters), "")
    if name not in clusters or (cluster is None and len(clusters) > 1):
        raise LocalError(f"which cluster? --cluster {'|'.join(clusters)}" if clusters else f"stack {stack.name} has no Ray cluster")
    print(f"$ {clusters[name]['portForward']}", flush=True)
    with forwarded(stack, clusters[name]["portForward"]) as address:
        print(f"$ ray job submit --address {address} -- {shlex.split(entrypoint)[0]} …", flush=True)
        return follow(address, entrypoint)


@contextmanager
def forwarded(stack: LocalStack, command: str) -> Generator[str]:
    """Runs the stack's own port-forward command on a port that is free here; gives the address of Ray's dashboard."""
    found = re.fullmatch(r"kubectl port-forward (?P<target>.*) 8265:8265\b.*", command)
    if found is None:
        raise LocalError(f"the stack's output is no port-forward to 8265: {command}")
    port = next(free_ports())
    # kubectl of the cluster's own folder, by its full path: PATH of this process is another one.
    kubectl = [str(stack.cluster.home.folder / "bin/kubectl"), "port-forward", *found["target"].split(), f"{port}:8265"]
    pipe = subprocess.PIPE
    with subprocess.Popen(kubectl, env=stack.cluster.pulumi_env(), stdout=subprocess.DEVNULL, stderr=pipe, text=True) as forward:
        try:
            address = f"http://127.0.0.1:{port}"
            if not until(lambda: forward.poll() is not None or _answers(address), _FORWARD_SECONDS) or forward.poll() is not None:
                forward.kill()
                said = (forward.communicate()[1].strip().splitlines() or ["Ray's dashboard does not answer"])[-1]
                raise LocalError(f"{' '.join(kubectl[1:])}: {said}")
            yield address
        finally:
            forward.kill()


def follow(address: str, entrypoint: str) -> bool:
    """Submits to Ray's dashboard at this address, prints the log as it grows, and says whether the job succeeded."""
    submitted = _ask(f"{address}/api/jobs/", {"entrypoint": entrypoint})["submission_id"]
    shown = 0
    while True:
        job = _ask(f"{address}/api/jobs/{submitted}")
        log: str = _ask(f"{address}/api/jobs/{submitted}/logs").get("logs") or ""
        print(log[shown:], end="", flush=True)
        shown = len(log)
        if job["status"] in _ENDED:
            print(f"job {submitted}: {job['status']}" + (f": {job['message']}" if job["status"] != "SUCCEEDED" else ""), flush=True)
            return job["status"] == "SUCCEEDED"
        time.sleep(_LOOK_AGAIN)


def _answers(address: str) -> bool:
    try:
        return bool(_ask(f"{address}/api/version"))
    except LocalError:
        return False


def _ask(url: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
    body = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})  # noqa: S310
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise LocalError(f"Ray answers {error.code}: {error.read().decode(errors='replace').strip()[-300:]}") from None
    except OSError as error:
        raise LocalError(f"Ray's dashboard cannot be asked: {error}") from None
