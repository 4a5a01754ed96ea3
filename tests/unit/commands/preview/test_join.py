"""The reports of stacks that were previewed apart, as one."""

from pathlib import Path

from commands.preview.join import joined, left_out
from commands.preview.meaning.report import LeftOut, Report, StackReport


def put(folder: Path, report: StackReport, place: str = "") -> Path:
    file = folder / f"preview-{place or report.stack}" / "report.json"
    file.parent.mkdir()
    file.write_text(Report(level=report.level, stacks=[report]).model_dump_json())
    return file


def test_reports_are_joined_in_the_order_of_the_stacks_with_the_worst_level(tmp_path: Path) -> None:
    dev, prod = StackReport(stack="dev", level="changes"), StackReport(stack="prod", level="restarts")
    put(tmp_path, prod)
    put(tmp_path, dev)
    assert joined(tmp_path, ["dev", "prod"]) == Report(level="restarts", stacks=[dev, prod])


def test_a_run_that_came_to_no_report_loses_no_other_stacks(tmp_path: Path) -> None:
    dev = StackReport(stack="dev")
    put(tmp_path, dev)
    (tmp_path / "preview-broken").mkdir()
    (tmp_path / "preview-broken/report.json").write_text('{"level": "nothing", "stacks": []}')
    report = joined(tmp_path, ["missing", "broken", "dev"])
    error = "its run came to no report; the run's log says why"
    failed = [StackReport(stack=stack, level="failed", errors=[error]) for stack in ("missing", "broken")]
    assert report == Report(level="failed", stacks=[*failed, dev])


def test_a_run_speaks_for_its_own_stack_alone(tmp_path: Path) -> None:
    put(tmp_path, StackReport(stack="prod"), "dev")
    assert [stack.stack for stack in joined(tmp_path, ["dev"]).stacks] == ["dev"]


def test_what_a_request_waits_for_is_said_once(tmp_path: Path) -> None:
    waits = LeftOut(commit="0" * 40, waiting=["__main__.py"])
    for stack in ("dev", "prod"):
        put(tmp_path, StackReport(stack=stack))
        (tmp_path / f"preview-{stack}/request.json").write_text(waits.model_dump_json())
    assert joined(tmp_path, ["dev", "prod"]).left_out == waits
    assert left_out(tmp_path, ["other"]) is None


def test_what_waits_is_not_lost_where_it_cannot_be_read(tmp_path: Path) -> None:
    put(tmp_path, StackReport(stack="dev"))
    (tmp_path / "preview-dev/request.json").write_text("<!--")
    found = joined(tmp_path, ["dev"]).left_out
    assert found and found.waiting == ["what waits cannot be read; the run's log says it"]
