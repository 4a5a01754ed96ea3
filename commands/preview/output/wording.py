"""The sentences of a report, whatever it is written as. Pure."""

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from commands.preview.meaning.report import (
    LEVELS,
    Cost,
    GroupChange,
    OtherChange,
    RayChange,
    Report,
    StackReport,
    Totals,
    VersionChange,
)
from kuberay.facts.phrases import counted, first_few
from kuberay.facts.visible import visible

FITS = {
    "fits": "the nodes have room",
    "does not fit": "does not fit the nodes",
    "cannot tell": "cannot tell whether it fits the nodes",
}
OPERATIONS = {
    "create": "is new",
    "adopt": "is taken over from Helm as it runs",
    "update": "changes",
    "replace": "is deleted and made anew",
    "delete": "goes",
    "retain": "is left in the cluster",
}


def visible_report(report: Report) -> Report:
    """The report with all its texts visible, and so of one line each, whoever has
    written them.
    """
    return Report.model_validate(_visible(report.model_dump()))


def _visible(tree: Any) -> Any:
    if isinstance(tree, str):
        return visible(tree)
    if isinstance(tree, dict):
        return {_visible(key): _visible(value) for key, value in tree.items()}
    return [_visible(item) for item in tree] if isinstance(tree, list) else tree


@dataclass(frozen=True)
class Alike:
    """Clusters, jobs or services that change in the same way."""

    change: RayChange
    """Of the first of them."""
    names: tuple[str, ...]

    @property
    def title(self) -> str:
        """``cluster ray0`` or ``100 clusters: ray0, ray1, ray2 …``."""
        kind = self.change.kind
        return (
            f"{kind} {self.names[0]}"
            if len(self.names) == 1
            else f"{len(self.names)} {kind}s: {first_few(self.names)}"
        )

    @property
    def headline(self) -> str:
        """What happens to each."""
        return self.change.headline if len(self.names) == 1 else f"each: {self.change.headline}"

    @property
    def groups(self) -> list[GroupChange]:
        """Of its pods, where more is to be said than that they stay, or go with it."""
        groups = self.change.groups
        is_told = any(group.effect != "stays" for group in groups) and self.change.operation != "delete"
        return groups if is_told else []

    @property
    def values(self) -> list[str]:
        """What changes in its values; of a new one they would be all that it has."""
        return self.change.values if self.change.operation != "create" else []


def alike(changes: Iterable[RayChange]) -> list[Alike]:
    """Equal changes together, those that a reviewer has to see first at the front."""
    found: dict[str, list[RayChange]] = {}
    for change in changes:
        without = {"name", "manifests"} | ({"values"} if change.operation == "create" else set())
        rendered = change.manifests.rendered_for if change.manifests else ""
        found.setdefault(f"{rendered} {change.model_dump_json(exclude=without)}", []).append(change)
    groups = [Alike(some[0], tuple(change.name for change in some)) for some in found.values()]
    return sorted(groups, key=lambda group: LEVELS.index(group.change.level), reverse=True)


def what_happens(report: StackReport) -> tuple[str, str]:
    """The headline of a stack, and what it is about."""
    match report.level:
        case "failed":
            # The whole of it is below.
            return "the preview fails", (
                textwrap.shorten(report.errors[0], 150, placeholder=" …") if report.errors else ""
            )
        case "nothing":
            return "nothing changes", ""
        case "changes" if report.drift:
            count = len(report.drift)
            return f"{counted(count, 'thing')} edited or deleted in the cluster", first_few(
                [f"{one.kind} {one.name}" for one in report.drift]
            )
        case "changes":
            versions = [
                f"{one.what} {one.before} → {one.after}"
                for one in report.versions
                if one.before and one.after
            ]
            about = [*versions[:1], *([first_few([one.name for one in report.ray])] if report.ray else [])]
            return f"{_changes(report)}{' (a new stack)' if report.is_new else ''}", "; ".join(about)
        case "restarts":
            return "Ray pods restart", _restarting(report)
        case _:
            gone = [
                f"{one.kind} {one.name}" for one in (*report.ray, *report.others) if one.level == "destroys"
            ]
            restarting = _restarting(report)
            return "something is destroyed", first_few(gone) + (
                f"; Ray pods restart: {restarting}" if restarting else ""
            )


def amounts(before: Totals | None, after: Totals | None) -> list[tuple[str, str, str]]:
    """CPU, memory and GPUs by name, before and after; ``?`` where that is not known."""
    sides = [(side.cpu, side.memory, str(side.gpus)) if side else ("?", "?", "?") for side in (before, after)]
    return list(zip(("CPU", "Memory", "GPU"), *sides, strict=True))


def currencies(report: Report) -> list[str]:
    """Those of the stacks whose settings say what their nodes cost."""
    return list(dict.fromkeys(stack.cost.currency for stack in report.stacks if stack.cost))


def monthly(report: StackReport) -> tuple[str, str]:
    """What a stack costs a month, before and after; empty without prices, ``?`` where
    it is not known.
    """
    cost = report.cost
    if cost is None:
        return "", ""
    return _money(cost.after if report.is_new else cost.before), _money(cost.after)


def cost_of(change: RayChange) -> tuple[str, str, str] | None:
    """For how long, and what one cluster, job or service costs then, before and after;
    None where that is not known.
    """
    if change.cost_before is None and change.cost_after is None:
        return None
    before = change.cost_after if change.operation == "create" else change.cost_before
    return ("an hour" if change.cost_is_hourly else "a month"), _money(before), _money(change.cost_after)


def _money(cost: Cost | None) -> str:
    """``1,234``, with an autoscaler ``1,234 (600–2,400)``."""
    if cost is None:
        return "?"
    between = f" ({_figure(cost.least)}–{_figure(cost.most)})" if cost.least != cost.most else ""
    return f"{_figure(cost.amount)}{between}"


def _figure(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 100 or amount == 0 else f"{amount:,.2f}"


def versions_of(change: RayChange) -> list[VersionChange]:
    """Its versions, without an image whose change another of them explains."""
    explained = any(one.what in ("Ray", "Python", "architecture") for one in change.versions)
    return [one for one in change.versions if one.what != "image" or not explained]


def fields_of(groups: Iterable[GroupChange]) -> list[str]:
    """The fields of pods that a table of groups shows."""
    gpus = any(side and side.gpus for group in groups for side in (group.before, group.after))
    return ["count", "cpu", "memory", *(["gpus"] if gpus else []), "image"]


def sides(group: GroupChange, field: str) -> tuple[str | None, str | None]:
    """A field of a group's pods, before and after."""
    before, after = (str(getattr(side, field)) if side else None for side in (group.before, group.after))
    return before, after


def other_line(change: OtherChange) -> str:
    """``Namespace kuberay is new``"""
    return (
        f"{change.kind} {change.name}"
        f" {OPERATIONS[change.operation]}{f': {change.about}' if change.about else ''}"
    )


def _restarting(report: StackReport) -> str:
    found: list[str] = []
    pods = 0
    for one in report.ray:
        all_of_it = one.level == "restarts" and (one.kind == "service" or one.operation == "replace")
        groups = [group for group in one.groups if all_of_it or group.effect == "restarts"]
        count = sum(group.before.pods for group in groups if group.before)
        if groups:
            pods += count
            found.append(f"{one.name} ({', '.join(group.group for group in groups)})")
    return f"{counted(pods, 'pod')} of {first_few(found)}" if pods else first_few(found)


def _changes(report: StackReport) -> str:
    count = sum(number for name, number in report.operations.items() if name != "same")
    return counted(count, "change")
