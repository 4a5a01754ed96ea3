"""The stack file for a run on this machine."""

from pathlib import Path

import pytest

from local.__main__ import next_steps, within
from local.cluster import LocalCluster
from local.control_plane import Home
from local.errors import LocalError
from local.stack import kuberay_version, local_config


def test_what_this_machine_needs_lies_over_the_committed_settings() -> None:
    committed = {
        "config": {"kuberay:architecture": "aarch64", "kuberay:chartRepository": "https://charts.example"}
    }
    made = local_config(committed, {"kuberay:chartRepository": "http://127.0.0.1:1/"}, None)
    assert made == {
        "config": {"kuberay:architecture": "aarch64", "kuberay:chartRepository": "http://127.0.0.1:1/"}
    }


def test_the_salt_of_the_stack_that_is_there_stays() -> None:
    assert local_config({"config": {}}, {}, "salt")["encryptionsalt"] == "salt"


def test_a_committed_salt_goes_first() -> None:
    assert (
        local_config({"config": {}, "encryptionsalt": "committed"}, {}, "salt")["encryptionsalt"]
        == "committed"
    )


def test_a_stack_file_without_settings_will_do() -> None:
    assert local_config({}, {"a": "b"}, None) == {"config": {"a": "b"}}


def test_a_setting_may_be_written_without_its_prefix(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text("config:\n  kuberayVersion: 1.6.2\n")
    assert kuberay_version(tmp_path, "dev") == "1.6.2"
    file.write_text("config:\n  kuberayVersion: 1.6.2\n  kuberay:kuberayVersion: 1.3.0\n")
    with pytest.raises(LocalError) as told:
        kuberay_version(tmp_path, "dev")
    assert str(told.value) == (
        "Pulumi.dev.yaml has kuberay:kuberayVersion twice, with its prefix and without; keep one of them"
    )


def test_a_command_never_goes_elsewhere_because_the_local_cluster_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Home(tmp_path).workspace
    workspace.mkdir()
    (workspace / "Pulumi.dev.yaml").write_text("config: {}\n")
    monkeypatch.setattr("os.execvpe", lambda *_: None)  # it would take the place of the tests
    with pytest.raises(
        LocalError, match="dev: on this machine's cluster, which does not answer; `make up` starts it"
    ):
        within(tmp_path, ["dev"], ["pulumi"])


def test_without_a_cluster_here_and_a_cli_it_is_told_that_no_stack_is_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    run: list[object] = []
    monkeypatch.setattr("os.execvpe", lambda program, *_: run.append(program))
    with pytest.raises(LocalError) as refused:
        within(tmp_path, ["dev"], ["preview"])
    assert str(refused.value) == (
        "stack dev is not up here; none is; `make up` brings one up; for one of your own cluster, put"
        " `pulumi` on the PATH"
    )
    within(tmp_path, ["dev"], ["preview", "--help"])
    assert run == ["preview"]


def test_the_workers_memory_is_to_be_changed_until_someone_has_changed_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.__main__.PROGRAM", tmp_path)
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text("worker:\n  memory: 2G\n")
    cluster = LocalCluster(tmp_path / "home")
    steps = [command for command, _ in next_steps("dev", cluster)]
    assert steps[:2] == ["sed -i '$ s/2G/3G/' Pulumi.dev.yaml && make preview", "make up"]
    assert "make job" not in steps  # Simulated pods run none.
    file.write_text("worker:\n  memory: 3G\n")
    assert next_steps("dev", cluster)[0][0] == "make preview"
