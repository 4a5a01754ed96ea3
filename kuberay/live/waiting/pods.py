"""Waits until the pods of a group are what the stack asked for, and replaces those that
run an old spec.

Runs in resource hooks of the program, so only while `up` changes something: a preview
never comes here. Every wait looks at the cluster as it is, not at what this run did, so
a killed run converges when it is run again.
"""

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

from lightkube import ApiError, AsyncClient
from lightkube.operators import exists
from lightkube.resources.core_v1 import Pod
from lightkube.types import PatchType

from kuberay.facts.labels import CLUSTER_LABEL, GROUP_LABEL, HEAD_GROUP, RETRY_ANNOTATION, TEMPLATE_ANNOTATION
from kuberay.facts.objects import Object
from kuberay.facts.phrases import Report
from kuberay.live.api.client import connect_blocking, find, is_unanswered, refusal
from kuberay.live.api.connection import Connection
from kuberay.live.api.kinds import PlainPod, RayCluster
from kuberay.live.diagnosis.diagnoser import OPERATOR_LOOKS, Diagnoser
from kuberay.live.diagnosis.pods import (
    Trouble,
    cluster_trouble,
    failed_pods_trouble,
    is_going,
    is_over,
    is_ready,
)
from kuberay.live.diagnosis.queue import held_in_queue
from kuberay.live.takeover.actions import refuse_half_removed
from kuberay.live.takeover.rules import how_to_make_anew, is_gone
from kuberay.live.wait_loop import Look, NotUpError, wait
from kuberay.live.waiting.targets import GroupTarget, as_asked, stays_suspended, suspended
from kuberay.live.watch import NamespaceView, namespace_view

#: How often a wait looks again without news from the API server, in seconds.
_LOOK_AGAIN = 2.0


def old_pods(
    connection: Connection,
    namespace: str,
    cluster: str,
    wanted: Mapping[str, str | None],
    *,
    as_at_first: bool = False,
) -> dict[str, int]:
    """How many running pods of each group carry another template than the wanted one;
    nothing where the cluster cannot be asked.

    Args:
        connection: of the stack.
        namespace: of the cluster.
        cluster: name of the RayCluster.
        wanted: the template's fingerprint by group, as its pods carry it.
        as_at_first: as the pods were when a run first asked: all clusters of a stack
            take one request, and one wait for an answer.
    """
    found = _pods_at_first(connection, namespace) if as_at_first else _pods(connection, namespace, cluster)
    return Counter(
        group
        for pod in found
        if pod["metadata"]["labels"].get(CLUSTER_LABEL) == cluster
        and (group := _group(pod)) in wanted
        and not is_going(pod)
        and _fingerprint(pod) != wanted[group]
    )


def _pods(connection: Connection, namespace: str, cluster: str | None = None) -> list[Object]:
    """Of one RayCluster, or of all."""
    labels: Any = {CLUSTER_LABEL: cluster or exists()}
    with suppress(Exception):  # A preview has to work without access to the cluster.
        client = connect_blocking(connection, namespace, timeout=3, patience=0)
        return [pod.to_dict() for pod in client.list(PlainPod, labels=labels)]
    return []


_pods_at_first = cache(_pods)


@dataclass(frozen=True)
class GroupState:
    """The pods of one group, as they are."""

    text: str
    """``1 of 2 pods ready``"""
    up: bool
    """They are what the stack asked for."""
    old: int
    """How many run another template, whether they are to be replaced or not."""
    unwanted: tuple[Object, ...]
    """Pods that KubeRay leaves alone but that are no longer what the stack asks for."""
    trouble: Trouble | None
    cause: str
    """Why they are not up; empty where they are."""
    queued: str | None = None
    """Where their cluster stands in a queue, which holds it back."""


