"""How the commands begin and end: options, interrupts, and one line for what goes
wrong.
"""

import argparse
import sys
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from commands.stack.cli import PROGRAM, StackError
from commands.stack.interrupts import take_interrupts
from kuberay.facts.visible import log_line, log_lines


def command_parser(module: str, about: str | None, epilog: str | None = None) -> argparse.ArgumentParser:
    """Of a command without its options; ``about``: the docstring of its module."""
    return argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=about,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


@contextmanager
def ends_in_a_line(stopped: str) -> Generator[None]:
    """Runs a command that takes interrupts, and ends it with one line where it fails.
    ``stopped``: what to say of an interrupt.
    """
    take_interrupts()
    try:
        yield
    except StackError as error:
        sys.exit(log_lines(f"error: {error}"))
    except Exception as error:
        sys.exit(log_line(f"error: {mistake(error)}"))
    except KeyboardInterrupt:
        sys.exit("\n" + stopped)


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
