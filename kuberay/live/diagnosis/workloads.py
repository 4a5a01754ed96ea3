"""What a RayJob or a RayService says of itself. Pure: the Kubernetes object in (as a
plain dict), a verdict out.
"""

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass

from kuberay.facts.objects import Object, condition, has_condition, schedule_of
from kuberay.facts.phrases import one_line

#: Ray sends whole tracebacks; what went wrong stands at their end.
_LONGEST_MESSAGE = 600
#: Of the log Ray keeps ten lines in the message, and these are its advice and the pod's
#: processes (2.46).
_ADVICE_ON_MEMORY = "ray-oom-prevention"
_OUT_OF_MEMORY = (
    "OutOfMemoryError: Ray's memory monitor killed a task, as its pod came close to the memory limit; "
    "raise the pod's memory or let fewer tasks run on it at a time (more num_cpus for each)"
)
#: Serve starts replicas that die anew; an application that stays unhealthy for this
#: long, in seconds, is given up.
_UNHEALTHY_GRACE = 30.0


@dataclass(frozen=True)
class Verdict:
    """How a workload stands, and whether waiting any longer makes sense."""

    text: str
    good: bool = False
    """It is as it should be: the wait is over."""
    failed: bool = False
    """It went wrong for good, once it has been so for ``grace`` seconds."""
    grace: float = 0
    cluster: str | None = None
    """The RayCluster whose pods it still waits for, or which serves."""
    queued: bool = False
    """A queue holds it back; the text says where it stands in it."""


def job_verdict(job: Object) -> Verdict:
    """What has become of a RayJob (KubeRay 1.3.0 to 1.7.0)."""
    status: Object = job.get("status") or {}
    deployment, ray = str(status.get("jobDeploymentStatus") or ""), str(status.get("jobStatus") or "")
    reason, message = str(status.get("reason") or ""), _explained(status.get("message"))
    # KubeRay adds this seconds after Ray has said why, and it says no more.
    cause = ": ".join(part for part in ("" if reason == "AppFailed" and message else reason, message) if part)
    if deployment == "Complete" and ray == "SUCCEEDED":
        return Verdict("SUCCEEDED", good=True)
    # The try that failed is counted, and its status kept, until the cluster of the next
    # one is made.
    if deployment == "Retrying":
        return Verdict("failed and is tried again" + (f": {cause}" if cause else ""))
    # KubeRay holds its own "Failed" back until the submitter has given up, three times;
    # that Ray's job failed is final before.
    tries = int(job["spec"].get("backoffLimit") or 0) - int(status.get("failed") or 0)
    if deployment in ("Failed", "ValidationFailed") or (ray == "FAILED" and tries <= 0):
        return Verdict(cause or "it gives no reason", failed=True)
    if deployment == "Complete":
        return Verdict(f"ended as {ray or 'nothing'}" + (f": {cause}" if cause else ""), failed=True)
    if deployment in ("Suspending", "Suspended"):
        return Verdict("is suspended")
    if deployment == "Initializing":
        name = str(status.get("rayClusterName") or "")
        return Verdict(f"waits for its cluster {name}", cluster=name or None)
    return Verdict(ray or deployment or "the operator has not taken it up yet")


def schedule_text(schedule: Object, run: Object | None) -> str:
    """How a RayCronJob stands, and what has become of the newest RayJob that it has
    made.
    """
    text = "suspended" if schedule["spec"].get("suspend") else f"runs at {schedule_of(schedule['spec'])}"
    if run is None:
        return f"{text}; no run yet"
    return f"{text}; its last run {run['metadata']['name']}: {job_verdict(run).text}"


def service_verdict(service: Object, applications: Set[str]) -> Verdict:
    """How a RayService stands that is to run these applications (KubeRay 1.3.0 to
    1.7.0).
    """
    status: Object = service.get("status") or {}
    ready = condition(service, "Ready")
    active: Object = status.get("activeServiceStatus") or {}
    pending: Object = status.get("pendingServiceStatus") or {}
    upgrading = bool(pending.get("rayClusterName"))
    newest = pending if upgrading else active
    cluster = str(newest.get("rayClusterName") or "")
    found: dict[str, Object] = newest.get("applicationStatuses") or {}

    if ready.get("reason") in ("ValidationFailed", "InitializingTimeout"):  # KubeRay 1.6
        return Verdict(f"{ready['reason']}: {shortened(ready.get('message'))}", failed=True)
    for kind, grace in (("DEPLOY_FAILED", 0.0), ("UNHEALTHY", _UNHEALTHY_GRACE)):
        for name, application in found.items():
            if application.get("status") == kind:
                return Verdict(f"application {name} is {kind}: {_why(application)}", failed=True, grace=grace)
    running = {name for name, application in found.items() if application.get("status") == "RUNNING"}
    if upgrading or running != set(found) or running != applications:
        if not found:
            text = f"waits for its cluster {cluster}" if cluster else "the operator has not taken it up yet"
            return Verdict(text, cluster=cluster or None)
        text = f"its applications: {', '.join(_states(found, applications))}"
        if "trafficRoutedPercent" in pending:  # Of an incremental upgrade.
            text += f"; {pending['trafficRoutedPercent']} % of the requests go to {cluster}"
        return Verdict(text, cluster=cluster)
    if not has_condition(service, "Ready") or has_condition(service, "UpgradeInProgress"):
        return Verdict("its applications run, and no pod takes requests yet")
    return Verdict("Ready", good=True, cluster=cluster)


def operator_has_seen(workload: Object) -> bool:
    """Whether the operator says that its status is about the spec as it is now."""
    return int((workload.get("status") or {}).get("observedGeneration") or 0) >= int(
        workload["metadata"].get("generation") or 0
    )


def shortened(message: object) -> str:
    """One line, and no more than the end of a long message."""
    text = one_line(message)
    return text if len(text) <= _LONGEST_MESSAGE else "… " + text[-_LONGEST_MESSAGE:]


def _explained(message: object) -> str:
    """A job's message; Ray's advice on one error is so long that of the error's own
    words nothing is left in it.
    """
    return _OUT_OF_MEMORY if _ADVICE_ON_MEMORY in str(message) else shortened(message)


def with_last_lines(text: str, lines: Iterable[str]) -> str:
    """A cause, and what the log adds to it: Ray's own message of a failed job mostly
    holds the log's end already.
    """
    added = [said for line in lines if (said := one_line(line)) and said not in text]
    return f"{text}; its last lines: {' | '.join(added)}" if added else text


def _why(application: Object) -> str:
    deployments: dict[str, Object] = application.get("serveDeploymentStatuses") or {}
    parts = [shortened(application.get("message"))]
    parts += [
        f"{name}: {shortened(each.get('message'))}"
        for name, each in deployments.items()
        if each.get("status") == "UNHEALTHY"
    ]
    return "; ".join(part for part in parts if part) or "it gives no reason"


def _states(found: dict[str, Object], wanted: Set[str]) -> Iterator[str]:
    for name in sorted(wanted | set(found)):
        yield f"{name} {(found.get(name) or {}).get('status') or 'not there yet'}" + (
            "" if name in wanted else " (to go)"
        )
