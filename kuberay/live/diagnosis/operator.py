"""What KubeRay's operator says in events of a RayCluster, a RayJob or a RayService that
it cannot bring about. Pure.

Its own rules and what the API server answers to it stand there and nowhere else: a
Service whose name is taken leaves no other trace.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from kuberay.facts.objects import Object
from kuberay.facts.phrases import one_line
from kuberay.live.diagnosis.pods import Trouble, happened_at, refused_for_good, to_the_second

#: Reasons of events by which the operator refuses an object itself: it does nothing
#: more until the object changes.
_REFUSES = "Invalid"
#: And by which it could not make what it needs (KubeRay 1.3.0 to 1.7.0, `constant.go`).
#: What became of pods stands in a condition.
_COULD_NOT_MAKE = "FailedToCreate"
_OF_PODS = ("FailedToCreateHeadPod", "FailedToCreateWorkerPod")
_LACKS = ("AutoscalerServiceAccountNotFound", "RayClusterNotFound")


def operator_trouble(obj: Object, events: Iterable[Object]) -> Trouble | None:
    """The last that the operator says against an object as it is now.

    Args:
        obj: the RayCluster, RayJob or RayService.
        events: of it, in any order. Those from before the last change of its spec are
            of no interest.

    Returns:
        It is certain where the operator will not try again; `will_last` says the same
        of what it tries in vain.
    """
    since = _changed_at(obj)
    recent = [event for event in events if happened_at(event) >= since]
    made = {
        str(event.get("reason")): happened_at(event)
        for event in sorted(recent, key=happened_at)
        if event.get("type") == "Normal"
    }
    told = [event for event in recent if _is_telling(event) and not _came_about(event, made)]
    # The API server lists the oldest of a second first.
    last = max(reversed(told), key=happened_at, default=None)
    if last is None:
        return None
    reason = str(last["reason"])
    text = f"KubeRay's operator says of {obj['metadata']['name']}: {reason}: {one_line(last.get('message'))}"
    return Trouble("", text, certain=reason.startswith(_REFUSES))


def will_last(trouble: Trouble) -> bool:
    """Whether the operator would be told the same each time that it tries: a name that
    is taken, a rule of the API server.
    """
    return refused_for_good(trouble.text) or (
        "FailedToCreateService:" in trouble.text and "already exists" in trouble.text
    )


def _is_telling(event: Object) -> bool:
    reason = str(event.get("reason"))
    return (
        event.get("type") == "Warning"
        and reason not in _OF_PODS
        and reason.startswith((_REFUSES, _COULD_NOT_MAKE, *_LACKS))
    )


def _came_about(event: Object, made: Mapping[str, str]) -> bool:
    """Whether the operator has made since what it could not make."""
    reason = str(event["reason"])
    return made.get(reason.replace(_COULD_NOT_MAKE, "Created"), "") >= happened_at(event)


def _changed_at(obj: Object) -> str:
    """When the object's spec was last written, by the API server's own clock."""
    written: list[Mapping[str, Any]] = obj["metadata"].get("managedFields") or []
    times = [to_the_second(each.get("time")) for each in written if "f:spec" in (each.get("fieldsV1") or {})]
    return max([*times, to_the_second(obj["metadata"].get("creationTimestamp"))])
