"""What the CLI prints where it fails is passed on, and nothing that is encrypted."""

import json
import subprocess
from typing import Any

import pytest

from commands.stack import cli
from commands.stack.cli import Pulumi, StackError

CONFIG = {"kuberay:clusters": {"value": "{}", "secret": True}}
REFUSED = 'error: Invalid value: "hunter2": must be\n'


def stack(monkeypatch: pytest.MonkeyPatch, **answers: tuple[int, str, str]) -> Pulumi:
    """The CLI, with these answers: a code, what is printed, and what is printed as an
    error.
    """

    def run(arguments: Any, *_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(arguments, *answers[arguments[0]])

    monkeypatch.setattr(cli, "run_pulumi", run)
    return Pulumi("dev", None)


def failure(pulumi: Pulumi, command: str) -> str:
    with pytest.raises(StackError) as failed:
        pulumi.change(command)
    return str(failed.value)


def test_what_fails_is_told_as_the_cli_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pulumi = stack(monkeypatch, config=(0, "{}", ""), destroy=(1, "deleting\n", REFUSED))
    pulumi.config()
    assert failure(pulumi, "destroy") == f"pulumi destroy --yes failed:\ndeleting\n{REFUSED}".rstrip()


def test_of_a_stack_with_encrypted_settings_nothing_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    pulumi = stack(monkeypatch, config=(0, json.dumps(CONFIG), ""), destroy=(1, "deleting\n", REFUSED))
    pulumi.config()
    assert (
        failure(pulumi, "destroy") == "pulumi destroy --yes failed:\ndeleting\nerror: Invalid value: [secret]"
    )


def test_settings_that_were_decrypted_before_a_command_failed_are_not_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pulumi = stack(monkeypatch, config=(1, '{"a": "hunter2"', "error: killed\n"))
    with pytest.raises(StackError, match=r"^pulumi config --json failed:\nerror: killed$"):
        pulumi.config()
