"""Looks at pods, and further where their status alone does not say enough: logs,
events, nodes, autoscalers.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace

from httpx2 import HTTPStatusError
from lightkube import ApiError, AsyncClient
from lightkube.resources.core_v1 import ConfigMap, Event, Node

from kuberay.facts.objects import Object
from kuberay.facts.scheduling import no_node_will_do
from kuberay.live.api.client import find_all, log_end, or_none
from kuberay.live.api.kinds import NodePool
from kuberay.live.diagnosis.operator import operator_trouble, will_last
from kuberay.live.diagnosis.pods import (
    Trouble,
    is_ready,
    pod_trouble,
    refused_for_good,
    starting_trouble,
    statuses_of,
    with_logs,
)

#: A pod that no node can take is given this long, in seconds: nodes may just be
#: registering.
SCHEDULING_GRACE = 5.0
#: A pod may say nothing for this long, in seconds, before its events are read: Ray's
#: own start is no trouble.
_QUIET_START = 15.0
#: What the operator says of an object is read after this time, in seconds: it looks at
#: a new one at once.
OPERATOR_LOOKS = 1.0
#: And how often events are read again.
_EVENTS_AGAIN = 5.0


class Diagnoser:
    def __init__(self, client: AsyncClient, namespace: str, *, at_once: bool = False) -> None:
        """``at_once``: with no time for what may pass by itself, for a single look."""
        self._client = client
        self._namespace = namespace
        self._at_once = at_once
        self._events: dict[str, tuple[float, Trouble | None]] = {}
        self._since: dict[str, float] = {}
        self._logs: dict[tuple[str, int], list[str]] = {}

    def lasts(self, key: str, seconds: float) -> bool:
        """Whether something has been so for this long."""
        now = time.monotonic()
        return self._at_once or now - self._since.setdefault(key, now) >= seconds

    async def look_at_all(self, pods: Iterable[Object], *, room_may_come: bool) -> Trouble | None:
        """What is to be told first of what keeps these pods from being ready.

        ``room_may_come``, here and below: pods that still run or end may be all that
        takes the room, so a lack of room is not certain to last.
        """
        troubles = [
            t
            for pod in pods
            if not is_ready(pod) and (t := await self.look_at(pod, room_may_come=room_may_come))
        ]
        return min(troubles, key=lambda trouble: trouble.rank, default=None)

    async def look_at(self, pod: Object, *, room_may_come: bool) -> Trouble | None:
        trouble = pod_trouble(pod)
        if trouble is None:
            return await self._told_by_events(pod, _QUIET_START, starting_trouble)
        if trouble.crashed_container is not None:
            return with_logs(trouble, pod, await self._last_lines(pod, trouble.crashed_container))
        if trouble.unschedulable and not room_may_come and self.lasts(trouble.pod, SCHEDULING_GRACE):
            never = await self._never_scheduled(pod)
            if never:
                return Trouble(trouble.pod, f"{trouble.text} ({never})", certain=True)
        return trouble

    async def said_by_operator(self, obj: Object, *, room_may_come: bool) -> Trouble | None:
        """What KubeRay's operator says against a RayCluster, RayJob or RayService, in
        that one's events.
        """
        known = await self._told_by_events(obj, OPERATOR_LOOKS, operator_trouble)
        if known is None or known.certain or room_may_come or not will_last(known):
            return known
        return replace(known, certain=self.lasts("refused", SCHEDULING_GRACE))

    def refused(self, whose: str, message: str, *, room_may_come: bool) -> Trouble:
        """What the API server says against pods that the operator would make."""
        certain = refused_for_good(message) and not room_may_come
        certain = certain and self.lasts("refused", SCHEDULING_GRACE)
        return Trouble(f"of {whose}", f"refused by the API server: {message}", certain)

    def operator_has_looked_at(self, obj: Object) -> bool:
        """Whether the operator has had the time to refuse an object, since this was
        first asked.
        """
        return self.lasts(f"events {obj['metadata']['uid']}", OPERATOR_LOOKS)

    async def _told_by_events(
        self, obj: Object, after: float, judge: Callable[[Object, list[Object]], Trouble | None]
    ) -> Trouble | None:
        """What the events of an object tell. They are read once it has been looked at
        for ``after`` seconds, and again now and then.
        """
        uid = obj["metadata"]["uid"]
        if not self.lasts(f"events {uid}", after):
            return None
        read, known = self._events.get(uid, (-_EVENTS_AGAIN, None))
        if time.monotonic() - read >= _EVENTS_AGAIN:
            known = judge(obj, await self._events_of(uid))
            self._events[uid] = time.monotonic(), known
        return known

    async def _events_of(self, uid: str) -> list[Object]:
        with suppress(HTTPStatusError):  # An account that may not read them goes without.
            fields = {"involvedObject.uid": uid}
            return await find_all(self._client, Event, namespace=self._namespace, fields=fields)
        return []

    async def _last_lines(self, pod: Object, container: str) -> list[str]:
        status = next(status for status in statuses_of(pod) if status["name"] == container)
        restarts = int(status.get("restartCount") or 0)
        name = str(pod["metadata"]["name"])
        if "running" in (status.get("state") or {}):
            # The log is now that of the next run, which has not got to its end.
            return self._logs.get((name, restarts - 1), [])
        if (name, restarts) not in self._logs:
            # Of a container that waits to be restarted, the kubelet gives the log of
            # the run that crashed.
            self._logs[name, restarts] = await log_end(self._client, name, self._namespace, container)
        return self._logs[name, restarts]

    async def _never_scheduled(self, pod: Object) -> str | None:
        """Why no node will ever take the pod; None where that is not certain: nodes may
        come, or may not be listed by this account.
        """
        try:
            never = no_node_will_do(pod, await find_all(self._client, Node))
        except ApiError:
            return None
        return None if never is None or await self.nodes_may_come() else never

    async def nodes_may_come(self) -> bool:
        """Whether a node autoscaler is seen, or could not be looked for."""
        # Beside the autoscaler, which can be in any namespace.
        fields = {"metadata.name": "cluster-autoscaler-status"}
        try:
            return (
                bool(await find_all(self._client, ConfigMap, namespace="*", fields=fields))
                or await or_none(find_all(self._client, NodePool)) is not None
            )
        except HTTPStatusError:
            return True
