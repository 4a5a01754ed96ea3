"""The report as Markdown, as GitHub and GitLab show it: the summary first, details
folded. Pure.

A comment on GitHub holds 65,536 characters. What does not fit is left out from the
least important on, and the comment says so: the report without a limit has everything.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from commands.preview.meaning.report import (
    Drift,
    Fit,
    GroupChange,
    LeftOut,
    Level,
    ManifestDiff,
    ProtectionChange,
    Report,
    StackReport,
    VersionChange,
)
from commands.preview.output.markup import cell, code, fenced, name, sentence
from commands.preview.output.wording import (
    FITS,
    OPERATIONS,
    Alike,
    alike,
    amounts,
    cost_of,
    currencies,
    fields_of,
    monthly,
    sides,
    versions_of,
    visible_report,
    what_happens,
)
from kuberay.facts.phrases import first_few

COMMENT_LIMIT = 64_000
"""In characters."""

_SIGNS: dict[Level, str] = {
    "nothing": "⚪",
    "changes": "🔵",
    "restarts": "🟠",
    "destroys": "🔴",
    "failed": "❌",
}
_COLUMNS = {"count": "Pods", "cpu": "CPU", "memory": "Memory", "gpus": "GPU", "image": "Image"}
#: Of what a request changes, so many names are enough.
_NAMED = 20
_LEFT_OUT = (
    "\n_Left out here for its length: {count} of {all} sections. The full report has them (artifact of this"
    " run)._\n"
)


@dataclass(frozen=True)
class Block:
    """A part of the report that is shown whole or not at all."""

    text: str
    rank: int = 0
    """Blocks of the highest rank are left out first: 3 manifests, 2 values, 1 tables, 0
    what has to be there.
    """


def markdown(report: Report, *, limit: int | None = None, title: str) -> str:
    """The whole report, in at most so many characters."""
    blocks = list(_blocks(visible_report(report), title))
    if limit is None:
        return _joined(blocks)
    shown = list(range(len(blocks)))
    length = len(_joined(blocks))
    least_first = sorted(shown[1:], key=lambda place: (blocks[place].rank, place), reverse=True)
    for place in least_first:
        if length + len(_LEFT_OUT) + 20 <= limit:
            break
        shown.remove(place)
        length -= len(blocks[place].text) + 2
    text = _joined(blocks[place] for place in shown)
    if len(shown) < len(blocks):
        text += _LEFT_OUT.format(count=len(blocks) - len(shown), all=len(blocks))
    return whole_lines(text, limit)


def whole_lines(text: str, limit: int) -> str:
    """The lines that fit: half of one may be markup, where the whole is code."""
    return text if len(text) <= limit else text[: text.rfind("\n", 0, limit) + 1]


def _joined(blocks: Iterable[Block]) -> str:
    return "\n\n".join(block.text for block in blocks) + "\n"


def _blocks(report: Report, title: str) -> Iterator[Block]:
    yield Block(f"### {title}\n\n{_summary(report)}")
    if report.left_out:
        yield Block(_left_out(report.left_out))
    for stack in report.stacks:
        yield from _stack(stack, titled=len(report.stacks) > 1)


def _summary(report: Report) -> str:
    priced = currencies(report)
    # In the head of the table where all have the same.
    currency = f" ({sentence(priced[0])})" if len(priced) == 1 and priced[0] else ""
    column = f" A month{cell(currency)} |" if priced else ""
    rows = [
        f"| Stack | What happens | CPU | Memory | GPU |{column}",
        f"| --- | --- | --: | --: | --: |{' --: |' if priced else ''}",
    ]
    for stack in report.stacks:
        headline, about = what_happens(stack)
        said = headline if stack.level in ("nothing", "changes") else f"**{headline}**"
        figures = [
            _amount(before, after) for _, before, after in amounts(stack.before or stack.after, stack.after)
        ]
        if priced:
            figures.append(_from_to(monthly(stack), stack if len(priced) > 1 else None))
        if stack.level == "failed":
            figures = [""] * len(figures)
        what = f"{_SIGNS[stack.level]} {said}{f': {sentence(about)}' if about else ''}"
        rows.append(f"| {' | '.join(map(cell, (name(stack.stack), what, *figures)))} |")
    return "\n".join(rows)


def _left_out(left_out: LeftOut) -> str:
    named = left_out.waiting[:_NAMED]
    more = [f"and {len(left_out.waiting) - _NAMED} more"] if len(left_out.waiting) > _NAMED else []
    return (
        "**Not in this preview**, which main's code has made of the request's settings. A preview of all of"
        f" it waits for an approval, of commit {name(left_out.commit)} (docs/reviewing.md):\n\n"
        + "\n".join(f"    {line[:200]}" for line in (*named, *more))
    )


def _stack(report: StackReport, *, titled: bool) -> Iterator[Block]:
    parts = list(_parts(report))
    if parts and titled:
        yield Block(f"#### {_SIGNS[report.level]} {name(report.stack)}")
    yield from parts


def _parts(report: StackReport) -> Iterator[Block]:
    if report.errors:
        yield Block(fenced(report.errors))
    if report.drift is not None:
        yield Block(_drift(report.drift))
    notes = [
        *_versions(report.versions),
        *(_protection("🔓 **No longer**: ", one) for one in report.protection.lost),
        *(_protection("🔒 From now on: ", one) for one in report.protection.gained),
    ]
    notes += _fit(report.fit) if report.fit else []
    if notes:
        yield Block("\n".join(f"- {note}" for note in notes))
    for group in alike(report.ray):
        yield from _ray(group, report)
    brief: list[str] = []
    for change in report.others:
        secret = f"; a secret changes ({', '.join(map(code, change.secrets))})" if change.secrets else ""
        bold = "**" if change.level == "destroys" else ""
        about = f": {sentence(change.about)}" if change.about else ""
        line = (
            f"{bold}{sentence(change.kind)} {name(change.name)}"
            f" {OPERATIONS[change.operation]}{about}{bold}{secret}"
        )
        if folds := list(_folds(change.values, change.manifests, others=0)):
            yield Block(line)
            yield from folds
        else:
            brief.append(f"- {line}")
    if brief:
        yield Block("\n".join(brief))
    for heading, lines in (
        ("Warnings", report.warnings),
        ("Not known in this preview", report.unknown),
        ("What stays open", report.protection.open if report.level != "nothing" else []),
    ):
        if lines:
            yield Block(
                _folded(f"{heading} ({len(lines)})", "\n".join(f"- {sentence(line)}" for line in lines)), 1
            )


def _fit(fit: Fit) -> list[str]:
    said, signs = FITS[fit.answer], {"fits": "✅ ", "does not fit": "🚫 **", "cannot tell": "❔ "}
    why = [sentence(line) for line in fit.why]
    about = f": {why[0]}" if len(why) == 1 else "".join(f"\n  - {line}" for line in why)
    return [
        f"{signs[fit.answer]}{said[0].upper()}{said[1:]}{'**' if fit.answer == 'does not fit' else ''}{about}"
    ]


def _ray(group: Alike, report: StackReport) -> Iterator[Block]:
    change = group.change
    lines = [f"**{sentence(group.title)}**: {sentence(group.headline)}"]
    lines += [f"- {line}" for line in _versions(versions_of(change))]
    if cost := cost_of(change):
        lines.append(f"- {cost[0]}: {_from_to(cost[1:], report)}{' each' if len(group.names) > 1 else ''}")
    if change.secrets:
        lines.append(f"- a secret changes: {', '.join(map(code, change.secrets))}")
    yield Block("\n".join(lines))
    if group.groups:
        yield Block(_groups(group.groups), 1)
    if len(group.names) > 3:
        yield Block(_folded(f"All {len(group.names)}", ", ".join(map(name, group.names))), 1)
    yield from _folds(group.values, change.manifests, others=len(group.names) - 1)


def _groups(groups: list[GroupChange]) -> str:
    fields = fields_of(groups)
    rows = [
        f"| Group | | {' | '.join(_COLUMNS[field] for field in fields)} |",
        f"| --- | --- | {' | '.join('---' if field == 'image' else '--:' for field in fields)} |",
    ]
    for group in groups:
        cells = [_side(*sides(group, field), code if field == "image" else name) for field in fields]
        effect = group.effect if group.effect in ("stays", "scales") else f"**{group.effect}**"
        rows.append(f"| {' | '.join(map(cell, (name(group.group), effect, *cells)))} |")
    return "\n".join(rows)


def _folds(values: list[str], manifests: ManifestDiff | None, *, others: int) -> Iterator[Block]:
    if values:
        yield Block(_folded(f"Values: {_lines(values)}", fenced(values, "diff")), 2)
    if manifests and manifests.lines:
        same = f"; the other {others} differ in their names only" if others else ""
        whose = f"Rendered for {name(manifests.rendered_for)}.\n\n" if others else ""
        yield Block(
            _folded(
                f"Rendered manifests: {_lines(manifests.lines)}{same}",
                f"{whose}{fenced(manifests.lines, 'diff')}",
            ),
            3,
        )


def _drift(drift: list[Drift]) -> str:
    if not drift:
        return "The cluster is as the stack made it: nothing was edited or deleted there."
    lines: list[str] = []
    for one in drift:
        fields = [code(field) for field in one.fields]
        lines.append(
            f"- {name(one.kind)} {name(one.name)} was {one.what} in the"
            f" cluster{': ' if fields else ''}{first_few(fields, 5)}"
        )
    return "**Changed in the cluster**, outside of Pulumi:\n" + "\n".join(lines)


def _protection(sign: str, change: ProtectionChange) -> str:
    return f"{sign}{sentence(change.what)}{f' ({first_few([*map(name, change.of)])})' if change.of else ''}"


def _versions(changes: list[VersionChange]) -> list[str]:
    return [
        f"{sentence(one.what)} {f'{name(one.before)} → ' if one.before else ''}**{name(one.after or '')}**"
        for one in changes
    ]


def _folded(summary: str, inside: str) -> str:
    """Markdown that a reader unfolds. The summary is HTML, and has no text
    of others.
    """
    return f"<details><summary>{summary}</summary>\n\n{inside}\n</details>"


def _lines(lines: list[str]) -> str:
    count = sum(line.startswith(("+", "-", "~")) for line in lines)
    return f"{count} line" if count == 1 else f"{count} lines"


def _amount(before: str, after: str) -> str:
    # Never broken over two lines: the columns are narrow.
    return name(after) if before == after else f"{name(before)}\u00a0→\u00a0**{name(after)}**"


def _from_to(sides: tuple[str, str], report: StackReport | None) -> str:
    """Costs before and after; in the currency of the report, where one is given."""
    before, after = map(sentence, sides)
    currency = f" {sentence(report.cost.currency)}" if report and report.cost and report.cost.currency else ""
    return (
        (after if before == after else f"{before} → **{after}**").replace(" ", "\u00a0") + currency
        if any(sides)
        else ""
    )


def _side(before: str | None, after: str | None, write: Callable[[str], str]) -> str:
    shown = [write(side or "") for side in (before, after)]
    if before is None or after is None or before == after:
        return shown[1] if after is not None else shown[0]
    return f"{shown[0]} → **{shown[1]}**"
