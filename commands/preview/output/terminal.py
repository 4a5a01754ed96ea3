"""The report as text for a terminal. Pure."""

from collections.abc import Callable, Iterator

from commands.preview.meaning.report import Drift, Fit, GroupChange, Level, ManifestDiff, Report, StackReport
from commands.preview.output.wording import (
    FITS,
    Alike,
    alike,
    amounts,
    cost_of,
    fields_of,
    monthly,
    other_line,
    sides,
    versions_of,
    visible_report,
    what_happens,
)
from kuberay.facts.phrases import first_few
from kuberay.facts.visible import as_no_command

Paint = Callable[[str, str], str]
"""A text and the name of its colour -> the text as it is printed."""

#: A longer difference of manifests, as of all that is new, would bury the rest; a
#: terminal folds nothing.
_LONG = 60
#: Behind a field of a group's pods.
_UNITS = {"count": " x", "cpu": " CPU", "gpus": " GPU"}
_CODES = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "blue": 34}
_COLOURS: dict[Level, str] = {
    "nothing": "dim",
    "changes": "blue",
    "restarts": "yellow",
    "destroys": "red",
    "failed": "red",
}


def terminal(report: Report, *, colours: bool) -> str:

    def paint(text: str, colour: str) -> str:
        return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if colours and colour in _CODES else text

    return "\n".join(map(as_no_command, _lines(visible_report(report), paint))) + "\n"


def _lines(report: Report, paint: Paint) -> Iterator[str]:
    width = max(len(stack.stack) for stack in report.stacks)
    for stack in report.stacks:
        headline, about = what_happens(stack)
        yield (
            f"{stack.stack:<{width}}  {paint(headline, _COLOURS[stack.level])}{f': {about}' if about else ''}"
        )
        if stack.after and stack.level != "failed":
            figures = [
                f"{name} {_side(before, after)}"
                for name, before, after in amounts(stack.before or stack.after, stack.after)
            ]
            figures += [f"a month {_side(*monthly(stack))}{_currency(stack)}"] if stack.cost else []
            yield f"{'':<{width}}  {', '.join(figures)}"
    for stack in report.stacks:
        parts = list(_stack(stack, paint))
        if parts:
            yield ""
            yield paint(f"── {stack.stack} {'─' * (76 - len(stack.stack))}", "bold")
            yield from parts


def _stack(report: StackReport, paint: Paint) -> Iterator[str]:
    yield from (paint(error, "red") for error in report.errors)
    if report.drift is not None:
        yield from _drift(report.drift, paint)
    yield from (f"{one.what} {one.before or '–'} → {one.after}" for one in report.versions)
    for sign, colour, changes in (
        ("no longer", "red", report.protection.lost),
        ("from now on", "green", report.protection.gained),
    ):
        yield from (
            f"{paint(sign, colour)}: {one.what}{f' ({first_few(one.of)})' if one.of else ''}"
            for one in changes
        )
    if report.fit:
        yield from _fit(report.fit, paint)
    for group in alike(report.ray):
        yield ""
        yield from _ray(group, report, paint)
    said_in_a_line = False
    for change in report.others:
        details = [
            *(f"  a secret changes: {path}" for path in change.secrets),
            *_diff(change.values, paint),
            *_manifests(change.manifests, paint),
        ]
        if details or not said_in_a_line:
            yield ""
        yield paint(other_line(change), _COLOURS[change.level] if change.level != "changes" else "bold")
        yield from details
        said_in_a_line = not details
    for heading, lines in (
        ("warning", report.warnings),
        ("not known", report.unknown),
        ("open", report.protection.open if report.level != "nothing" else []),
    ):
        if lines:
            yield ""
            yield from (f"{paint(heading, 'dim')}: {line}" for line in lines)


def _fit(fit: Fit, paint: Paint) -> Iterator[str]:
    colours = {"fits": "green", "does not fit": "red", "cannot tell": "yellow"}
    said = paint(FITS[fit.answer], colours[fit.answer])
    yield f"{said}: {fit.why[0]}" if len(fit.why) == 1 else said
    yield from (f"  {line}" for line in fit.why if len(fit.why) > 1)


def _ray(group: Alike, report: StackReport, paint: Paint) -> Iterator[str]:
    change = group.change
    yield f"{paint(group.title, 'bold')}: {paint(group.headline, _COLOURS[change.level])}"
    yield from _groups(group.groups, paint)
    yield from (f"  {one.what} {one.before or '–'} → {one.after}" for one in versions_of(change))
    if cost := cost_of(change):
        yield f"  {cost[0]} {_side(*cost[1:])}{_currency(report)}{' each' if len(group.names) > 1 else ''}"
    yield from (f"  a secret changes: {path}" for path in change.secrets)
    if len(group.names) > 3:
        yield f"  all of them: {', '.join(group.names)}"
    yield from _diff(group.values, paint)
    yield from _manifests(change.manifests, paint)


def _groups(groups: list[GroupChange], paint: Paint) -> Iterator[str]:
    rows = [
        [
            group.group,
            group.effect,
            *(f"{_side(*sides(group, field))}{_UNITS.get(field, '')}" for field in fields_of(groups)),
        ]
        for group in groups
        if group.before or group.after
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    for row in rows:
        text = "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        yield f"  {paint(text, 'dim' if row[1] == 'stays' else '')}"


def _diff(lines: list[str], paint: Paint) -> Iterator[str]:
    colours = {"-": "red", "+": "green", "~": "yellow"}
    yield from (f"  {paint(line, colours.get(line[:1], ''))}" for line in lines)


def _manifests(manifests: ManifestDiff | None, paint: Paint) -> Iterator[str]:
    lines = manifests.lines if manifests else []
    if len(lines) > _LONG:
        yield f"  {paint(f'what Helm renders: {len(lines)} lines, in report.md (--output)', 'dim')}"
    elif lines:
        yield f"  {paint('what Helm renders:', 'dim')}"
        yield from _diff(lines, paint)


def _drift(drift: list[Drift], paint: Paint) -> Iterator[str]:
    if not drift:
        yield "the cluster is as the stack made it: nothing was edited or deleted there"
    for one in drift:
        yield paint(f"{one.kind} {one.name} was {one.what} in the cluster", "yellow")
        yield from (f"  {field}" for field in one.fields)


def _currency(report: StackReport) -> str:
    return f" {report.cost.currency}" if report.cost and report.cost.currency else ""


def _side(before: str | None, after: str | None) -> str:
    return (
        (after or before or "–")
        if before is None or after is None or before == after
        else f"{before} → {after}"
    )
