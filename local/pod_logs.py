"""Serves `kubectl logs` for simulated pods, over the part of the kubelet's API that the
API server calls for it.
"""

import re
import ssl
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from local import ray_rest

FAIL = "kwok.kuberay/fail"

# What a failed container prints in reality; local/stages.yaml makes the same containers
# fail.
PRINTED = {
    "exec-format": "exec /usr/bin/bash: exec format error\n",
    "oom": "",
    "crash": (
        """Traceback (most recent call last):
  File "/home/ray/anaconda3/bin/ray", line 8, in <module>
    sys.exit(main())
  File "/home/ray/anaconda3/lib/python3.10/site-packages/ray/scripts/scripts.py", line 2684, in main
    return cli()
  File "/home/ray/anaconda3/lib/python3.10/site-packages/ray/_private/services.py", line 1987, in \
determine_plasma_store_config
    raise ValueError(
ValueError: Attempting to cap object store memory usage at 53687091 bytes, but the \
minimum allowed is 78643200 bytes.
"""
    ),
}
NOTHING_RUNS = "(this pod is simulated: no container runs, so nothing is printed)\n"


def printed(pod: dict[str, Any], container: str) -> str:
    """What this container would have printed."""
    if container != pod["spec"]["containers"][0]["name"]:
        return NOTHING_RUNS
    if any(owner["kind"] == "Job" for owner in pod["metadata"].get("ownerReferences", [])):
        return _submitter_log(pod["spec"]["containers"][0])
    statuses = pod.get("status", {}).get("containerStatuses") or [{}]
    if "running" in statuses[0].get("state", {}):
        return NOTHING_RUNS
    return PRINTED.get(pod["metadata"].get("annotations", {}).get(FAIL, "exec-format"), "")


def _submitter_log(container: dict[str, Any]) -> str:
    """The end of what `ray job submit` prints, as KubeRay runs it: `… --submission-id
    <job> … -- <entrypoint> ; fi …`.
    """
    given = re.search(r" -- (?P<entrypoint>.*) ; fi", " ".join(container.get("args") or []), re.DOTALL)
    job = next(
        (
            variable.get("value", "")
            for variable in container.get("env") or []
            if variable["name"] == "RAY_JOB_SUBMISSION_ID"
        ),
        "",
    )
    return ray_rest.log_of(job, given["entrypoint"]) if given else NOTHING_RUNS


def server(
    address: tuple[str, int], certificates: Path, text_of: Callable[[str, str, str], str]
) -> ThreadingHTTPServer:
    """An HTTPS server that only the API server may ask. `text_of`: (namespace, pod,
    container) -> its log; KeyError: there is none.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            match url.path.strip("/").split("/"):
                case ["containerLogs", namespace, pod, container]:
                    try:
                        self._answer(200, last_lines(text_of(namespace, pod, container), parse_qs(url.query)))
                    except KeyError as error:
                        self._answer(404, f"no log: {error}\n")
                case _:
                    self._answer(501, "simulated nodes serve logs and nothing else\n")

        do_POST = do_GET  # noqa: N815

        def _answer(self, code: int, text: str) -> None:
            body = text.encode()
            self.send_response(code)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Says nothing: a line for every request helps nobody."""

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificates / "ca.crt"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(certificates / "server.crt", certificates / "server.key")
    made = ThreadingHTTPServer(address, Handler)
    made.socket = context.wrap_socket(made.socket, server_side=True, do_handshake_on_connect=False)
    return made


def last_lines(text: str, query: dict[str, list[str]]) -> str:
    """The part of the text that `tailLines` and `limitBytes` leave."""
    if "tailLines" in query:
        count = int(query["tailLines"][0])
        text = "".join(text.splitlines(keepends=True)[-count:]) if count else ""
    return text[: int(query["limitBytes"][0])] if "limitBytes" in query else text
