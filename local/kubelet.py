"""The part of a kubelet that kwok leaves out: operator pods run for real, and every pod
has a log.

Run under supervision: python -m local.kubelet --help
"""

import argparse
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

from httpx2 import HTTPError
from lightkube import ApiError, Client, KubeConfig
from lightkube.resources.core_v1 import Pod

from local import pod_logs
from local.operator_runner import OPERATOR_LABEL, OperatorRunner

STEP_SECONDS = 0.25


def main() -> None:
    """Runs until it is ended."""
    parser = argparse.ArgumentParser(prog="python -m local.kubelet", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True, help="loopback port on which logs are served")
    parser.add_argument("--certificates", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="where operators keep what they need")
    parser.add_argument(
        "--operators", type=Path, required=True, help="JSON file: the operator program for each version"
    )
    given = parser.parse_args()

    client = Client(KubeConfig.from_file(given.kubeconfig), trust_env=False)
    runner = OperatorRunner(client, given.operators, given.folder)
    runner.forget_predecessors()

    def text_of(namespace: str, name: str, container: str) -> str:
        try:
            pod = client.get(Pod, name, namespace=namespace).to_dict()
        except ApiError as error:
            raise KeyError(str(error)) from None
        if OPERATOR_LABEL in pod["metadata"].get("labels", {}).items():
            return runner.pods[pod["metadata"]["uid"]].log.read_text(errors="replace")
        return pod_logs.printed(pod, container)

    def follow() -> None:
        while True:
            told(runner.follow)
            time.sleep(STEP_SECONDS)

    logs = pod_logs.server(("127.0.0.1", given.port), given.certificates, text_of)
    for endless in (logs.serve_forever, follow):
        Thread(target=endless, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

    while True:
        runner.changed.wait(STEP_SECONDS)
        runner.changed.clear()
        told(runner.step)


def told(action: Callable[[], None]) -> None:
    """Does it, and says what kept it from being done: an API server that is starting,
    or was ended before this process.
    """
    try:
        action()
    except (ApiError, OSError, HTTPError) as error:
        print(f"{type(error).__name__}: {error}", flush=True)


if __name__ == "__main__":
    main()
