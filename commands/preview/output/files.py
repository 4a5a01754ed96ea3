"""The report in each of its forms, in a folder."""

import json
from pathlib import Path

from commands.preview.meaning.report import Report
from commands.preview.output.markdown import COMMENT_LIMIT, markdown
from commands.preview.output.terminal import terminal


def write(report: Report, folder: Path, title: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(as_json(report))
    (folder / "report.md").write_text(markdown(report, title=title))
    (folder / "comment.md").write_text(markdown(report, limit=COMMENT_LIMIT, title=title))
    (folder / "report.txt").write_text(terminal(report, colours=False))


def as_json(report: Report) -> str:
    """The report as data. A text of others is written in ASCII and so that no log takes
    it for a command, and is read as it was.
    """
    return json.dumps(report.model_dump(mode="json"), indent=2).replace("##", r"#\u0023") + "\n"
