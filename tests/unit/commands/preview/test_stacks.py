"""What goes wrong with one stack is told of that stack, and costs no other
its report.
"""

import json
import sys
from pathlib import Path

import pytest

from commands.preview import __main__ as command
from commands.preview.engine import Engine, Previewed
from commands.preview.meaning.report import Report
from commands.preview.meaning.steps import read_preview
from commands.stack.cli import StackError
from tests.paths import PREVIEWS

SECRET = "opensesame"


class Recorded(Engine):
    """Previews as they were recorded; of a stack `broken` this program makes a mistake,
    and `locked` is refused by the CLI.
    """

    def preview(self, stack: str) -> Previewed:
        if stack == "broken":
            raise KeyError(SECRET)
        if stack == "locked":
            raise StackError("the stack is locked\n::add-mask::\x1b[2J")
        return Previewed(
            read_preview(json.loads((PREVIEWS / f"{stack}.json").read_text())), 1.0, is_new=False
        )


@pytest.mark.parametrize("options", [[], ["--exit-codes"]])
def test_a_mistake_with_one_stack_loses_no_other_and_tells_no_secret(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "Engine", Recorded)
    for asks in ("add_manifests", "ask_the_cluster"):
        monkeypatch.setattr(command, asks, lambda *_, **__: None)
    monkeypatch.setattr(
        sys, "argv", ["preview", "memory", "broken", "locked", "nothing", "--output", str(tmp_path), *options]
    )
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 1
    report = Report.model_validate_json((tmp_path / "report.json").read_bytes())
    assert {stack.stack: stack.level for stack in report.stacks} == {
        "memory": "restarts",
        "broken": "failed",
        "locked": "failed",
        "nothing": "nothing",
    }
    (mistake,) = report.stacks[1].errors
    assert mistake.startswith(
        "no report, for a mistake in this program: KeyError at tests/unit/commands/preview/test_stacks.py,"
        " line "
    )
    assert mistake.endswith("; what it says is left out, as it may quote a secret")
    printed = capsys.readouterr()
    assert f"broken: {mistake}\n" in printed.err
    assert f"\n{mistake}\n" in printed.out
    assert "\n\\x3a:add-mask::\\x1b[2J\n" in printed.out
    written = [file.read_text() for file in tmp_path.iterdir()]
    assert len(written) == 4
    assert not any(SECRET in text for text in (*written, printed.out, printed.err))
