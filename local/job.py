"""A Ray job on a stack of the local cluster, the way a user of one's own cluster goes:
port-forward, then Ray's REST API for jobs.
"""

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

from local.cluster import LocalCluster, until
from local.errors import LocalError
from local.ports import free_ports, is_free
from local.stack import LocalStack

_FORWARD_SECONDS = 20
_ENDED = ("SUCCEEDED", "FAILED", "STOPPED")
#: Ray starts a driver for the job first; on a busy machine that takes a while.
_LOOK_AGAIN = 0.5


def run(stack: LocalStack, cluster: str | None, entrypoint: str) -> bool:
    """Submits the entrypoint to one of the stack's clusters (None: the only one), shows
    its log as it grows; whether it succeeded.
    """
    clusters: dict[str, dict[str, Any]] = stack.outputs().get("clusters") or {}
    name = cluster or next(iter(clusters), "")
    if name not in clusters or (cluster is None and len(clusters) > 1):
        raise LocalError(
            f"which cluster? ARGS='--cluster <name>', one of {', '.join(clusters)}"
            if clusters
            else f"stack {stack.name} has no Ray cluster"
        )
    command, port = clusters[name]["portForward"], clusters[name]["dashboardAddress"].rpartition(":")[2]
    with forwarded(stack.cluster, command, port=int(port)) as address:
        own = address.rpartition(":")[2]
        print(f"$ {command.partition(f' {port}:')[0]} {own}:{port}", flush=True)
        print(f"$ ray job submit --address {address} -- {shlex.split(entrypoint)[0]} …", flush=True)
        return follow(address, entrypoint)


@contextmanager
def forwarded(cluster: LocalCluster, command: str, *, port: int) -> Generator[str]:
    """Runs a `kubectl port-forward` command of a stack's outputs, for one of its ports,
    on a port that is free here; gives the address.
    """
    found = re.fullmatch(rf"kubectl port-forward (?P<target>.*?)( \d+:\d+)*? {port}:{port}\b.*", command)
    if found is None:
        raise LocalError(f"the stack's output is no port-forward to {port}: {command}")
    own = next(free_ports())
    # The cluster's own kubectl, by its full path: PATH of this process is another one.
    kubectl = [
        str(cluster.home.folder / "bin/kubectl"),
        "port-forward",
        *found["target"].split(),
        f"{own}:{port}",
    ]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        kubectl, env=cluster.pulumi_env(), stdout=subprocess.DEVNULL, stderr=pipe, text=True
    ) as forward:
        try:
            if (
                not until(lambda: forward.poll() is not None or not is_free(own), _FORWARD_SECONDS)
                or forward.poll() is not None
            ):
                forward.kill()
                said = (forward.communicate()[1].strip().splitlines() or ["no pod answers"])[-1]
                raise LocalError(f"{' '.join(['kubectl', *kubectl[1:]])}: {said}")
            yield f"http://127.0.0.1:{own}"
        finally:
            forward.kill()


def follow(address: str, entrypoint: str) -> bool:
    """Submits to Ray's dashboard at this address, prints the log as it grows, and says
    whether the job succeeded.
    """
    submitted = ask(f"{address}/api/jobs/", {"entrypoint": entrypoint})["submission_id"]
    shown = 0
    while True:
        job = ask(f"{address}/api/jobs/{submitted}")
        log: str = ask(f"{address}/api/jobs/{submitted}/logs").get("logs") or ""
        print(log[shown:], end="", flush=True)
        shown = len(log)
        if job["status"] in _ENDED:
            print(
                f"job {submitted}: {job['status']}"
                + (f": {job['message']}" if job["status"] != "SUCCEEDED" else ""),
                flush=True,
            )
            return job["status"] == "SUCCEEDED"
        time.sleep(_LOOK_AGAIN)


def ask(url: str, content: dict[str, Any] | None = None) -> Any:
    """What Ray's dashboard answers, to a POST where there is content."""
    body = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})  # noqa: S310
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise LocalError(
            f"Ray answers {error.code}: {error.read().decode(errors='replace').strip()[-300:]}"
        ) from None
    except OSError as error:
        raise LocalError(f"Ray's dashboard cannot be asked: {error}") from None
