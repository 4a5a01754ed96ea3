"""The report as Markdown, as GitHub and GitLab show it: the summary first, details folded. Pure.

A comment on GitHub holds 65,536 characters. What does not fit is left out from the least important on, and the comment says so: the report
without a limit has everything.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from commands.preview.meaning.report import Drift, GroupChange, Level, ManifestDiff, ProtectionChange, Report, StackReport, VersionChange
from commands.preview.output.wording import Alike, alike, amounts, other_line, sides, versions_of, what_happens
from kuberay.facts.phrases import first_few

COMMENT_LIMIT = 64_000
"""In characters."""

_SIGNS: dict[Level, str] = {"nothing": "⚪", "changes": "🔵", "restarts": "🟠", "destroys": "🔴", "failed": "❌"}
_LEFT_OUT = "\n_Left out here for its length: {count} of {all} sections. The full report has them (artifact of this run)._\n"


@dataclass(frozen=True)
class Block:
    """A part of the report that is shown whole or not at all."""

    text: str
    rank: int = 0
    """Blocks of the highest rank are left out first: 3 manifests, 2 values, 1 tables, 0 what has to be there."""


def markdown(report: Report, *, limit: int | None = None, title: str) -> str:
    """The whole report, in at most so many characters."""
    blocks = list(_blocks(report, title))
    if limit is None:
        return _joined(blocks)
    shown = list(blocks)
    while len(_joined(shown)) + len(_LEFT_OUT) + 20 > limit and len(shown) > 1:
        rank = max(block.rank for block in shown[1:])
        last = max(place for place, block in enumerate(shown) if block.rank == rank)
        # A few at a time: a hundred clusters have hundreds of blocks.
        del shown[last]
    text = _joined(shown)
    if len(shown) < len(blocks):
        text += _LEFT_OUT.format(count=len(blocks) - len(shown), all=len(blocks))
    return text[:limit]


def _joined(blocks: Iterable[Block]) -> str:
    return "\n\n".join(block.text for block in blocks) + "\n"


def _blocks(report: Report, title: str) -> Iterator[Block]:
    yield Block(f"### {title}\n\n{_summary(report)}")
    for stack in report.stacks:
        yield from _stack(stack, titled=len(report.stacks) > 1)


def _summary(report: Report) -> str:
    rows = ["| Stack | What happens | CPU | Memory | GPU |", "| --- | --- | --: | --: | --: |"]
    for stack in report.stacks:
        headline, about = what_happens(stack)
        said = headline if stack.level in ("nothing", "changes") else f"**{headline}**"
        figures = [_amount(before, after) for _, before, after in amounts(stack.before or stack.after, stack.after)]
        if stack.level == "failed":
            figures = ["", "", ""]
        rows.append(
            f"| {_cell(stack.stack)} | {_SIGNS[stack.level]} {said}{f': {_cell(about)}' if about else ''} | {' | '.join(figures)} |"
        )
    return "\n".join(rows)


def _stack(report: StackReport, *, titled: bool) -> Iterator[Block]:
    parts = list(_parts(report))
    if parts and titled:
        yield Block(f"#### {_SIGNS[report.level]} {report.stack}")
    yield from parts


def _parts(report: StackReport) -> Iterator[Block]:
    if report.errors:
        yield Block(_fenced(report.errors, ""))
    if report.drift is not None:
        yield Block(_drift(report.drift))
    notes = [
        *_versions(report.versions),
        *(_protection("🔓 **No longer**: ", one) for one in report.protection.lost),
        *(_protection("🔒 From now on: ", one) for one in report.protection.gained),
    ]
    if notes:
        yield Block("\n".join(f"- {note}" for note in notes))
    for group in alike(report.ray):
        yield from _ray(group)
    for change in report.others:
        secret = f"; a secret changes ({', '.join(f'`{path}`' for path in change.secrets)})" if change.secrets else ""
        bold = "**" if change.level == "destroys" else ""
        yield Block(f"{bold}{other_line(change)}{bold}{secret}")
        yield from _folds(change.values, change.manifests, others=0)
    for heading, lines in (
        ("Warnings", report.warnings),
        ("Not known in this preview", report.unknown),
        ("What stays open", report.protection.open if report.level != "nothing" else []),
    ):
        if lines:
            yield Block(
                f"<details><summary>{heading} ({len(lines)})</summary>\n\n" + "\n".join(f"- {line}" for line in lines) + "\n</details>", 1
            )


def _ray(group: Alike) -> Iterator[Block]:
    change = group.change
    lines = [f"**{group.title}**: {group.headline}"]
    lines += [f"- {line}" for line in _versions(versions_of(change))]
    if change.secrets:
        lines.append(f"- a secret changes: {', '.join(f'`{path}`' for path in change.secrets)}")
    yield Block("\n".join(lines))
    if any(group.effect != "stays" for group in change.groups) and change.operation != "delete":
        yield Block(_groups(change.groups), 1)
    if len(group.names) > 3:
        yield Block(f"<details><summary>All {len(group.names)}</summary>\n\n{', '.join(group.names)}\n</details>", 1)
    yield from _folds(change.values if change.operation != "create" else [], change.manifests, others=len(group.names) - 1)


def _groups(groups: list[GroupChange]) -> str:
    gpus = any(side and side.gpus for group in groups for side in (group.before, group.after))
    columns = {"Pods": "count", "CPU": "cpu", "Memory": "memory", **({"GPU": "gpus"} if gpus else {}), "Image": "image"}
    rows = [
        f"| Group | | {' | '.join(columns)} |",
        f"| --- | --- | {' | '.join('---' if name == 'Image' else '--:' for name in columns)} |",
    ]
    for group in groups:
        cells = [_side(*sides(group, field), code=field == "image") for field in columns.values()]
        effect = group.effect if group.effect in ("stays", "scales") else f"**{group.effect}**"
        rows.append(f"| {group.group} | {effect} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _folds(values: list[str], manifests: ManifestDiff | None, *, others: int) -> Iterator[Block]:
    if values:
        yield Block(_folded(f"Values: {_lines(values)}", values), 2)
    if manifests and manifests.lines:
        same = f", rendered for {manifests.rendered_for}; the other {others} differ in their names only" if others else ""
        yield Block(_folded(f"Rendered manifests: {_lines(manifests.lines)}{same}", manifests.lines), 3)


def _drift(drift: list[Drift]) -> str:
    if not drift:
        return "The cluster is as the stack made it: nothing was edited or deleted there."
    lines: list[str] = []
    for one in drift:
        fields = [f"`{field}`" for field in one.fields]
        lines.append(f"- {one.kind} {one.name} was {one.what} in the cluster{': ' if fields else ''}{first_few(fields, 5)}")
    return "**Changed in the cluster**, outside of Pulumi:\n" + "\n".join(lines)


def _protection(sign: str, change: ProtectionChange) -> str:
    return f"{sign}{change.what}{f' ({first_few(change.of)})' if change.of else ''}"


def _versions(changes: list[VersionChange]) -> list[str]:
    return [f"{one.what} {one.before} → **{one.after}**" if one.before else f"{one.what} **{one.after}**" for one in changes]


def _folded(summary: str, lines: list[str]) -> str:
    return f"<details><summary>{summary}</summary>\n\n{_fenced(lines, 'diff')}\n</details>"


def _fenced(lines: list[str], language: str) -> str:
    fence = "```"
    while any(fence in line for line in lines):
        fence += "`"
    return "\n".join([f"{fence}{language}", *lines, fence])


def _lines(lines: list[str]) -> str:
    count = sum(line.startswith(("+", "-", "~")) for line in lines)
    return f"{count} line" if count == 1 else f"{count} lines"


def _amount(before: str, after: str) -> str:
    # Never broken over two lines: the columns are narrow.
    return after if before == after else f"{before}\u00a0→\u00a0**{after}**"


def _side(before: str | None, after: str | None, *, code: bool) -> str:
    shown = [f"`{side}`" if code and side else side or "–" for side in (before, after)]
    if before is None or after is None or before == after:
        return shown[1] if after is not None else shown[0]
    return f"{shown[0]} → **{shown[1]}**"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
