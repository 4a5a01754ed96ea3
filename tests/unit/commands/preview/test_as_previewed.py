"""`up` does what was previewed and approved, or nothing."""

from pathlib import Path

from commands.preview.__main__ import differences
from commands.preview.meaning.report import RayChange, Report, StackReport


def put(folder: Path, report: StackReport) -> Path:
    file = folder / "report.json"
    file.write_text(Report(level=report.level, stacks=[report]).model_dump_json())
    return file


def test_up_goes_on_where_a_preview_comes_to_what_was_approved(tmp_path: Path) -> None:
    approved = put(
        tmp_path, StackReport(stack="dev", level="changes", preview_seconds=1, warnings=["no cluster"])
    )
    now = StackReport(stack="dev", level="changes", preview_seconds=2, unknown=["pods"])
    assert list(differences(Report(level="changes", stacks=[now]), approved)) == []


def test_up_does_nothing_that_was_not_approved(tmp_path: Path) -> None:
    change = RayChange(kind="cluster", name="a", operation="update", headline="its workers restart")
    approved = put(tmp_path, StackReport(stack="dev", level="restarts", ray=[change]))
    now = StackReport(stack="dev", level="restarts", ray=[change.model_copy(update={"values": ["+ more"]})])
    other = StackReport(stack="prod")
    assert list(differences(Report(level="restarts", stacks=[now, other]), approved)) == [
        (
            "dev is no longer as it was previewed (then: Ray pods restart; now: Ray pods restart): something"
            " has changed it since, so nothing is done; start the pipeline anew and approve what it shows"
        ),
        f"prod was not previewed: {approved} has dev",
    ]


def test_a_report_that_cannot_be_read_approves_nothing(tmp_path: Path) -> None:
    missing = tmp_path / "report.json"
    assert list(differences(Report(level="nothing", stacks=[]), missing)) == [
        f"--as-in {missing} is no report that can be read: [Errno 2] No such file or directory: '{missing}'"
    ]
