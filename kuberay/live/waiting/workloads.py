"""Waits for jobs and services, and fails with the cause as soon as it is certain.

Like the wait for pods, it runs in resource hooks of the program, so only while `up`
changes something, and looks at the cluster as it is.
"""

from collections.abc import Callable
from functools import partial

from lightkube import AsyncClient
from lightkube.resources.core_v1 import Pod

from kuberay.facts.labels import JOB_LABEL, SCHEDULE_LABEL
from kuberay.facts.objects import Object
from kuberay.facts.phrases import Report
from kuberay.live.api.client import find, find_all, log_end
from kuberay.live.api.connection import Connection
from kuberay.live.api.kinds import Kind, RayCronJob, RayJob, RayService
from kuberay.live.diagnosis.diagnoser import Diagnoser
from kuberay.live.diagnosis.pods import Trouble, cluster_trouble, is_going, is_over
from kuberay.live.diagnosis.queue import held_in_queue
from kuberay.live.diagnosis.workloads import (
    Verdict,
    job_verdict,
    operator_has_seen,
    service_verdict,
    with_last_lines,
)
from kuberay.live.wait_loop import Look, every, wait
from kuberay.live.waiting.targets import WorkloadTarget
from kuberay.live.watch import NamespaceView, namespace_view

#: KubeRay looks at Serve every 2 s, hands over a new config after it has looked, and
#: calls its status up to date all the same: what it says of the applications is about
#: the new config from the round after that (1.3.0 to 1.7.0, `reconcileServe`).
_SERVE_ROUNDS = 5.0
_LOOK_AGAIN = 1.0
_MAKE_ANEW = ", though the state has it; `pulumi up --refresh` makes it anew"
#: The operator is silent about a schedule that it takes, and reports one that it
#: refuses at once: this long a silence, in seconds, means that it has taken it.
_TAKEN = 3.0


async def wait_for_job(connection: Connection, target: WorkloadTarget, report: Report) -> None:
    """Ends when the job has succeeded.

    Raises:
        NotUpError: with the job's own message and last log lines, or with what keeps
            its cluster from coming up.
    """
    await _wait(connection, target, RayJob, job_verdict, report, settled=0)


async def wait_for_schedule(connection: Connection, target: WorkloadTarget, report: Report) -> None:
    """Ends when the operator has refused nothing of a RayCronJob, and waits for no run
    of it.

    Raises:
        NotUpError: with what the operator says against it.
    """
    what = f"schedule of job {target.name}"
    view = namespace_view(connection, target.namespace)
    diagnoser = Diagnoser(view.client, target.namespace)

    async def look() -> Look:
        schedule = await find(view.client, RayCronJob, target.name, target.namespace)
        if schedule is None:
            return Look(failed=f"{what}: there is no such RayCronJob{_MAKE_ANEW}")
        trouble = await diagnoser.said_by_operator(schedule, room_may_come=False)
        if trouble is not None and trouble.certain:
            return Look(failed=f"{what}: {trouble.line}")
        return Look(up=diagnoser.lasts("there", _TAKEN), progress="the operator looks at it")

    await wait(
        look, what=what, so_far="not taken", timeout=target.timeout, report=report, pause=every(_LOOK_AGAIN)
    )


async def look_at_schedule(
    view: NamespaceView, target: WorkloadTarget, diagnoser: Diagnoser
) -> tuple[Object | None, Trouble | None, Object | None]:
    """A RayCronJob if there is one, what the operator says against it, and the newest
    RayJob that it has made.
    """
    schedule = await find(view.client, RayCronJob, target.name, target.namespace)
    if schedule is None:
        return None, None, None
    runs = await _oldest_first(view.client, RayJob, target, SCHEDULE_LABEL)
    trouble = await diagnoser.said_by_operator(schedule, room_may_come=False)
    return schedule, trouble, runs[-1] if runs else None


async def wait_for_service(
    connection: Connection, target: WorkloadTarget, applications: frozenset[str], report: Report
) -> str:
    """Ends when all applications of the newest config run, on the newest cluster, and
    requests get to them; returns that cluster's name.

    Raises:
        NotUpError: with the application's own message, or with what keeps its cluster
            from coming up.
    """
    judge = partial(service_verdict, applications=applications)
    good = await _wait(connection, target, RayService, judge, report, settled=_SERVE_ROUNDS)
    return good.cluster or ""


