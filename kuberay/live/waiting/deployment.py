"""Waits until the operator's Deployment is rolled out."""

from dataclasses import dataclass

from httpx2 import HTTPError
from lightkube import AsyncClient
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod

from kuberay.facts.objects import Object, conditions_of
from kuberay.facts.phrases import Report
from kuberay.live.api.client import code_of, connect
from kuberay.live.api.connection import Connection
from kuberay.live.diagnosis.diagnoser import Diagnoser
from kuberay.live.diagnosis.pods import Trouble, is_going
from kuberay.live.takeover.actions import refuse_half_removed
from kuberay.live.takeover.rules import how_to_make_anew
from kuberay.live.wait_loop import Look, every, wait
from kuberay.live.waiting.targets import DeploymentTarget

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
        NotUpError: with the cause, as early as it is certain and at the latest after
            the timeout.
    """
    client = connect(connection, target.namespace, patience=0)
    try:
        await refuse_half_removed(client, target.namespace, target.release)
        diagnoser = Diagnoser(client, target.namespace)

        async def look() -> Look:
            try:
                state = await look_at_deployment(client, target, diagnoser)
            except HTTPError as error:
                if code_of(error) == 404:
                    return Look(failed=f"{target.name}: {no_deployment(target)}")
                raise
            trouble = state.trouble
            return Look(
                up=state.up,
                failed=f"{target.name}: {trouble.line}" if trouble and trouble.certain else None,
                progress=trouble.line if trouble else "its pods are starting",
                cause=state.cause,
            )

        pause = every(_LOOK_AGAIN, at_first=0.1)
        await wait(
            look, what=target.name, so_far="not available", timeout=target.timeout, report=report, pause=pause
        )
    finally:
        await client.close()


async def look_at_deployment(
    client: AsyncClient, target: DeploymentTarget, diagnoser: Diagnoser
) -> DeploymentState:
    """How a Deployment is now, and what keeps it from being up.

    Raises:
        ApiError: with code 404, there is none.
    """
    deployment = (await client.get(Deployment, target.name, namespace=target.namespace)).to_dict()
    wanted = int(deployment["spec"].get("replicas", 1))
    images = tuple(
        str(container.get("image")) for container in deployment["spec"]["template"]["spec"]["containers"]
    )
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
    """What to say where the Deployment of a release is gone: by hand, or by a `destroy`
    that was killed, which tells Pulumi nothing.
    """
    return (
        "there is no such Deployment, though the state has its Helm release;"
        f" {how_to_make_anew(target.release)}"
    )


def _rolled_out(deployment: Object) -> bool:
    status: Object = deployment.get("status") or {}
    wanted = int(deployment["spec"].get("replicas", 1))
    seen = int(status.get("observedGeneration") or 0) >= int(deployment["metadata"]["generation"])
    counts = [int(status.get(key) or 0) for key in ("replicas", "updatedReplicas", "availableReplicas")]
    return seen and counts == [wanted] * 3


def _replica_failure(deployment: Object) -> str | None:
    return next(
        (
            str(c.get("message"))
            for c in conditions_of(deployment)
            if c["type"] == "ReplicaFailure" and c["status"] == "True"
        ),
        None,
    )
