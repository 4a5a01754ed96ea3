"""A mistake of this program is told by its kind and place: what it says may quote
a secret.
"""

import re
import sys
from types import ModuleType
from typing import Any

import pytest

from commands.adopt import __main__ as adopt
from commands.destroy import __main__ as destroy
from commands.doctor import __main__ as doctor


def fail(*_: object, **__: object) -> Any:
    raise KeyError("hunter2")


@pytest.mark.parametrize(
    ("command", "part"), [(adopt, "_read"), (destroy, "Destruction"), (doctor, "Examination")]
)
def test_nothing_is_told_of_what_it_says(
    monkeypatch: pytest.MonkeyPatch, command: ModuleType, part: str
) -> None:
    monkeypatch.setattr(command, part, fail)
    monkeypatch.setattr(sys, "argv", ["command", "--stack", "dev"])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert re.fullmatch(
        r"error: a mistake in this program: KeyError at tests/unit/commands/test_mistakes\.py, line \d+; what"
        r" it says is left out, as it may quote a secret",
        str(ended.value.code),
    )


def test_adopt_stops_where_nobody_can_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object) -> Any:
        raise EOFError

    monkeypatch.setattr(adopt, "_read", nobody)
    monkeypatch.setattr(sys, "argv", ["command", "--stack", "dev"])
    with pytest.raises(SystemExit) as ended:
        adopt.main()
    assert ended.value.code == "\nstopped; nothing is written"
