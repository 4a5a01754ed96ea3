"""Interrupts reach Pulumi."""

import subprocess
import sys

import pytest

PROGRAM = """
import subprocess, sys
from commands.stack.interrupts import take_interrupts
if "take" in sys.argv:
    take_interrupts()
asked = "import signal; print(signal.getsignal(signal.SIGINT) is not signal.SIG_IGN)"
answer = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
print(answer.stdout.strip())
"""


@pytest.mark.parametrize(("arguments", "taken"), [([], "False"), (["take"], "True")])
def test_what_a_command_in_the_background_starts_takes_interrupts_again(
    arguments: list[str], taken: str
) -> None:
    # A script's shell ignores interrupts in what it runs in the background.
    background = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-c", PROGRAM, *arguments]
    assert subprocess.run(background, capture_output=True, text=True, check=True).stdout.strip() == taken
