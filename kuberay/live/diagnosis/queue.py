"""What Kueue holds back until its queue has room, and what it says of it."""

from lightkube import AsyncClient

from kuberay.facts.labels import QUEUE_LABEL
from kuberay.facts.objects import Object, condition, has_condition
from kuberay.facts.phrases import one_line
from kuberay.live.api.client import code_of, find_all
from kuberay.live.api.kinds import WORKLOADS


async def held_in_queue(client: AsyncClient, obj: Object) -> str | None:
    """Where a RayCluster, RayJob or RayService stands in its queue, and why; None where
    Kueue holds it back no longer, or never has.
    """
    queue = (obj["metadata"].get("labels") or {}).get(QUEUE_LABEL)
    if not queue or not _is_suspended(obj["spec"]):
        return None
    waiting = [each for each in await _workloads(client, obj["metadata"]["namespace"]) if _waits(each)]
    own = next((each for each in waiting if _is_of(each, obj)), None)
    if own is None:
        return f"queued in {queue}"
    line = sorted((each for each in waiting if _queue(each) == queue), key=_turn)
    position = f"{line.index(own) + 1} of {len(line)}"
    message = one_line(condition(own, "QuotaReserved").get("message"))
    return f"queued in {queue}, {position}" + (f": {message}" if message else "")


def _is_suspended(spec: Object) -> bool:
    cluster: Object = spec.get("rayClusterConfig") or {}
    return bool(spec.get("suspend") or cluster.get("suspend"))


async def _workloads(client: AsyncClient, namespace: str) -> list[Object]:
    """Kueue's own objects, one for whatever is in a queue of the namespace; none where
    they may not be read.
    """
    for kind in WORKLOADS:
        try:
            return await find_all(client, kind, namespace=namespace)
        except Exception as error:
            if code_of(error) not in (403, 404):
                raise
    return []


def _waits(workload: Object) -> bool:
    return not (has_condition(workload, "Admitted") or has_condition(workload, "Finished"))


def _is_of(workload: Object, obj: Object) -> bool:
    owners: list[Object] = workload["metadata"].get("ownerReferences") or []
    return any(owner["uid"] == obj["metadata"]["uid"] for owner in owners)


def _queue(workload: Object) -> str:
    return str(workload["spec"].get("queueName") or "")


def _turn(workload: Object) -> tuple[int, str]:
    """By priority, then the oldest first, as Kueue goes about it."""
    return -int(workload["spec"].get("priority") or 0), str(workload["metadata"]["creationTimestamp"])
