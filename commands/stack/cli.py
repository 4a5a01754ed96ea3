"""The Pulumi CLI."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commands.stack.messages import without_kubeconfig
from kuberay.facts.phrases import without_values
from kuberay.live.api.connection import Connection
from kuberay.settings.stack import PROJECT, may_be_quoted

PROGRAM = Path(__file__).resolve().parent.parent.parent
#: Where Pulumi.yaml and the stack files are and `pulumi` runs: the clone, or what
#: `KUBERAY_WORKSPACE` names (`make env`).
WORKSPACE = Path(os.environ.get("KUBERAY_WORKSPACE") or PROGRAM).resolve()


class StackError(Exception):
    """Why a command cannot do its work, in one or a few lines."""


@dataclass(frozen=True)
class StackConfig:
    """What `Pulumi.<stack>.yaml` says, and Pulumi.yaml for every stack."""

    values: Mapping[str, str]
    """By whole key, ``kuberay:clusters``: texts as they are, maps and lists as JSON."""
    secret_keys: frozenset[str]

    @property
    def keeps_secrets(self) -> bool:
        """Whether what Kubernetes says of an object may quote an encrypted setting."""
        return may_be_quoted(self.secret_keys)

    def connection(self) -> Connection:
        """The cluster that the stack's provider uses."""
        return Connection.of(self.values)


def run_pulumi(
    arguments: Sequence[str], folder: Path = WORKSPACE, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """What a command printed, and its exit code; without an environment in this
    process's own.

    Raises:
        StackError: there is no CLI.
    """
    command = ["pulumi", *arguments, "--non-interactive", "--color", "never"]
    try:
        return subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            errors="backslashreplace",
            check=False,
        )
    except FileNotFoundError:
        raise StackError(
            "there is no `pulumi` on the PATH; https://www.pulumi.com/docs/install/ says how to install it"
        ) from None


class Pulumi:
    """The CLI, for one stack."""

    def __init__(self, stack: str, config_file: str | None) -> None:
        self.stack = stack
        self._config_file = ["--config-file", config_file] if config_file else []
        self._keeps_secrets = False

    @property
    def mark(self) -> str:
        """What everything carries that the stack has made
        (components/resources/recovery.py).
        """
        # The program knows its stack without the organization that it may be given with
        # here.
        return f"{PROJECT}/{self.stack.rpartition('/')[2]}"

    def ask(self, *arguments: str) -> Any:
        return json.loads(self._run(*arguments))

    def change(self, command: str, *arguments: str) -> None:
        """Runs `destroy` or `refresh`."""
        self._run(command, "--yes", "--skip-preview", *self._config_file, *arguments)

    def config(self) -> "StackConfig":
        shown: Mapping[str, Any] = self.ask("config", "--json", "--show-secrets", *self._config_file)
        values = {key: str(entry["value"]) for key, entry in shown.items() if "value" in entry}
        config = StackConfig(values, frozenset(key for key, entry in shown.items() if entry.get("secret")))
        self._keeps_secrets = config.keeps_secrets
        return config

    def _run(self, *arguments: str) -> str:
        done = run_pulumi([*arguments, "--stack", self.stack])
        if done.returncode == 0:
            return done.stdout
        if "currently locked" in done.stderr + done.stdout:
            frees = f"`pulumi cancel --stack {self.stack}` frees it"
            raise StackError(
                f"stack {self.stack} is locked by a run that goes on, or that was killed: then {frees}"
            )
        # What was asked for may be there in part, decrypted.
        asked = "" if "--show-secrets" in arguments else done.stdout
        printed = without_kubeconfig(f"{asked}{done.stderr}")
        if self._keeps_secrets:
            printed = without_values(printed)
        raise StackError(f"pulumi {' '.join(arguments[:2])} failed:\n{printed}".rstrip())
