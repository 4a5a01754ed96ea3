"""One report of several:
`python -m commands.preview.join dev prod --reports reports --output report`.

A pipeline previews each stack by itself, with that stack's keys alone. Here their
reports are read again, from `reports/preview-<stack>/report.json`, and written as one.
What cannot be read is a preview that failed.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from commands.preview.meaning.report import LeftOut, Report, StackReport, worst
from commands.preview.output.files import write
from commands.stack.command import command_parser

TITLE = "What a merge does"
_NO_REPORT = "its run came to no report; the run's log says why"


def main() -> None:
    parser = command_parser("commands.preview.join", __doc__)
    parser.add_argument("stacks", nargs="+", metavar="stack", help="which stacks")
    parser.add_argument(
        "--reports", type=Path, default=Path("reports"), help="their folder (default: %(default)s)"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("report"),
        help="folder for it, in each of its forms (default: %(default)s)",
    )
    given = parser.parse_args()
    write(joined(given.reports, given.stacks), given.output, TITLE)


def joined(reports: Path, stacks: Sequence[str]) -> Report:
    """The reports of these stacks, whatever became of each."""
    read = [stack_report(reports / f"preview-{stack}", stack) for stack in stacks]
    return Report(level=worst(stack.level for stack in read), stacks=read, left_out=left_out(reports, stacks))


def stack_report(folder: Path, stack: str) -> StackReport:
    """What a run has written of a stack."""
    try:
        report = Report.model_validate_json((folder / "report.json").read_bytes())
        (found,) = report.stacks
    except (OSError, ValueError):
        return StackReport(stack=stack, level="failed", errors=[_NO_REPORT])
    # A run speaks for its own stack, by whatever name it goes there.
    return found.model_copy(update={"stack": stack})


def left_out(reports: Path, stacks: Iterable[str]) -> LeftOut | None:
    """What the request's previews have left out; the same for each of its stacks."""
    for stack in stacks:
        try:
            return LeftOut.model_validate_json((reports / f"preview-{stack}" / "request.json").read_bytes())
        except FileNotFoundError:
            continue
        except (OSError, ValueError):
            return LeftOut(commit="", waiting=["what waits cannot be read; the run's log says it"])
    return None


if __name__ == "__main__":
    main()
