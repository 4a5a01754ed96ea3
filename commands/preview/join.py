"""One report of several: `python -m commands.preview.join dev prod --reports reports --output report`.

A pipeline previews each stack by itself, with that stack's keys alone. Here their reports are read again,
from `reports/preview-<stack>/report.json`, and written as one. What cannot be read is a preview that failed.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from commands.preview.meaning.report import Report, StackReport, worst
from commands.preview.output.markdown import COMMENT_LIMIT, markdown

TITLE = "What a merge does"
_NO_REPORT = "its run came to no report; the run's log says why"


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="python -m commands.preview.join",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("stacks", nargs="+", metavar="stack", help="which stacks")
    parser.add_argument("--reports", type=Path, default=Path("reports"), help="their folder (default: %(default)s)")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("report"),
        help="folder for comment.md and report.json (default: %(default)s)",
    )
    given = parser.parse_args()
    report = joined(given.reports, given.stacks)
    note = found_note(given.reports, given.stacks)
    given.output.mkdir(parents=True, exist_ok=True)
    (given.output / "report.json").write_text(report.model_dump_json(indent=2) + "\n")
    text = note + markdown(report, limit=COMMENT_LIMIT - len(note), title=TITLE)
    (given.output / "comment.md").write_text(text)


def joined(reports: Path, stacks: Iterable[str]) -> Report:
    """The reports of these stacks, whatever became of each."""
    read = [stack_report(reports / f"preview-{stack}", stack) for stack in stacks]
    return Report(level=worst(stack.level for stack in read), stacks=read)


def stack_report(folder: Path, stack: str) -> StackReport:
    """What a run has written of a stack."""
    try:
        report = Report.model_validate_json((folder / "report.json").read_bytes())
        (found,) = report.stacks
    except (OSError, ValidationError, ValueError):
        return StackReport(stack=stack, level="failed", errors=[_NO_REPORT])
    # A run speaks for its own stack, by whatever name it goes there.
    return found.model_copy(update={"stack": stack})


def found_note(reports: Path, stacks: Iterable[str]) -> str:
    """What the request's previews have left out; the same for each of its stacks."""
    notes = [folder / "request.md" for folder in (reports / f"preview-{stack}" for stack in stacks)]
    return next((note.read_text() for note in notes if note.is_file()), "")[:8_000]


if __name__ == "__main__":
    main()
