"""One Pulumi stack of this project on a local cluster. The committed stack files are
read and never written.
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

from local.cluster import LocalCluster
from local.errors import LocalError


class LocalStack:
    """The stack `name` of the Pulumi program in `program`, with its state in the
    cluster's folder.

    `pulumi` runs in the cluster's workspace, a project folder of its own: there each
    stack file is the committed one with what is different on this machine, and the salt
    that `stack init` writes.
    """

    def __init__(self, cluster: LocalCluster, program: Path, name: str) -> None:
        self.cluster = cluster
        self.program = program
        self.name = name
        self.workspace = cluster.home.workspace

    @property
    def file(self) -> Path:
        """Its settings on this machine."""
        return self.workspace / f"Pulumi.{self.name}.yaml"

    @property
    def namespace(self) -> str:
        """Where its Ray clusters are."""
        return _load(self.file).get("config", {}).get("kuberay:namespace", "kuberay")

    def up(self) -> None:
        """Makes the stack when it is not there, and brings it up."""
        self.configure()
        self._unlock()
        self._run("up", "--yes", "--skip-preview")

    def destroy(self) -> None:
        """Takes everything in the stack away again."""
        self._unlock()
        self._run("destroy", "--yes", "--skip-preview")

    def outputs(self) -> dict[str, Any]:
        """What the program exports."""
        return json.loads(self._run("stack", "output", "--json", quiet=True))

    def configure(self) -> None:
        """Takes over what the committed stack file says by now."""
        committed = _stack_file(self.program, self.name)
        made = {
            "kuberay:chartRepository": self.cluster.charts_url,
            "kubernetes:kubeconfig": str(self.cluster.kubeconfig),
        }
        adapted = local_config(_load_stack(committed), made, _load(self.file).get("encryptionsalt"))
        for remark in self.cluster.remarks(adapted["config"]):
            print(f"{self.name}: {remark}", file=sys.stderr, flush=True)
        content = adapted | {"config": self.cluster.adapted(adapted["config"])}
        self._write_project()
        self.file.write_text(yaml.safe_dump(content, sort_keys=False))
        # Asked of the state: a run may have been killed before it made the stack.
        if not list((self.cluster.home.folder / "state/.pulumi/stacks").glob(f"*/{self.name}.json")):
            self._run("stack", "init", self.name, "--secrets-provider", "passphrase", quiet=True)

    def _write_project(self) -> None:
        self.workspace.mkdir(parents=True, exist_ok=True)
        # A project's program has to lie below it.
        program = self.workspace / "program"
        program.unlink(missing_ok=True)
        program.symlink_to(self.program)
        project = _load(self.program / "Pulumi.yaml")
        project["main"] = program.name
        project["runtime"]["options"]["virtualenv"] = sys.prefix
        (self.workspace / "Pulumi.yaml").write_text(yaml.safe_dump(project, sort_keys=False))

    def _unlock(self) -> None:
        """Frees the stack of a run that was killed."""
        locked = any((self.cluster.home.folder / "state/.pulumi/locks").rglob("*.json"))
        running = any(process.name() == "pulumi" for process in self.cluster.processes())
        if locked and not running:
            self._run("cancel", "--yes", quiet=True)

    def _run(self, *arguments: str, quiet: bool = False) -> str:
        named = () if arguments[:2] == ("stack", "init") else ("--stack", self.name)
        return self.cluster.run_pulumi([*arguments, *named], self.workspace, quiet=quiet)


def _stack_file(program: Path, stack: str) -> Path:
    file = program / f"Pulumi.{stack}.yaml"
    if not file.exists():
        known = ", ".join(sorted(file.name.split(".")[1] for file in program.glob("Pulumi.*.yaml")))
        raise LocalError(f"there is no stack {stack} here ({known})")
    return file


def kuberay_version(program: Path, stack: str) -> str:
    """The version that the stack's settings ask for, or the project's default."""
    settings = _load_stack(_stack_file(program, stack)).get("config") or {}
    default = (
        _load(program / "Pulumi.yaml").get("config", {}).get("kuberayVersion", {}).get("default", "1.3.0")
    )
    return settings.get("kuberay:kuberayVersion", default)


def local_config(committed: dict[str, Any], made: dict[str, str], salt: str | None) -> dict[str, Any]:
    """The committed stack file with this machine's values over it, and the salt that
    secrets of this state were encrypted with.
    """
    content = committed | {"config": (committed.get("config") or {}) | made}
    return content | ({"encryptionsalt": salt} if salt and "encryptionsalt" not in committed else {})


def _load_stack(file: Path) -> dict[str, Any]:
    """A stack file with its settings by their whole names: to Pulumi, `clusters` is
    `kuberay:clusters`.
    """
    content = _load(file)
    settings: dict[str, Any] = {}
    for key, value in (content.get("config") or {}).items():
        name = key if ":" in str(key) else f"kuberay:{key}"
        if name in settings:
            raise LocalError(f"{file.name} has {name} twice, with its prefix and without; keep one of them")
        settings[name] = value
    return content | ({"config": settings} if settings else {})


def _load(file: Path) -> dict[str, Any]:
    try:
        content: Any = (yaml.safe_load(file.read_text()) or {}) if file.exists() else {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise LocalError(
            f"{file} is not readable YAML{where}: {getattr(error, 'problem', None) or 'see there'}"
        ) from None
    if not (isinstance(content, dict) and isinstance(content.get("config") or {}, dict)):  # pyright: ignore[reportUnknownMemberType]
        raise LocalError(f"{file} has to be a map, and config in it a map of settings")
    return content  # pyright: ignore[reportUnknownVariableType]
