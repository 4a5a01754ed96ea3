"""Mistakes of this program, as far as they may be told."""

import traceback
from pathlib import Path

from commands.stack.cli import PROGRAM


def mistake(error: Exception) -> str:
    """Where this program has failed, and at what. What the error says may quote
    anything of the stack, and is left out.
    """
    frames = traceback.extract_tb(error.__traceback__)
    files = [(Path(frame.filename), frame.lineno) for frame in frames]
    # Not in a library: what it was given there says more.
    file, line = [one for one in files if one[0].is_relative_to(PROGRAM) and ".venv" not in one[0].parts][-1]
    return (
        f"a mistake in this program: {type(error).__name__} at {file.relative_to(PROGRAM)}, line {line}; what"
        " it says is left out, as it may quote a secret"
    )
