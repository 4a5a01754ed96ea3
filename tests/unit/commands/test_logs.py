"""What commands print and the program logs holds texts of others, and goes through what
makes them safe for a terminal and a log.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.paths import ROOT

FILES = sorted(file for folder in ("commands", "components") for file in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_text_that_is_put_together_is_printed_as_it_is(file: Path) -> None:
    assert [
        ast.unparse(call)
        for call in prints(file)
        if any(isinstance(argument, ast.JoinedStr) for argument in call.args)
    ] == []


def prints(file: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in (
            "print",
            "sys.exit",
            "sys.stdout.write",
            "sys.stderr.write",
            "pulumi.log.info",
            "pulumi.log.warn",
            "pulumi.log.error",
            "pulumi.log.debug",
        ):
            yield node