async def wait_for_group(connection: Connection, target: GroupTarget, report: Report) -> None:
    """Ends when the group's pods are ready and none runs an old spec.

    Raises:
        NotUpError: with the cause, as early as it is certain and at the latest after
            the timeout.
    """
    view = namespace_view(connection, target.namespace)
    await view.until_listed(target.timeout)
    diagnoser = Diagnoser(view.client, target.namespace)
    deleted: set[str] = set()
    cluster: Object | None = None
    agreed = True

    async def look() -> Look:
        nonlocal cluster, agreed
        if cluster is None:
            cluster = await _ray_cluster(view.client, target)
        state = await look_at_group(view, target, cluster, diagnoser)
        trouble = state.trouble
        if state.unwanted:
            # What runs stays where the operator refuses what is to replace it.
            agreed = diagnoser.operator_has_looked_at(cluster)
            said = await diagnoser.said_by_operator(cluster, room_may_come=True)
            if said and said.certain:
                trouble = said
            elif agreed:
                for pod in state.unwanted:
                    await _delete(view.client, pod, target.namespace, deleted)
        return Look(
            up=state.up and _shows(view, cluster),
            failed=f"{target.cluster}: {trouble.line}" if trouble and trouble.certain else None,
            progress=state.text + (f": {trouble.text}" if trouble else ""),
            cause=state.cause,
            so_far=f"only {state.text}",
            queued=state.queued,
        )

    async def pause(at_most: float) -> None:
        again = _LOOK_AGAIN if agreed else OPERATOR_LOOKS
        await view.change(target.cluster, min(again, at_most))

    what, unknown = f"{target.cluster}, {target.group}", f"only an unknown part of {target.wanted} pods ready"
    await wait(
        look,
        what=what,
        so_far=unknown,
        timeout=target.timeout,
        queue_timeout=target.queue_timeout,
        report=report,
        pause=pause,
    )


def _changed_by_others(target: GroupTarget, ray_cluster: Object) -> str | None:
    """What to say where the RayCluster no longer has the pod template that the stack
    gave it: the operator makes no pods of that one.
    """
    asked = _template_fingerprint(ray_cluster, target.group)
    if asked in (None, target.fingerprint):
        return None
    return (
        "the RayCluster has another pod template than this stack gave it, by `helm rollback` for one;"
        f" {how_to_make_anew(target.release)}"
    )


async def look_at_group(
    view: NamespaceView, target: GroupTarget, ray_cluster: Object, diagnoser: Diagnoser
) -> GroupState:
    """How the pods of a group are now, and what keeps them from being up.
    ``ray_cluster``: as it was read last.
    """
    seen = view.ray_cluster(target.cluster)
    target = as_asked(target, seen)
    staying = [pod for pod in view.pods(target.cluster) if not is_going(pod)]
    pods = [pod for pod in staying if _owner(pod) == ray_cluster["metadata"]["uid"]]
    group = [pod for pod in pods if _group(pod) == target.group]
    old = sum(_fingerprint(pod) != target.fingerprint for pod in group)
    if changed := _changed_by_others(target, seen if seen and _shows(view, ray_cluster) else ray_cluster):
        # Those that run are of that template, and to delete them would bring no others.
        text = f"{sum(map(is_ready, group))} of {target.wanted} pods ready"
        trouble = Trouble(f"of {target.group}", changed, certain=True)
        return GroupState(text, up=False, old=old, unwanted=(), trouble=trouble, cause=changed)
    unwanted = _unwanted(target, pods, group)
    if target.is_head and _shows(view, ray_cluster):
        unwanted += [pod for pod in staying if _owner(pod) not in (None, ray_cluster["metadata"]["uid"])]
    # What is wrong with a pod that is being replaced does not matter any more.
    alive = [pod for pod in group if not is_over(pod) and pod not in unwanted]
    ready = [pod for pod in alive if is_ready(pod)]
    up = not unwanted and len(alive) == len(ready) and target.satisfied_by(len(alive))
    queued = None if up else await held_in_queue(view.client, seen or ray_cluster)
    trouble = None if up or queued else await _trouble(view, target, pods, alive, diagnoser)
    why = trouble.line if trouble else view.unreachable or _nothing_known(view, target)
    cause = "" if up else queued or why
    text = f"{len(ready)} of {target.wanted} pods ready" + (
        f", {len(unwanted)} with the old spec to go" if unwanted else ""
    )
    return GroupState(text, up, old, tuple(unwanted), trouble, cause, queued)


async def _ray_cluster(client: AsyncClient, target: GroupTarget) -> Object:
    """As it is now. Pods of one before it, of the same name, may be there for a while
    after it.
    """
    if target.is_head:
        await refuse_half_removed(client, target.namespace, target.release)
    found = await find(client, RayCluster, target.cluster, target.namespace)
    if found is None:
        raise NotUpError(f"{target.cluster}: {is_gone('RayCluster', target.release)}")

    async def patched(patch: Object) -> Object:
        where: Any = {"namespace": target.namespace, "patch_type": PatchType.MERGE}
        return (await client.patch(RayCluster, target.cluster, patch, **where)).to_dict()

    if cluster_trouble(found):
        # The operator tries again ever more seldom, and says until then what was wrong
        # when it last did.
        await patched({"metadata": {"annotations": {RETRY_ANNOTATION: f"{time.time():.0f}"}}})
    return await patched({"spec": {"suspend": False}}) if stays_suspended(found) else found