async def _wait(
    connection: Connection,
    target: WorkloadTarget,
    kind: Kind,
    judge: Callable[[Object], Verdict],
    report: Report,
    *,
    settled: float,
) -> Verdict:
    what = f"{'job' if kind is RayJob else 'service'} {target.name}"
    view = namespace_view(connection, target.namespace)
    await view.until_listed(target.timeout)
    diagnoser = Diagnoser(view.client, target.namespace)
    verdict = Verdict("")

    async def look() -> Look:
        nonlocal verdict
        workload, verdict, trouble = await look_at_workload(view, kind, judge, target, diagnoser)
        if workload is None:
            return Look(failed=f"{what}: {verdict.text}{_MAKE_ANEW}")
        if verdict.queued:
            return Look(queued=verdict.text)
        progress = verdict.text + (f": {trouble.line}" if trouble else "")
        # A status from before the last change says nothing, neither good nor bad.
        if settled and not (operator_has_seen(workload) and diagnoser.lasts("seen", settled)):
            return Look(progress=progress)
        failed = None
        if verdict.failed and diagnoser.lasts(verdict.text, verdict.grace):
            failed = f"{what} failed: {await why_it_failed(view.client, kind, target, verdict)}"
        # Until the operator has come to the new spec, these may be the pods of a
        # cluster that it is about to take away.
        elif trouble is not None and trouble.certain:
            failed = f"{what}: {trouble.line}"
        return Look(up=verdict.good, failed=failed, progress=progress)

    await wait(
        look,
        what=what,
        so_far="not over",
        timeout=target.timeout,
        queue_timeout=target.queue_timeout,
        report=report,
        pause=every(_LOOK_AGAIN),
    )
    return verdict


async def look_at_workload(
    view: NamespaceView,
    kind: Kind,
    judge: Callable[[Object], Verdict],
    target: WorkloadTarget,
    diagnoser: Diagnoser,
) -> tuple[Object | None, Verdict, Trouble | None]:
    """A RayJob or RayService if there is one, what it says of itself, and what keeps
    the pods that it still waits for from being ready.
    """
    workload = await find(view.client, kind, target.name, target.namespace)
    verdict = judge(workload) if workload is not None else Verdict(f"there is no such {kind.__name__}")
    trouble = None
    if workload is not None and not verdict.good and (queued := await held_in_queue(view.client, workload)):
        return workload, Verdict(queued, queued=True), None
    if not verdict.good and not verdict.failed:
        trouble = await _trouble(view, target, verdict, diagnoser, submitter=kind is RayJob)
        if trouble is None and workload is not None:
            trouble = await diagnoser.said_by_operator(workload, room_may_come=False)
    return workload, verdict, trouble


async def why_it_failed(client: AsyncClient, kind: Kind, target: WorkloadTarget, verdict: Verdict) -> str:
    """A failed verdict's text, with what a job's log adds to it."""
    return with_last_lines(verdict.text, await _last_lines(client, target) if kind is RayJob else [])


async def _trouble(
    view: NamespaceView, target: WorkloadTarget, verdict: Verdict, diagnoser: Diagnoser, *, submitter: bool
) -> Trouble | None:
    """What keeps the pods that it still waits for from being ready, the
    certain first.
    """
    pods = view.pods(verdict.cluster) if verdict.cluster else []
    if submitter and not pods:
        pods = await _oldest_first(view.client, Pod, target, JOB_LABEL)
    alive = [pod for pod in pods if not is_going(pod) and not is_over(pod)]
    first = await diagnoser.look_at_all(alive, room_may_come=any(is_going(pod) for pod in pods))
    if first and not first.from_event:
        return first
    cluster = view.ray_cluster(verdict.cluster) if verdict.cluster else None
    message = cluster_trouble(cluster) if cluster else None
    if cluster and not message and not alive:
        return await diagnoser.said_by_operator(cluster, room_may_come=False) or first
    if not message:
        return first
    return diagnoser.refused(str(verdict.cluster), message, room_may_come=False)


async def _oldest_first(client: AsyncClient, kind: Kind, target: WorkloadTarget, label: str) -> list[Object]:
    """What carries the target's name under a label: a job's submitters, a schedule's
    runs.
    """
    found = await find_all(client, kind, namespace=target.namespace, labels={label: target.name})
    return sorted(found, key=lambda each: str(each["metadata"]["creationTimestamp"]))


async def _last_lines(client: AsyncClient, target: WorkloadTarget) -> list[str]:
    """The end of the job's log, from the pod that submitted it; nothing in HTTPMode,
    where Ray's message holds it.
    """
    for pod in reversed(await _oldest_first(client, Pod, target, JOB_LABEL)):
        lines = await log_end(client, pod["metadata"]["name"], target.namespace)
        if any(line.strip() for line in lines):
            return lines
    return []
