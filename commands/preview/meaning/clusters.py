"""What happens to the pods of each Ray cluster, and why. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from commands.preview.meaning.differences import (
    ENCRYPTED_SETTING,
    Difference,
    hidden_changes,
    lines,
    shown_differences,
)
from commands.preview.meaning.pods import (
    PodsByGroup,
    pod_versions,
    pods_of_values,
    totals,
    versions,
    what_differs,
)
from commands.preview.meaning.release_values import as_shown, chart_of, comparable
from commands.preview.meaning.report import GroupChange, Level, RayChange
from commands.preview.meaning.steps import COMPONENT, WAIT_FOR, Preview, Step
from kuberay.facts.charts import RELEASE
from kuberay.facts.digests import KEY_STASH
from kuberay.facts.objects import value_at
from kuberay.facts.phrases import SECRET, and_list, counted

_LOSES_KEY = (
    "the key of the stack's fingerprints goes with the last encrypted setting; protection.sealFingerprints:"
    " true keeps it, and the pods"
)
#: Values that are of one group, or of no pod.
_NOT_SHARED = frozenset(
    """additionalWorkerGroups annotations fullnameOverride gcsFaultTolerance global head
    headServiceAnnotations image managedBy nameOverride service suspend upgradeStrategy worker""".split()
)


@dataclass(frozen=True)
class _ClusterSteps:
    release: Step | None
    groups: Mapping[str, Step]
    """Of the pods, by group."""
    otherwise: str = ENCRYPTED_SETTING
    """Why pods restart where no value shows it."""


def clusters(preview: Preview) -> list[RayChange]:
    """Every cluster that changes."""
    releases: dict[str, Step] = {}
    groups: dict[str, dict[str, Step]] = {}
    for step in preview.steps:
        if step.parents != f"{COMPONENT}RayCluster":
            continue
        if step.type == RELEASE:
            releases[step.name] = step
        elif step.type == WAIT_FOR and step.name.endswith(".pods"):
            release, _, group = step.name.removesuffix(".pods").partition(".")
            groups.setdefault(release, {})[group] = step
    loses_key = any(
        step.type == WAIT_FOR and step.name == KEY_STASH and step.operation == "delete"
        for step in preview.steps
    )
    otherwise = _LOSES_KEY if loses_key else ENCRYPTED_SETTING
    names = dict.fromkeys([*releases, *groups])
    return [
        _cluster(name, _ClusterSteps(releases.get(name), groups.get(name, {}), otherwise)) for name in names
    ]


def _cluster(name: str, steps: _ClusterSteps) -> RayChange:
    release = steps.release
    operation = release.operation if release else "update"
    values = (release.old.get("values"), release.new.get("values")) if release else (None, None)
    shown, (old, new) = as_shown(*values), comparable(*values)
    # What is encrypted on one side differs from the other in nothing that is known.
    is_hidden = SECRET in values
    ray = [str(value_at(side, ("head", "rayVersion")) or "") for side in (old, new)]
    before, after = pods_of_values(new if operation == "adopt" else old), pods_of_values(new)
    found = shown_differences(old, new)
    secrets = hidden_changes(release.old, release.new, release.changed) if release else []
    groups = _groups(steps, before or {}, after or {}, found, _places(old, new))
    change = RayChange(
        kind="cluster",
        name=name,
        operation=operation,
        headline="",
        groups=groups,
        before=totals(before),
        after=totals(after),
        versions=(
            [
                *([] if is_hidden else pod_versions(before, after, ray)),
                *(versions("chart", [chart_of(release.old)], [chart_of(release.new)]) if release else []),
            ]
            if operation in ("update", "replace")
            else []
        ),
        secrets=secrets,
        values=[] if is_hidden or operation in ("adopt", "delete") else lines(shown_differences(*shown)),
    )
    change.headline, change.level = _cluster_headline(change, found)
    return change


def _groups(
    steps: _ClusterSteps,
    before: PodsByGroup,
    after: PodsByGroup,
    found: list[Difference],
    places: Mapping[str, tuple[str, ...]],
) -> list[GroupChange]:
    names = dict.fromkeys([*before, *after, *steps.groups])
    groups = [
        GroupChange(group=name, effect="stays", before=before.get(name), after=after.get(name))
        for name in names
    ]
    if steps.release is not None and steps.release.operation == "adopt":
        return groups
    head = "head" in steps.groups and steps.groups["head"].operation == "replace"
    shared = [one.top for one in found if one.top not in _NOT_SHARED]

    def why(group: GroupChange) -> list[str]:
        place = places.get(group.group, (group.group,))
        end = len(place)
        of_group = [one.path[end] for one in found if one.path[:end] == place and len(one.path) > end]
        # A reason that a group shares with the head is enough. KubeRay's workers cannot
        # join a new head: they are replaced with it.
        otherwise = "its head restarts" if head and group.group != "head" else steps.otherwise
        return _why(group, [*of_group, *shared]) or [otherwise]

    for group in groups:
        if step := steps.groups.get(group.group):
            _fill_in(group, step, why)
    return groups


def _fill_in(group: GroupChange, step: Step, why: Callable[[GroupChange], list[str]]) -> None:
    """What the step of a group's pods does to them, and why."""
    if step.operation == "create":
        group.effect = "new"
    elif step.operation == "delete":
        group.effect = "goes"
    elif step.operation == "replace":
        group.effect = "restarts"
        said = [] if group.before and group.after else _pods_said(step)
        group.why = said or why(group)
    elif _template(step.old) != _template(step.new):
        group.effect = "keeps the old spec"
        group.why = why(group)
    elif group.before and group.after and group.before.count != group.after.count:
        group.effect = "scales"


