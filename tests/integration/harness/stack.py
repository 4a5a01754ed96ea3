"""A stack of the real program, driven through the real CLI."""

import contextlib
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from local.cluster import LocalCluster
from tests.paths import ROOT

#: Pulumi.dev.yaml's settings.
GUIDE = {"architecture": "aarch64", "rayVersion": "2.46.0", "pythonVersion": "3.10"}


@dataclass(frozen=True)
class Run:
    """What one `pulumi` command did."""

    ok: bool
    text: str
    """Everything it printed."""
    seconds: float

    @property
    def ended_early(self) -> bool:
        """Whether `up` did not wait for all of the time that it is given: where that is
        over, it says so.
        """
        return "(timeoutSeconds)" not in self.text

    @property
    def error_lines(self) -> list[str]:
        """What it printed as errors, without the CLI's own framing."""
        return [line for line in self.text.splitlines() if re.match(r"\s*error:|\s*kuberay:", line)]


@dataclass(frozen=True)
class Preview:
    """The steps that `pulumi preview --json` announces."""

    steps: Mapping[str, str]
    """Operation by resource: ``{"Stash raycluster.workergroup.pods": "replace", …}``.
    """

    @property
    def changes(self) -> dict[str, str]:
        """Without the record of what the API server was asked, which changes with
        whatever else does.
        """
        changes = {resource: operation for resource, operation in self.steps.items() if operation != "same"}
        others = {
            resource: operation for resource, operation in changes.items() if resource != "Stash dry-run"
        }
        return others or changes


