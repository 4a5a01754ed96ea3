"""What is wrong, from what there is. Pure: the state and Kubernetes objects in (as
plain dicts), findings out.

What pods, jobs and services tell is read where `up` reads it (kuberay/live/diagnosis/);
here is the rest.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from commands.doctor.finding import Finding
from kuberay.facts.images import NODE_ARCHITECTURE
from kuberay.facts.labels import ARCHITECTURE_LABEL
from kuberay.facts.objects import Object, conditions_of
from kuberay.facts.phrases import one_line
from kuberay.facts.quantities import parse_quantity
from kuberay.facts.scheduling import labels_of
from kuberay.live.crds.upgrade import is_stale
from kuberay.live.diagnosis.pods import Trouble, is_going
from kuberay.live.takeover.marks import Record
from kuberay.live.takeover.rules import RecoveryError, before_install, before_upgrade, how_to_make_anew
from kuberay.plan.pods import group_architecture
from kuberay.plan.stack import Adopted
from kuberay.plan.workload_clusters import workload_cluster_settings
from kuberay.settings.stack import StackSettings

_GO_ON = "if it was killed, `pulumi cancel`, then `pulumi up` goes on from there"
_DESTROY_GOES_ON = "if it was killed, `pulumi cancel`, then `make destroy` goes on from there"

#: What to do about a pod's trouble, by how its line begins
#: (kuberay/live/diagnosis/pods.py).
_REMEDIES = {
    "unschedulable": "ask for less or add nodes, then `pulumi up`",
    "image": "name an image that the registry has, or give access with imagePullSecrets, then `pulumi up`",
    "exec format error": "then `pulumi up`",
    "OOMKilled": "then `pulumi up`",
    "refused by the API server": "make room or change the settings, then `pulumi up`",
    "FailedMount": (
        "make the Secret, ConfigMap or claim that it names, or leave out the volume, then `pulumi up`"
    ),
    "Unhealthy": "wait while it starts; else its log says more: `kubectl logs` of the pod",
    "waits for the head": "see to the head first",
    "container": "repair what its message names, then `pulumi up`",
}


def remedy(trouble: Trouble | None) -> str:
    """What to do about a pod's trouble, if there is any."""
    text = trouble.text if trouble else ""
    return next((what for start, what in _REMEDIES.items() if text.startswith(start)), "")


def pending_operations(deployment: Mapping[str, Any]) -> Iterator[Finding]:
    """What killed runs left in the state (below `deployment` of `pulumi
    stack export`).
    """
    there = {resource["urn"] for resource in deployment.get("resources") or []}
    good: list[str] = []
    for operation in deployment.get("pending_operations") or []:
        urn, doing = str(operation["resource"]["urn"]), str(operation["type"])
        *_, kind, name = urn.split("::")
        named = f"{kind.rsplit(':', 1)[-1]} {name}"
        if doing == "creating" and urn in there:
            good.append(named)
        else:
            text = f"a run goes on, or was killed, while {doing} {named}"
            go_on = _DESTROY_GOES_ON if doing == "deleting" else _GO_ON
            yield Finding("wrong", "pending operation", text, go_on)
    if good:
        text = f"a killed run was creating {', '.join(good)}, which a later one has made"
        forget = "`pulumi refresh --clear-pending-creates` makes Pulumi forget it"
        yield Finding("warning", "pending operation", text, forget)


def helm_release(
    name: str,
    records: Sequence[Record],
    stack: str,
    *,
    in_state: bool,
    wanted: bool,
    adopted: Adopted | None = None,
) -> Finding:
    """How a Helm release is.

    Args:
        name: of the release.
        records: what there is of a release of this name.
        stack: this stack, as `<project>/<stack>`.
        in_state: whether the stack has made it.
        wanted: whether the settings ask for it.
        adopted: what the settings say of it where it was made by hand.
    """
    what = f"Helm release {name}"
    newest = max(records, key=lambda record: record.revision, default=None)
    told = f"{newest.status}, revision {newest.revision}" if newest else ""
    if in_state and newest and newest.status == "uninstalling":
        go_on = f"{_DESTROY_GOES_ON}, or {how_to_make_anew(name)}"
        return Finding("wrong", what, f"{told}: a run goes on, or was killed", go_on)
    try:
        if in_state:
            before_upgrade(name, records)
        elif newest is None:
            return Finding("wrong", what, "is not installed yet", "`pulumi up`")
        else:
            before_install(name, records, stack, newest.values, adopted=adopted)
            if newest.stack is None:
                text = f"{told}: it was made by hand, and the stack has yet to take it over"
                return Finding("warning", what, text, "`pulumi up`")
            text = "a killed run left it, and the stack does not know it"
            return Finding("wrong", what, text, "`pulumi up` takes it over")
    except RecoveryError as error:
        return Finding("wrong", what, str(error).removeprefix(f"{what} "))
    assert newest is not None
    if newest.stack != stack:
        owner = f"stack {newest.stack}" if newest.stack else "no stack"
        text = f"was replaced by one of {owner}"
        return Finding("wrong", what, text, "choose another name for one of them")
    if newest.status.startswith("pending-"):
        return Finding("wrong", what, f"{told}: a run goes on, or was killed", _GO_ON)
    if newest.status != "deployed":
        return Finding("wrong", what, told, "`pulumi up` tries again")
    if not wanted:
        return Finding("warning", what, "the settings do not ask for it any more", "`pulumi up` removes it")
    return Finding("ok", what, told)