def _shows(view: NamespaceView, cluster: Object) -> bool:
    """Whether the view has come to a RayCluster as it was read."""
    seen = view.ray_cluster(cluster["metadata"]["name"])
    return seen is not None and seen["metadata"]["generation"] >= cluster["metadata"]["generation"]


def _owner(pod: Object) -> str | None:
    """UID of the RayCluster that a pod was made for.

    Another one than the cluster's own is that of a cluster before it, of the same name.
    Kubernetes deletes such pods, but where CRDs are new it may take minutes; and as
    long as they are there the operator takes them for the cluster's own and makes no
    others.
    """
    owners = pod["metadata"].get("ownerReferences") or []
    return next((str(owner["uid"]) for owner in owners if owner["kind"] == "RayCluster"), None)


def _group(pod: Object) -> str:
    return str(pod["metadata"]["labels"].get(GROUP_LABEL, ""))


def _unwanted(target: GroupTarget, pods: list[Object], group: list[Object]) -> list[Object]:
    """Pods that KubeRay leaves alone but that are no longer what the stack asks for."""
    orphans = [pod for pod in pods if target.all_groups is not None and _group(pod) not in target.all_groups]
    if not target.replace_old:
        return orphans
    return orphans + [pod for pod in group if _fingerprint(pod) != target.fingerprint]


def _fingerprint(pod: Object) -> str | None:
    return ((pod.get("metadata") or {}).get("annotations") or {}).get(TEMPLATE_ANNOTATION)


def _template_fingerprint(ray_cluster: Object, group: str) -> str | None:
    """Of the template that the operator makes a group's pods from; None where there is
    none, as of a group that it has yet to see.
    """
    spec = ray_cluster["spec"]
    workers = {worker["groupName"]: worker for worker in spec.get("workerGroupSpecs") or []}
    template = (spec.get("headGroupSpec") if group == HEAD_GROUP else workers.get(group)) or {}
    return _fingerprint(template.get("template") or {})


async def _delete(client: AsyncClient, pod: Object, namespace: str, deleted: set[str]) -> None:
    # By UID, and each pod once: the operator may make one more from the old spec before
    # it has seen the new one.
    uid = pod["metadata"]["uid"]
    if uid in deleted:
        return
    try:
        await client.delete(Pod, pod["metadata"]["name"], namespace=namespace)
    except ApiError as error:
        if is_unanswered(error):
            raise
        if error.status.code != 404:
            raise NotUpError(
                f"pod {pod['metadata']['name']} runs the old spec and cannot be deleted: {refusal(error)}"
            ) from None
    deleted.add(uid)


async def _trouble(
    view: NamespaceView, target: GroupTarget, pods: list[Object], alive: list[Object], diagnoser: Diagnoser
) -> Trouble | None:
    # What old pods still hold may be all that new ones lack: nothing about room is
    # certain until they are gone.
    room_may_come = len(pods) != len(view.pods(target.cluster)) or any(
        pod not in alive for pod in pods if _group(pod) == target.group
    )
    first = await diagnoser.look_at_all(alive, room_may_come=room_may_come)
    if first and first.waits_for_head:
        return await _head_trouble(pods, diagnoser, room_may_come=room_may_come) or first
    if first and not first.from_event:
        return first
    ended = [
        pod
        for pod in view.failed_pods(target.cluster)
        if _group(pod) == target.group and _fingerprint(pod) == target.fingerprint
    ]
    if trouble := failed_pods_trouble(ended):
        return trouble
    cluster = view.ray_cluster(target.cluster)
    message = cluster_trouble(cluster) if cluster else None
    if message and len(alive) < target.at_least:
        return diagnoser.refused(target.group, message, room_may_come=room_may_come)
    if cluster and len(alive) < target.at_least:
        return await diagnoser.said_by_operator(cluster, room_may_come=room_may_come) or first
    return first


async def _head_trouble(pods: list[Object], diagnoser: Diagnoser, *, room_may_come: bool) -> Trouble | None:
    """What keeps workers waiting for good: a head that will not come. Its own wait says
    more of it.
    """
    for pod in pods:
        if _group(pod) == HEAD_GROUP and not is_ready(pod) and not is_over(pod):
            trouble = await diagnoser.look_at(pod, room_may_come=room_may_come)
            if trouble and trouble.certain:
                return Trouble(
                    trouble.pod,
                    f"the head, for which the workers wait, will not come: {trouble.text}",
                    certain=True,
                )
    return None


def _nothing_known(view: NamespaceView, target: GroupTarget) -> str:
    if told := suspended(target, view.ray_cluster(target.cluster)):
        return told
    if not view.pods(target.cluster):
        return f"the operator has made no pods; does one run, and does it watch namespace {target.namespace}?"
    return "the pods are still starting"