class Stack:
    """One stack with a config file of its own; the program's files are only read."""

    def __init__(
        self,
        cluster: LocalCluster,
        name: str,
        folder: Path,
        program: Path = ROOT,
        kubeconfig: Path | None = None,
    ) -> None:
        """``kubeconfig``: that of the cluster, unless another leads to it."""
        self.cluster = cluster
        self.kubeconfig = kubeconfig or cluster.kubeconfig
        self.name = name
        self.program = program
        self._environment_more: dict[str, str] = {}
        self.is_up = False
        """Whether the last `up` has ended well, and nothing was destroyed since."""
        self.config_file = folder / f"Pulumi.{name}.yaml"
        # `stack init` writes the stack's salt beside Pulumi.yaml: beside a copy here.
        shutil.copy(program / "Pulumi.yaml", folder)
        self._run(
            ["pulumi", "stack", "init", name, "--secrets-provider", "passphrase", "--non-interactive"], folder
        )
        self.configure({})

    def configure(self, settings: Mapping[str, Any]) -> None:
        """The whole config of the stack, without the project's prefix. KubeRay is of
        the version that the cluster has an operator of.
        """
        config: dict[str, Any] = {
            "kuberay:chartRepository": self.cluster.charts_url,
            "kuberay:timeoutSeconds": 90,
        }
        config["kuberay:kuberayVersion"] = self.cluster.kuberay_versions[0]
        config |= {f"kuberay:{key}": value for key, value in settings.items()}
        config["kubernetes:kubeconfig"] = str(self.kubeconfig)
        config = self.cluster.adapted(config)
        salt = yaml.safe_load(self.config_file.read_text()) if self.config_file.exists() else {}
        kept = {key: value for key, value in salt.items() if key != "config"}
        self.config_file.write_text(yaml.safe_dump({"config": config, **kept}))

    def up(self, *arguments: str) -> Run:
        run = self._pulumi("up", "--yes", "--skip-preview", *arguments, check=False)
        self.is_up = run.ok
        return run

    def up_or_fail(self) -> Run:
        run = self.up()
        assert run.ok, run.text
        return run

    def up_killed_after(self, seconds: float) -> bool:
        """Kills `up` and all that it has started, without a warning; False where it had
        ended by then.
        """
        return self._killed_after("up", seconds)

    def destroy_killed_after(self, seconds: float) -> bool:
        """The same of `destroy`."""
        return self._killed_after("destroy", seconds)

    def _killed_after(self, command_name: str, seconds: float) -> bool:
        ends = time.monotonic() + seconds
        return self._killed(command_name, lambda: time.monotonic() > ends)

    def up_killed_when(self, there: Callable[[], object]) -> None:
        """The same, as soon as something is there."""
        assert self._killed("up", there), "`up` has ended before"

    def _killed(self, command_name: str, now: Callable[[], object]) -> bool:
        self.is_up = False
        command = self.command(command_name, "--yes", "--skip-preview")
        quiet = subprocess.DEVNULL
        with subprocess.Popen(
            command, cwd=ROOT, env=self._environment(), stdin=quiet, stdout=quiet, stderr=quiet
        ) as pulumi:
            while pulumi.poll() is None:
                if now():
                    # Plugins have process groups of their own.
                    parent = psutil.Process(pulumi.pid)
                    for process in [parent, *parent.children(recursive=True)]:
                        with contextlib.suppress(psutil.NoSuchProcess):
                            process.kill()
                    return True
                time.sleep(0.02)
        return False

    def preview(self) -> Preview:
        run = self._pulumi("preview", "--json")
        steps = json.loads(run.text[run.text.index("{") :])["steps"]
        return Preview(
            {_resource(step["urn"]): step["op"] for step in steps if step["op"] in _WHOLE_OPERATIONS}
        )

    def preview_json(self, *options: str) -> Run:
        """The CLI's document as it is."""
        return self._pulumi("preview", "--json", *options, check=False)

    def make_preview(self, *arguments: str) -> Run:
        """What `make preview` runs; the report is in the folder `report` beside the
        config file.
        """
        folder = self.config_file.parent
        command = [
            sys.executable,
            "-m",
            "commands.preview",
            "--config-folder",
            str(folder),
            "--output",
            str(folder / "report"),
            *arguments,
        ]
        return self._run(command, ROOT, check=False)

    def preview_text(self) -> Run:
        return self._pulumi("preview", "--diff", check=False)

    def preview_that_says(self, text: str) -> Run:
        """The first preview that says it, of a minute and a half of them: one does not
        wait for a busy API server, nor for what was just made to hold.
        """
        ends = time.monotonic() + 90
        while text not in (preview := self.preview_text()).text:
            assert time.monotonic() < ends, f"no preview says {text!r}:\n{preview.text}"
        return preview

    def destroy(self) -> Run:
        self.is_up = False
        return self._pulumi("destroy", "--yes", "--skip-preview", check=False)

    def clear(self) -> None:
        """Destroys it, and deletes the namespace, which that leaves."""
        destroyed = self.destroy()
        assert destroyed.ok, destroyed.text
        self.cluster.kubectl("delete", "namespace", "kuberay", "--ignore-not-found")

    def forget(self) -> None:
        """Takes its state away; what it has made stays."""
        self.is_up = False
        self._pulumi("stack", "rm", "--yes", "--force", "--preserve-config")

    def make_destroy(self) -> Run:
        """What `make destroy` runs."""
        self.is_up = False
        return self._command("destroy", "--yes")

    def make_adopt(self, *arguments: str) -> Run:
        """What `make adopt` runs."""
        return self._command("adopt", "--yes", *arguments)

    def make_doctor(self) -> Run:
        """What `make doctor` runs."""
        return self._command("doctor")

    def _command(self, command: str, *arguments: str) -> Run:
        line = [
            sys.executable,
            "-m",
            f"commands.{command}",
            "--stack",
            self.name,
            "--config-file",
            str(self.config_file),
            *arguments,
        ]
        return self._run(line, ROOT, check=False)

    def pulumi(self, command: str, *arguments: str) -> Run:
        """A command that changes things, as the doctor names it."""
        agreed = [] if command == "cancel" else ["--skip-preview"]
        return self._pulumi(command, "--yes", *agreed, *arguments, check=False)

    def refresh(self) -> Run:
        return self._pulumi("refresh", "--yes", "--skip-preview", check=False)

    def cancel(self) -> Run:
        return self._pulumi("cancel", "--yes", check=False)

    def outputs(self) -> dict[str, Any]:
        return json.loads(self._pulumi("stack", "output", "--json").text)

    def resources(self) -> list[dict[str, Any]]:
        return self.state().get("resources", [])

    def needs(self) -> dict[str, set[str]]:
        """What each resource depends on: ``{"Release raycluster": {"Namespace kuberay",
        …}, …}``.
        """
        return {
            _resource(found["urn"]): {_resource(urn) for urn in found.get("dependencies", [])}
            for found in self.resources()
        }

    def state(self) -> dict[str, Any]:
        return json.loads(self._pulumi("stack", "export").text)["deployment"]

    def replace_state(self, deployment: Mapping[str, Any]) -> None:
        file = self.config_file.with_name("state.json")
        file.write_text(json.dumps({"version": 3, "deployment": deployment}))
        self._pulumi("stack", "import", "--file", str(file))

    def _environment(self) -> dict[str, str]:
        return self.cluster.pulumi_env() | self._environment_more

    @contextlib.contextmanager
    def state_at_the_end(self) -> Generator[None]:
        """Pulumi writes the state when a run ends, and not twice for each resource,
        which of a hundred clusters takes half of the time.
        """
        self._environment_more = {"PULUMI_SKIP_CHECKPOINTS": "true"}
        try:
            yield
        finally:
            self._environment_more = {}

    @contextlib.contextmanager
    def cluster_out_of_reach(self) -> Generator[None]:
        """The stack's kubeconfig names a port on which nobody listens."""
        config = yaml.safe_load(self.config_file.read_text())
        kubeconfig = yaml.safe_load(self.kubeconfig.read_text())
        for entry in kubeconfig["clusters"]:
            entry["cluster"]["server"] = "https://127.0.0.1:1"
        config["config"]["kubernetes:kubeconfig"] = json.dumps(kubeconfig)
        before = self.config_file.read_text()
        self.config_file.write_text(yaml.safe_dump(config))
        try:
            yield
        finally:
            self.config_file.write_text(before)

    def command(self, *arguments: str) -> list[str]:
        # `stack …` and `cancel` read no settings and take no config file.
        config = (
            ["--config-file", str(self.config_file)]
            if arguments[0] in ("up", "preview", "destroy", "refresh", "config")
            else []
        )
        return ["pulumi", *arguments, *config, "--stack", self.name, "--non-interactive", "--color", "never"]

    def _pulumi(self, *arguments: str, check: bool = True) -> Run:
        return self._run(self.command(*arguments), self.program, check=check)

    def _run(self, command: list[str], folder: Path, *, check: bool = True) -> Run:
        started = time.monotonic()
        done = subprocess.run(
            command,
            cwd=folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        run = Run(done.returncode == 0, done.stdout + done.stderr, time.monotonic() - started)
        assert run.ok or not check, f"{' '.join(command)}\n{run.text}"
        return run


#: One entry a resource: of a replacement the CLI also lists its halves.
_WHOLE_OPERATIONS = ("same", "create", "update", "delete", "replace", "read")


def guide(**cluster: Any) -> dict[str, Any]:
    """The guide's stack, with these settings of its cluster."""
    return GUIDE | {"clusters": {"raycluster": cluster}}


def _resource(urn: str) -> str:
    *_, kind, name = urn.split("::")
    return f"{kind.rsplit(':', 1)[-1]} {name}"
