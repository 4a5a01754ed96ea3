"""Runs `pulumi preview --json`, for a stack that is there and for one that
is not yet.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from commands.preview.meaning.steps import PRICES, SERVICES, Preview, parse_preview
from commands.stack.cli import PROGRAM, WORKSPACE, StackError, run_pulumi
from commands.stack.messages import without_kubeconfig

_NOT_THERE = "no stack named"


@dataclass(frozen=True)
class Previewed:
    preview: Preview
    seconds: float
    is_new: bool
    """Whether the backend has no such stack."""


@dataclass(frozen=True)
class Engine:
    """The CLI, with the stack files in one folder."""

    config_folder: Path = WORKSPACE
    refresh: bool = False

    def preview(self, stack: str) -> Previewed:
        """What `pulumi up` would do.

        Raises:
            StackError: the CLI could not come to a preview.
        """
        started = time.monotonic()
        file = self.config_file(stack)
        done = self._preview(stack, file)
        is_new = _NOT_THERE in done.stderr
        if is_new:
            if not file.exists():
                raise StackError(f"there is neither a stack {stack} nor a {file.name}{self._list_known()}")
            with _empty_backend(stack, file) as (copy, environment):
                done = self._preview(_short(stack), copy, environment)
        preview = parse_preview(done.stdout)
        if preview is None or (done.returncode and not preview.errors):
            raise StackError(_cause(done))
        return Previewed(preview, time.monotonic() - started, is_new)

    def secret(self, stack: str, key: str) -> str:
        """What a key of the stack's config holds that is encrypted: its kubeconfig, to
        ask the cluster with.

        Raises:
            StackError: it cannot be decrypted.
        """
        done = run_pulumi(["config", "get", key, "--stack", stack, *_config(self.config_file(stack))])
        if done.returncode:
            raise StackError(_cause(done))
        return done.stdout.strip()

    def config_file(self, stack: str) -> Path:
        """Where a stack's settings are."""
        return self.config_folder / f"Pulumi.{_short(stack)}.yaml"

    def _list_known(self) -> str:
        known = sorted(file.name.split(".")[1] for file in self.config_folder.glob("Pulumi.*.yaml"))
        return f"; there is: {', '.join(known)}" if known else ""

    def _preview(
        self, stack: str, file: Path, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        options = [
            *(["--refresh"] if self.refresh else []),
            *(["--show-sames"] if _is_about_all(file) else []),
        ]
        return run_pulumi(
            ["preview", "--json", "--stack", stack, *options, *_config(file)], environment=environment
        )


def _is_about_all(file: Path) -> bool:
    """Whether what stays has to be known too: for what a month costs, and for what
    services come to, of which the outputs do not tell. The CLI takes its time to list
    it with many clusters.
    """
    try:
        text = file.read_text()
        return PRICES in text or SERVICES in text
    except (OSError, UnicodeDecodeError):
        return False


def _config(file: Path) -> list[str]:
    # A stack can be in order without a file of its own.
    return ["--config-file", str(file)] if file.exists() and file.parent != WORKSPACE else []


@contextmanager
def _empty_backend(stack: str, file: Path) -> Generator[tuple[Path, dict[str, str]]]:
    """A backend of its own with an empty stack of this name: the user's is not given a
    stack that may never come.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, file.name)
        shutil.copy(PROGRAM / "Pulumi.yaml", folder)
        shutil.copy(file, copy)
        state = Path(folder, "state")
        state.mkdir()
        environment = {**os.environ, "PULUMI_BACKEND_URL": state.as_uri()}
        # Without a passphrase of the user's: nothing is encrypted with this one that
        # outlives the folder.
        if not any(name.startswith("PULUMI_CONFIG_PASSPHRASE") for name in environment):
            environment["PULUMI_CONFIG_PASSPHRASE"] = ""
        made = run_pulumi(
            ["stack", "init", _short(stack), "--secrets-provider", "passphrase"], Path(folder), environment
        )
        if made.returncode:
            raise StackError(_cause(made))
        yield copy, environment


def _cause(done: subprocess.CompletedProcess[str]) -> str:
    lines = [
        line.strip()
        for line in without_kubeconfig(f"{done.stderr}\n{done.stdout}").splitlines()
        if line.strip()
    ]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return "\n".join(errors or lines[-3:]) or f"pulumi ended with exit code {done.returncode}"


def _short(stack: str) -> str:
    """A stack may be named with its organization and project."""
    return stack.rpartition("/")[2]
