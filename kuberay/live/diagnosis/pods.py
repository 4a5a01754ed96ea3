"""What pods tell about why Ray is not up. Pure: Kubernetes objects in (as plain dicts),
a verdict out.

A cause is certain when waiting longer cannot help: then `up` fails at once, with that
cause. Anything else is progress until the stack's timeout. KubeRay itself names no
cause: a failing pod leaves `.status.state` of the RayCluster empty (1.3.0 to 1.7.0).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kuberay.facts.labels import ARCHITECTURE_LABEL
from kuberay.facts.objects import Object, condition, has_condition, value_at
from kuberay.facts.phrases import one_line

#: A registry's final word, as opposed to a network that may come back.
_IMAGE_WILL_NOT_COME = re.compile(
    r"not found|manifest unknown|unauthorized|denied|forbidden|no match for platform"
    r"|does not exist|invalid reference|authentication required",
    re.IGNORECASE,
)
#: What the scheduler adds about claims and preemption says nothing about the want.
_PREEMPTION = re.compile(r"\.? (?:no new claims to deallocate|preemption: )")
#: KubeRay starts Ray with `ulimit -n 65536`, which many container runtimes refuse and
#: Ray does without.
_SAID_BY_EVERY_POD = re.compile(r"ulimit: open files: cannot modify limit")
#: What Python prints at the end of a traceback.
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit)\b: ")
#: The kubelet evicts a pod for what it uses of its own ephemeral storage or of a
#: volume.
_BEYOND_ITS_OWN_LIMIT = re.compile(r"exceeds the (?:total )?limit")
_FAILURES_TO_BE_CERTAIN = 3
#: What the API server says where it refuses an object by a rule of its own, a policy's
#: or an admission webhook's.
_REFUSED_BY_RULE = ("exceeded quota", "is invalid", "forbidden", "violates PodSecurity", "denied the request")
#: A pod that KubeRay wanted to delete, and that `up` had deleted already.
_GONE_BEFORE = re.compile(r"FailedDelete\w+ pods .* not found$")
#: What gives a container more memory, by its name; Ray's own and those that KubeRay
#: adds.
_MORE_MEMORY = {
    "ray-head": "raise memory",
    "ray-worker": "raise memory",
    "autoscaler": "raise autoscaling.memory",
    "wait-gcs-ready": (
        'KubeRay fixes it; `operator.values.env: [{name: ENABLE_INIT_CONTAINER_INJECTION, value: "false"}]`'
        " leaves this container out"
    ),
    "ray-job-submitter": "`submissionMode: HTTPMode` does without it",
}
_IMAGE_REASONS = "ErrImagePull ImagePullBackOff InvalidImageName ErrImageNeverPull ImageInspectError".split()


@dataclass(frozen=True)
class Trouble:
    """Something that keeps a pod from being ready."""

    pod: str
    """Which; empty where it is none."""
    text: str
    certain: bool = False
    """Whether waiting longer cannot help."""
    crashed_container: str | None = None
    """The container whose last log lines say more."""
    unschedulable: bool = False
    waits_for_head: bool = False
    from_event: bool = False
    """Only an event tells it; whatever else is known says more."""

    @property
    def rank(self) -> tuple[bool, bool]:
        """What is to be told first is the least."""
        return not self.certain, self.from_event

    @property
    def line(self) -> str:
        return f"pod {self.pod}: {self.text}" if self.pod else self.text


def is_ready(pod: Object) -> bool:
    return has_condition(pod, "Ready")


def is_going(pod: Object) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def is_over(pod: Object) -> bool:
    """Succeeded and Failed pods never run again; KubeRay makes new ones."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def has_failed(pod: Object) -> bool:
    return pod.get("status", {}).get("phase") == "Failed"


def pod_trouble(pod: Object) -> Trouble | None:
    """What keeps one pod from being ready, None where it is just starting."""
    name = str(pod["metadata"]["name"])
    status: Object = pod.get("status") or {}
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        message = one_line(scheduled.get("message") or scheduled.get("reason"))
        return Trouble(name, f"unschedulable: {_PREEMPTION.split(message)[0]}", unschedulable=True)
    if has_failed(pod):
        what = "evicted" if status.get("reason") == "Evicted" else "failed"
        why = one_line(status.get("message") or status.get("reason") or "no reason given")
        return Trouble(name, f"{what}: {why}")
    for container in statuses_of(pod):
        if trouble := _container_trouble(name, pod, container):
            return trouble
    for container in status.get("initContainerStatuses") or []:
        # KubeRay's own init container: a worker starts when the head answers.
        if container["name"] == "wait-gcs-ready" and "running" in (container.get("state") or {}):
            return Trouble(name, "waits for the head", waits_for_head=True)
    return None