def crds(versions: Mapping[str, str | None], version: str, was: str) -> Finding:
    """Whether the CRDs are of the operator's version.

    Args:
        versions: the version that each was brought to, if it was, by name.
        version: the one that the settings ask for.
        was: the one that the operator's release is of.
    """
    stale = [name for name, found in versions.items() if is_stale(found, version, was)]
    if not stale:
        # Newer ones may be another operator's, and this one gets on with them.
        newer = sorted({found for found in versions.values() if found} - {version})
        beside = f" or newer ({', '.join(newer)})" if newer else ""
        return Finding("ok", "CRDs", f"of KubeRay {version}{beside}")
    remedy = "`pulumi up` brings them to it"
    if was == version:
        # Someone took them back. `up` looks at them only before the operator's release
        # changes (components/operator.py).
        remedy = f"{remedy} when the operator changes: set another `operator.memory` first"
    return Finding("wrong", "CRDs", f"{', '.join(stale)} are not of KubeRay {version}", remedy)


def namespace(name: str, found: Object | None, *, in_state: bool) -> Finding:
    """How the stack's namespace is; ``found`` is None where there is none
    of the name.
    """
    what = f"namespace {name}"
    if found is None:
        if in_state:
            text = "was deleted by hand, with all that was in it"
            return Finding("wrong", what, text, "`pulumi up --refresh` makes it again")
        make_it = "`pulumi up` makes it; with `createNamespace: false`, you have to"
        return Finding("wrong", what, "is not there yet", make_it)
    if is_going(found):
        waits = [
            one_line(c.get("message"))
            for c in conditions_of(found)
            if c.get("status") == "True" and "Remaining" in str(c.get("type"))
        ]
        text = "is being deleted" + (f": {'; '.join(waits)}" if waits else "")
        wait = "wait until it is gone, then `pulumi up --refresh`; finalizers of Ray's wait for an operator"
        return Finding("wrong", what, text, wait)
    return Finding("ok", what, "is there")


def nodes(
    found: Sequence[Object], settings: StackSettings | None, *, more_may_come: bool
) -> Iterator[Finding]:
    """Whether there are nodes for the stack's pods."""
    troubled = {node["metadata"]["name"]: why for node in found if (why := _not_ready(node))}
    for name, why in list(troubled.items())[:5]:
        yield Finding("warning", f"node {name}", why, f"`kubectl describe node {name}` says more")
    mark = "warning" if more_may_come else "wrong"
    if len(troubled) == len(found):
        yield Finding(mark, "nodes", f"none of {len(found)} is ready", "add or repair nodes")
    there = {labels_of(node).get(ARCHITECTURE_LABEL) for node in found}
    for architecture, group in _architectures(settings).items() if settings else ():
        if architecture not in there:
            text = (
                f"none is {architecture} ({ARCHITECTURE_LABEL}), which {group} asks for; there are:"
                f" {', '.join(sorted(map(str, there)))}"
            )
            yield Finding(mark, "nodes", text, "set `architecture` to that of the nodes, or add such nodes")
    if not troubled and found:
        yield Finding("ok", "nodes", f"{len(found)} ready")


def _architectures(settings: StackSettings) -> dict[str, str]:
    """Node architectures that the stack needs, and for each the first group of pods."""
    wanted: dict[str, str] = {}
    clusters = {
        f"clusters.{name}": cluster for name, cluster in settings.clusters.items()
    } | workload_cluster_settings(settings)
    for what, cluster in clusters.items():
        groups = {
            "head": cluster.head,
            **({"worker": cluster.worker} if cluster.worker.enabled else {}),
            **cluster.additional_worker_groups,
        }
        for name, group in groups.items():
            wanted.setdefault(
                NODE_ARCHITECTURE[group_architecture(settings, cluster, group)], f"{what}.{name}"
            )
    return wanted


def _not_ready(node: Object) -> str | None:
    ready = next((c for c in conditions_of(node) if c.get("type") == "Ready"), None)
    if ready is None or ready.get("status") != "True":
        why = one_line(ready.get("message") or ready.get("reason")) if ready else "it has not reported yet"
        return f"is not ready: {why}"
    return None


def held_objects(objects: Iterable[Object], *, operator_runs: bool) -> Iterator[Finding]:
    """Objects of Ray's that are being deleted and do not go."""
    for obj in objects:
        finalizers = obj["metadata"].get("finalizers") or []
        if is_going(obj) and finalizers:
            what, since = f"{obj['kind']} {obj['metadata']['name']}", obj["metadata"]["deletionTimestamp"]
            text = f"is being deleted since {since}, held by {', '.join(finalizers)}"
            if operator_runs:
                log = "`kubectl logs deployment/kuberay-operator`"
                needs = f"the operator is at it; its log says what keeps it: {log}"
                yield Finding("warning", what, text, needs)
            else:
                needs = "start the operator, or take the stack away with `make destroy`"
                yield Finding("wrong", what, text, needs)


def quotas(found: Iterable[Object]) -> Iterator[Finding]:
    """Quotas of the namespace that leave no room."""
    for quota in found:
        status: Object = quota.get("status") or {}
        used: Mapping[str, Any] = status.get("used") or {}
        hard: Mapping[str, Any] = status.get("hard") or {}
        full = [
            f"{key} {used[key]} of {hard[key]}"
            for key in hard
            if key in used and parse_quantity(used[key]) >= parse_quantity(hard[key])
        ]
        if full:
            text = f"is used up: {', '.join(full)}"
            needs = "more pods are refused until it is raised"
            yield Finding("warning", f"quota {quota['metadata']['name']}", text, needs)
