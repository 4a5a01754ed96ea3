"""After `make up`, the commands for one's own stacks work on the one that it has
brought up, and touch nothing else of the user's.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from local import tools
from local.errors import LocalError
from local.stack import kuberay_version

ROOT = tools.LOCAL.parent
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", "report")


class Clone:
    """A clone of the project with a cluster of its own, and a user who is logged in
    elsewhere.
    """

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        self.user = folder.with_name("user")
        login = self.user / ".pulumi/credentials.json"
        login.parent.mkdir(parents=True)
        login.write_text('{"current": "https://api.example"}')
        kubeconfig = self.user / ".kube/config"
        kubeconfig.parent.mkdir()
        kubeconfig.write_text("apiVersion: v1\nkind: Config\n")
        kept = {
            key: value for key, value in os.environ.items() if not key.startswith(("PULUMI_", "KUBE", "MAKE"))
        }
        self.environment = {
            **kept,
            "HOME": str(self.user),
            "KUBERAY_HOME": str(home),
            "KUBERAY_CACHE": str(tools.cache_folder()),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }

    def make(self, *arguments: str, ok: bool = True) -> str:
        """What it prints."""
        return self.run(["make", *arguments], ok=ok)

    def run(self, command: list[str], *, ok: bool = True) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert (done.returncode == 0) is ok, done.stdout + done.stderr
        return done.stdout + done.stderr

    def files_of_the_user(self) -> dict[str, bytes]:
        return {
            str(file.relative_to(self.user)): file.read_bytes()
            for file in self.user.rglob("*")
            if file.is_file()
        }

    def set_worker_memory(self, memory: str) -> None:
        file = self.folder / "Pulumi.dev.yaml"
        settings = yaml.safe_load(file.read_text())
        settings["config"]["kuberay:clusters"]["raycluster"]["worker"]["memory"] = memory
        file.write_text(yaml.safe_dump(settings))


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    folder = tmp_path_factory.mktemp("clone")
    program = shutil.copytree(ROOT, folder / "kuberay", ignore=LEFT_OUT)
    (program / ".venv").symlink_to(ROOT / ".venv")
    clone = Clone(program, folder / "home")
    before = clone.files_of_the_user()
    try:
        clone.make("up", "NODES=simulated")
        yield clone
    finally:
        clone.make("down")
    assert not (folder / "home").exists()
    after = clone.files_of_the_user()
    assert {name for name in before | after if before.get(name) != after.get(name)} == set()


def test_up_ends_with_what_to_type_next(clone: Clone) -> None:
    printed = clone.make("up").splitlines()
    start = printed.index(next(line for line in printed if line.startswith("Ready after")))
    assert printed[start + 1 : start + 6] == [
        "",
        (
            "  sed -i '$ s/2G/3G/' Pulumi.dev.yaml && make preview       # more memory for the worker: what"
            " would restart"
        ),
        "  make up                                                   # brings it",
        (
            '  eval "$(make -s env)"                                     # kubectl and helm of this shell'
            " work on it, pulumi in $KUBERAY_WORKSPACE"
        ),
        "  make down                                                 # destroys it and stops everything",
    ]


def test_preview_drift_and_doctor_look_at_the_local_stack(clone: Clone) -> None:
    for target, said in {
        "preview": "nothing changes",
        "drift": "nothing was edited or deleted there",
        "doctor": "\n1 warning",
    }.items():
        printed = clone.make(target)
        assert "dev: on this machine's cluster (LOCAL=no: on your own)" in printed
        assert said in printed


def test_a_changed_memory_is_previewed_and_then_reached(clone: Clone) -> None:
    try:
        clone.run(["sh", "-c", "sed -i '$ s/2G/3G/' Pulumi.dev.yaml"])
        assert "1 pod of workergroup restarts (memory 2G → 3G)" in clone.make("preview")
        assert "5G" in clone.make("up")
        assert "nothing changes" in clone.make("preview")
    finally:
        clone.set_worker_memory("2G")
        clone.make("deploy", "ARGS=--yes")
    assert "nothing changes" in clone.make("preview")


def test_pulumi_kubectl_and_helm_of_a_shell_work_on_the_local_cluster_and_leave_no_keys(
    clone: Clone, tmp_path: Path
) -> None:
    # By way of another command, as a script would start it.
    pulumi = "timeout 300 pulumi"
    preview = f'cd "$KUBERAY_WORKSPACE" && {pulumi} preview --stack dev --non-interactive --expect-no-changes'
    shell = f'export TMPDIR={tmp_path} && eval "$(make -s env)"'
    printed = clone.run(["bash", "-c", f"{shell} && {preview} && kubectl get rayclusters -A && helm ls -A"])
    assert list(tmp_path.glob("kubeconfig*")) == []
    assert "unchanged" in printed
    assert "raycluster-kuberay" in printed
    assert "kuberay-operator" in printed


def test_stacks_of_two_places_are_named_one_by_one(clone: Clone) -> None:
    refused = clone.make("preview", "STACK=dev prod", ok=False)
    assert (
        "error: dev: on this machine's cluster, and prod not; name them one by one, or add LOCAL=no"
        in refused
    )


def test_a_stack_of_the_users_own_is_looked_for_where_the_user_is_logged_in(clone: Clone) -> None:
    for arguments in (["preview", "LOCAL=no"], ["preview", "STACK=prod"]):
        assert "on this machine's cluster" not in clone.make(*arguments, ok=False)


def test_a_stack_that_is_nowhere_is_named_with_those_that_are_up_here(clone: Clone) -> None:
    without_pulumi = os.pathsep.join(
        folder
        for folder in clone.environment["PATH"].split(os.pathsep)
        if not Path(folder, "pulumi").exists()
    )
    refused = clone.make("preview", "STACK=prod", f"PATH={without_pulumi}", ok=False)
    assert "error: stack prod is not up here; these are: dev" in refused


def test_keys_that_the_plugin_leaves_lie_in_the_folder_of_the_cluster(clone: Clone) -> None:
    assert list(Path(clone.environment["KUBERAY_HOME"], "tmp").glob("kubeconfig*"))


def test_destroy_takes_the_stack_away_and_up_brings_it_back(clone: Clone) -> None:
    clone.make("destroy", "ARGS=--yes")
    assert "raycluster-kuberay" not in clone.make("status")
    assert "ready" in clone.make("up")


@pytest.mark.parametrize("text", ["config: 3", "config: [a]", "- config", "text"])
def test_a_stack_file_of_another_shape_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text(text)
    with pytest.raises(LocalError) as told:
        kuberay_version(tmp_path, "dev")
    assert str(told.value) == f"{file} has to be a map, and config in it a map of settings"
