"""Waits until the operator's Deployment is rolled out."""

import asyncio
import time
from dataclasses import dataclass

from httpx2 import HTTPError
from lightkube import ApiError, AsyncClient
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod

from kuberay.facts.objects import Object
from kuberay.live.api.client import connect
from kuberay.live.api.connection import Connection
from kuberay.live.diagnosis.diagnoser import Diagnoser
from kuberay.live.diagnosis.pods import Trouble, is_going
from kuberay.live.takeover.rules import how_to_make_anew
from kuberay.live.waiting.loop import NotUpError, no_answer, refuse_half_removed
from kuberay.live.waiting.targets import DeploymentTarget, Report

#: How often a wait looks again, in seconds: soon at first.
_LOOK_AGAIN = 2.0


@dataclass(frozen=True)
class DeploymentState:
    """A Deployment, as it is."""

    up: bool
    """Every pod of its newest template is available."""
    trouble: Trouble | None
    cause: str
    """Why it is not up."""
    wanted: int
    """How many pods it is to have."""
    images: tuple[str, ...]
    """Of its containers."""


async def wait_for_deployment(connection: Connection, target: DeploymentTarget, report: Report) -> None:
    """Ends when every pod of the Deployment's newest template is available.

    Raises:
        NotUpError: with the cause, as early as it is certain and at the latest after the timeout.
    """
    deadline = time.monotonic() + target.timeout
    client = connect(connection, target.namespace)
    try:
        await refuse_half_removed(client, target.namespace, target.release)
        diagnoser = Diagnoser(client, target.namespace)
        said, pause = "", 0.1
        while True:
            try:
                state = await look_at_deployment(client, target, diagnoser)
            except HTTPError as error:
                if isinstance(error, ApiError) and error.status.code == 404:
                    raise NotUpError(f"{target.name}: {no_deployment(target)}") from None
                state = DeploymentState(False, None, no_answer(error), wanted=0, images=())
            if state.up:
                return
            if state.trouble is not None and state.trouble.certain:
                raise NotUpError(f"{target.name}: {state.trouble.line}")
            if time.monotonic() > deadline:
                raise NotUpError(f"{target.name}: not available after {target.timeout:.0f} s (timeoutSeconds): {state.cause}")
            progress = state.trouble.line if state.trouble else "its pods are starting"
            if progress != said:
                report(progress)
                said = progress
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LOOK_AGAIN)
    finally:
        await client.close()


async def look_at_deployment(client: AsyncClient, target: DeploymentTarget, diagnoser: Diagnoser) -> DeploymentState:
    """How a Deployment is now, and what keeps it from being up.

    Raises:
        ApiError: with code 404, there is none.
    """
    deployment = (await client.get(Deployment, target.name, namespace=target.namespace)).to_dict()
    wanted = int(deployment["spec"].get("replicas", 1))
    images = tuple(str(container.get("image")) for container in deployment["spec"]["template"]["spec"]["containers"])
    if _rolled_out(deployment):
        return DeploymentState(True, None, "", wanted, images)
    labels = deployment["spec"]["selector"]["matchLabels"]
    pods = [pod.to_dict() async for pod in client.list(Pod, namespace=target.namespace, labels=labels)]
    going = any(is_going(pod) for pod in pods)
    trouble = await diagnoser.look_at_all([pod for pod in pods if not is_going(pod)], room_may_come=going)
    refused = _replica_failure(deployment) if trouble is None or trouble.from_event else None
    cause = refused or (trouble.line if trouble else "its pods are still starting")
    return DeploymentState(False, trouble, cause, wanted, images)


def no_deployment(target: DeploymentTarget) -> str:
    """What to say where the Deployment of a release is gone: by hand, or by a `destroy` that was killed, which tells Pulumi nothing."""
    return f"there is no such Deployment, though the state has its Helm release; {how_to_make_anew(target.release)}"


def _rolled_out(deployment: Object) -> bool:
    status: Object = deployment.get("status") or {}
    wanted = int(deployment["spec"].get("replicas", 1))
    seen = int(status.get("observedGeneration") or 0) >= int(deployment["metadata"]["generation"])
    counts = [int(status.get(key) or 0) for key in ("replicas", "updatedReplicas", "availableReplicas")]
    return seen and counts == [wanted] * 3


def _replica_failure(deployment: Object) -> str | None:
    conditions = (deployment.get("status") or {}).get("conditions") or []
    return next((str(c.get("message")) for c in conditions if c["type"] == "ReplicaFailure" and c["status"] == "True"), None)
