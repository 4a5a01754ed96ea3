"""One Pulumi stack of this project on a local cluster. The committed stack files are read and never written."""

import json
import shutil
from pathlib import Path
from typing import Any

import yaml

from local.cluster import LocalCluster
from local.errors import LocalError


class LocalStack:
    """The stack `name` of the Pulumi program in `program`, with its state in the cluster's folder."""

    def __init__(self, cluster: LocalCluster, program: Path, name: str) -> None:
        self.cluster = cluster
        self.program = program
        self.name = name
        # `stack init` writes a new salt into the stack file beside Pulumi.yaml: it gets copies of both.
        self.copies = cluster.home.folder / "stacks" / name

    @property
    def config_file(self) -> Path:
        """The stack file that `up` is given: the committed one and what is different on this machine."""
        return self.copies / f"Pulumi.{self.name}.yaml"

    @property
    def namespace(self) -> str:
        """Where its Ray clusters are."""
        return _load(self.config_file).get("config", {}).get("kuberay:namespace", "kuberay")

    def up(self) -> None:
        """Makes the stack when it is not there, and brings it up."""
        self._write_config()
        self._unlock()
        self.cluster.run_pulumi(["up", "--yes", "--skip-preview", *self._arguments], self.program)

    def destroy(self) -> None:
        """Takes everything in the stack away again."""
        self._unlock()
        self.cluster.run_pulumi(["destroy", "--yes", "--skip-preview", *self._arguments], self.program)

    def outputs(self) -> dict[str, Any]:
        """What the program exports."""
        return json.loads(self.cluster.run_pulumi(["stack", "output", "--json", "--stack", self.name], self.copies, quiet=True))

    def _unlock(self) -> None:
        """Frees the stack of a run that was killed."""
        locked = any((self.cluster.home.folder / "state/.pulumi/locks").rglob("*.json"))
        running = any(process.name() == "pulumi" for process in self.cluster.processes())
        if locked and not running:
            self.cluster.run_pulumi(["cancel", "--yes", "--stack", self.name], self.copies, quiet=True)

    @property
    def _arguments(self) -> list[str]:
        return ["--stack", self.name, "--config-file", str(self.config_file)]

    def _write_config(self) -> None:
        committed = self.program / f"Pulumi.{self.name}.yaml"
        if not committed.exists():
            known = ", ".join(sorted(file.name.split(".")[1] for file in self.program.glob("Pulumi.*.yaml")))
            raise LocalError(f"there is no stack {self.name} here ({known})")
        made = {
            "kuberay:chartRepository": self.cluster.charts_url,
            "kubernetes:kubeconfig": str(self.cluster.kubeconfig),
        }
        known_before = _load(self.config_file)
        adapted = local_config(_load(committed), made, known_before.get("encryptionsalt"))
        content = adapted | {"config": self.cluster.adapted(adapted["config"])}
        self.copies.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.program / "Pulumi.yaml", self.copies)
        self.config_file.write_text(yaml.safe_dump(content, sort_keys=False))
        if not known_before:
            self.cluster.run_pulumi(["stack", "init", self.name, "--secrets-provider", "passphrase"], self.copies, quiet=True)


def kuberay_version(program: Path, stack: str) -> str:
    """The version that the stack's settings ask for, or the project's default."""
    default = _load(program / "Pulumi.yaml").get("config", {}).get("kuberayVersion", {}).get("default", "1.3.0")
    return (_load(program / f"Pulumi.{stack}.yaml").get("config") or {}).get("kuberay:kuberayVersion", default)


def local_config(committed: dict[str, Any], made: dict[str, str], salt: str | None) -> dict[str, Any]:
    """The committed stack file with this machine's values over it, and the salt that secrets of this state were encrypted with."""
    content = committed | {"config": (committed.get("config") or {}) | made}
    return content | ({"encryptionsalt": salt} if salt and "encryptionsalt" not in committed else {})


def _load(file: Path) -> dict[str, Any]:
    return (yaml.safe_load(file.read_text()) or {}) if file.exists() else {}