def _pods_said(step: Step) -> list[str]:
    """Where the values are encrypted: size and image as the program sums them up."""
    old, new = ((side.get("input") or {}).get("pods") for side in (step.old, step.new))
    return [f"{old} → {new}"] if old != new else []


def _why(group: GroupChange, keys: list[str]) -> list[str]:
    """Sizes that differ, and which of the keys say more than these."""
    sizes = what_differs(group.before, group.after) if group.before and group.after else []
    # Said by the sizes already, or no reason for new pods. Of a request or pull policy
    # the sizes say nothing.
    said = (
        "replicas",
        "minReplicas",
        "maxReplicas",
        *(["resources", "image", "nodeSelector"] if sizes else []),
    )
    return [*sizes, *dict.fromkeys(key for key in keys if key not in said)]


def _places(*sides: Any) -> dict[str, tuple[str, ...]]:
    """Where in the Helm values each group is."""
    places: dict[str, tuple[str, ...]] = {"head": ("head",)}
    for values in sides:
        if isinstance(values, Mapping):
            places |= {
                str(name): ("additionalWorkerGroups", str(name))
                for name in values.get("additionalWorkerGroups") or {}
            }
            places |= {str((values.get("worker") or {}).get("groupName")): ("worker",)}
    return places


def _template(inputs: Mapping[str, Any]) -> Any:
    return (inputs.get("input") or {}).get("template")


def _cluster_headline(change: RayChange, found: list[Difference]) -> tuple[str, Level]:
    groups = change.groups
    if change.operation == "create":
        return f"new: {_all_pods(groups, new=True)}", "changes"
    if change.operation == "adopt":
        return (
            f"is taken over from Helm as it runs, {_all_pods(groups, new=True)}: no pod restarts",
            "changes",
        )
    if change.operation == "delete":
        return f"goes, with {_all_pods(groups, new=False)}", "destroys"
    if change.operation == "replace":
        why = ", ".join(one.where for one in found if _makes_anew(one))
        return (
            f"is deleted and made anew{f' ({why})' if why else ''}: {_all_pods(groups, new=False)} restart",
            "restarts",
        )
    if _is_suspended(groups):
        return f"is suspended: {_all_pods(groups, new=False)} go until suspend is false", "destroys"
    parts: list[str] = []
    level: Level = "changes"
    reasons: dict[tuple[str, ...], list[GroupChange]] = {}
    for group in groups:
        if group.effect == "restarts":
            reasons.setdefault(tuple(group.why), []).append(group)
    for why, which in reasons.items():
        pods = sum(group.before.pods for group in which if group.before)
        named = and_list([group.group for group in which])
        what = (
            f"{counted(pods, 'pod')} of {named} {'restarts' if pods == 1 else 'restart'}"
            if pods
            else f"pods of {named} restart"
        )
        parts.append(f"{what} ({', '.join(why)})")
        level = "restarts"
    for group in groups:
        if group.effect == "new" and group.after:
            parts.append(f"new group {group.group}, {counted(group.after.pods, 'pod')}")
        elif group.effect == "goes":
            parts.append(
                f"group {group.group} goes"
                + (f", with {counted(group.before.pods, 'pod')}" if group.before else "")
            )
            level = "destroys"
        elif group.effect == "keeps the old spec":
            parts.append(
                f"running pods of {group.group} keep the old spec (upgradeStrategy: None;"
                f" {', '.join(group.why)})"
            )
        if group.before and group.after and group.before.count != group.after.count:
            parts.append(f"{group.group}: {group.before.count} → {counted(group.after.count, 'pod')}")
    if not any(group.effect == "restarts" for group in groups):
        parts.append("no pod restarts")
    return "; ".join(parts), level


def _is_suspended(groups: Iterable[GroupChange]) -> bool:
    """Whether a cluster loses its head and gets no other."""
    return any(
        one.group == "head" and one.before and one.before.pods and one.after and not one.after.pods
        for one in groups
    )


def _makes_anew(one: Difference) -> bool:
    """Whether a RayCluster has to be another one for it: its name, and what KubeRay
    makes the head's Service of.
    """
    return (
        one.top in ("service", "fullnameOverride", "headServiceAnnotations")
        or "headService" in one.path
        or one.path[:2] == ("head", "ports")
    )


def _all_pods(groups: Iterable[GroupChange], *, new: bool) -> str:
    pods = [(group.group, side) for group in groups if (side := group.after if new else group.before)]
    if not pods:
        return "its pods"
    workers = [f"{side.count} of {name}" for name, side in pods if name != "head"]
    return and_list(["a head" if new else "its head", *workers])
