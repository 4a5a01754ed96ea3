"""Waits until the operator's Deployment is rolled out."""

from dataclasses import dataclass

from lightkube import AsyncClient
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod

from kuberay.facts.charts import OPERATOR_RELEASE
from kuberay.facts.objects import Object, condition, has_condition
from kuberay.facts.phrases import Report
from kuberay.live.api.client import connect, find, find_all
from kuberay.live.api.connection import Connection
from kuberay.live.diagnosis.diagnoser import Diagnoser
from kuberay.live.diagnosis.pods import Trouble, is_going
from kuberay.live.takeover.actions import refuse_half_removed
from kuberay.live.takeover.rules import is_gone
from kuberay.live.wait_loop import Look, every, wait
from kuberay.plan.operator import OperatorPlan

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


async def wait_for_deployment(connection: Connection, operator: OperatorPlan, report: Report) -> None:
    """Ends when every pod of the newest template of the operator's Deployment is
    available.

    Raises:
        NotUpError: with the cause, as early as it is certain and at the latest after
            the timeout.
    """
    name, namespace = operator.deployment, operator.namespace
    async with connect(connection, namespace, patience=0) as client:
        await refuse_half_removed(client, namespace, OPERATOR_RELEASE)
        diagnoser = Diagnoser(client, namespace)

        async def look() -> Look:
            state = await look_at_deployment(client, name, namespace, diagnoser)
            if state is None:
                return Look(failed=f"{name}: {is_gone('Deployment', OPERATOR_RELEASE)}")
            trouble = state.trouble
            return Look(
                up=state.up,
                failed=f"{name}: {trouble.line}" if trouble and trouble.certain else None,
                progress=trouble.line if trouble else "its pods are starting",
                cause=state.cause,
            )

        pause = every(_LOOK_AGAIN, at_first=0.1)
        await wait(
            look, what=name, so_far="not available", timeout=operator.timeout, report=report, pause=pause
        )


async def look_at_deployment(
    client: AsyncClient, name: str, namespace: str, diagnoser: Diagnoser
) -> DeploymentState | None:
    """How a Deployment is now, and what keeps it from being up; None where there is
    none.
    """
    deployment = await find(client, Deployment, name, namespace)
    if deployment is None:
        return None
    wanted = int(deployment["spec"].get("replicas", 1))
    images = tuple(
        str(container.get("image")) for container in deployment["spec"]["template"]["spec"]["containers"]
    )
    if _rolled_out(deployment):
        return DeploymentState(True, None, "", wanted, images)
    labels = deployment["spec"]["selector"]["matchLabels"]
    pods = await find_all(client, Pod, namespace=namespace, labels=labels)
    going = any(is_going(pod) for pod in pods)
    trouble = await diagnoser.look_at_all([pod for pod in pods if not is_going(pod)], room_may_come=going)
    refused = _replica_failure(deployment) if trouble is None or trouble.from_event else None
    cause = refused or (trouble.line if trouble else "its pods are still starting")
    return DeploymentState(False, trouble, cause, wanted, images)


def _rolled_out(deployment: Object) -> bool:
    status: Object = deployment.get("status") or {}
    wanted = int(deployment["spec"].get("replicas", 1))
    seen = int(status.get("observedGeneration") or 0) >= int(deployment["metadata"]["generation"])
    counts = [int(status.get(key) or 0) for key in ("replicas", "updatedReplicas", "availableReplicas")]
    return seen and counts == [wanted] * 3


def _replica_failure(deployment: Object) -> str | None:
    failed = has_condition(deployment, "ReplicaFailure")
    return str(condition(deployment, "ReplicaFailure").get("message")) if failed else None