def _container_trouble(pod_name: str, pod: Object, container: Object) -> Trouble | None:
    state: Object = container.get("state") or {}
    waiting: Object = state.get("waiting") or {}
    reason = str(waiting.get("reason") or "")
    name = str(container["name"])
    if reason in _IMAGE_REASONS:
        message = one_line(waiting.get("message"))
        final = reason in ("InvalidImageName", "ErrImageNeverPull")
        certain = final or bool(_IMAGE_WILL_NOT_COME.search(message))
        image = container.get("image") or _image(pod, name)
        return Trouble(pod_name, f"image {image} cannot be pulled ({reason}): {message}", certain)
    if reason in ("CreateContainerConfigError", "CreateContainerError", "RunContainerError"):
        message = one_line(waiting.get("message"))
        certain = "exec format error" in message or "not found" in message
        return Trouble(pod_name, f"container {name} cannot be made: {message}", certain)
    ended: Object = state.get("terminated") or (container.get("lastState") or {}).get("terminated") or {}
    if not ended or ended.get("exitCode") == 0 or container.get("ready"):
        return None
    looping = reason == "CrashLoopBackOff"
    message = one_line(ended.get("message"))
    if "exec format error" in message:
        return Trouble(pod_name, _wrong_architecture(pod, name), certain=True)
    if ended.get("reason") == "OOMKilled":
        limit = value_at(_spec_of(pod, name), ("resources", "limits", "memory")) or "?"
        advice = _MORE_MEMORY.get(name, "raise its limit in `values`")
        text = f"OOMKilled: container {name} needed more than its memory limit of {limit}; {advice}"
        return Trouble(pod_name, text, certain=looping)
    text = f"container {name} crashed with exit code {ended.get('exitCode')}"
    text += f": {message}" if message else ""
    return Trouble(pod_name, text, certain=looping, crashed_container=name)


def starting_trouble(pod: Object, events: Iterable[Object]) -> Trouble | None:
    """What the last event of a pod tells whose status tells nothing: a volume that is
    not there, a probe that fails, an image on its way.

    Never certain: whoever looks at events alone sees tries, which may still succeed.
    """
    # Times are in whole seconds, and the API server lists the oldest first.
    last = max(reversed(list(events)), key=happened_at, default=None)
    if last is None or (last.get("type") != "Warning" and last.get("reason") != "Pulling"):
        return None
    said = one_line(last.get("message")).rstrip(": ")
    return Trouble(pod["metadata"]["name"], f"{last.get('reason')}: {said}", from_event=True)


def happened_at(event: Object) -> str:
    """When an event last did, ``2026-11-27T18:30:05``; the scheduler notes it in other
    fields than the kubelet and the operator.
    """
    times = (
        event.get("lastTimestamp"),
        (event.get("series") or {}).get("lastObservedTime"),
        event.get("eventTime"),
    )
    return max(to_the_second(time) for time in (*times, event["metadata"].get("creationTimestamp")))


def to_the_second(time: object) -> str:
    """A time of the API server's, of which most are in whole seconds."""
    return str(time or "")[:19].replace(" ", "T")


def failed_pods_trouble(failed: Sequence[Object]) -> Trouble | None:
    """What the pods of a group that have failed so far tell, the last one of them last;
    KubeRay makes new ones, which may fare alike.
    """
    trouble = pod_trouble(failed[-1]) if failed else None
    if trouble is None or len(failed) == 1:
        return trouble
    # What a pod uses beyond its own limit it will use again; a node that runs short of
    # something may recover.
    certain = len(failed) >= _FAILURES_TO_BE_CERTAIN and bool(_BEYOND_ITS_OWN_LIMIT.search(trouble.text))
    return Trouble(trouble.pod, f"{trouble.text} (as {len(failed) - 1} before it)", certain)


def with_logs(trouble: Trouble, pod: Object, lines: Sequence[str]) -> Trouble:
    """The same trouble, with what the container's last log lines add to it."""
    assert trouble.crashed_container is not None
    if any("exec format error" in line for line in lines):
        return Trouble(trouble.pod, _wrong_architecture(pod, trouble.crashed_container), certain=True)
    said = " | ".join(telling(lines))
    text = f"{trouble.text}; its last lines: {said}" if said else trouble.text
    return Trouble(trouble.pod, text, trouble.certain)


def telling(lines: Sequence[str]) -> list[str]:
    """The lines of a log's end that say why: of a Python traceback its last part, and
    nothing that every Ray pod says at its start.
    """
    said = [one_line(line) for line in lines if line.strip() and not _SAID_BY_EVERY_POD.search(line)]
    raised = next((number for number, line in reversed(list(enumerate(said))) if _EXCEPTION.match(line)), 0)
    return said[raised:]


def _wrong_architecture(pod: Object, container: str) -> str:
    node = pod["spec"].get("nodeSelector", {}).get(ARCHITECTURE_LABEL, "another architecture")
    return (
        f"exec format error: image {_image(pod, container)} is not for this node's architecture ({node});"
        " check architecture and image"
    )


# --- The RayCluster itself ------------------------------------------------------------


def cluster_trouble(cluster: Object) -> str | None:
    """Why KubeRay could not make pods: a quota, a refused pod template (condition
    `ReplicaFailure`, KubeRay 1.3).
    """
    if not has_condition(cluster, "ReplicaFailure"):
        return None
    failure = condition(cluster, "ReplicaFailure")
    message = one_line(failure.get("message") or failure.get("reason"))
    return None if _GONE_BEFORE.match(message) else message


def refused_for_good(message: str) -> bool:
    """Whether the API server refused the pod by rule: asking again will not change its
    mind.
    """
    return any(words in message for words in _REFUSED_BY_RULE)


def _image(pod: Object, container: str) -> str:
    return str(_spec_of(pod, container).get("image", "?"))


def _spec_of(pod: Object, container: str) -> Object:
    specs = [*(pod["spec"].get("initContainers") or []), *pod["spec"]["containers"]]
    return next((each for each in specs if each["name"] == container), {})


def statuses_of(pod: Object) -> list[Object]:
    """Of a pod's containers, in the order in which they run."""
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
