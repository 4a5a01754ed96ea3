"""Tools are built once, and again when what they are made of changes."""

import shutil
from pathlib import Path

import pytest

from local import tools
from local.errors import LocalError
from local.tools import Tool


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
    """A module of one file, and a cache of its own."""
    monkeypatch.setenv("KUBERAY_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "hello"
    folder.mkdir()
    (folder / "go.mod").write_text(
        "module hello\n\ngo 1.21\n\n// require example.org/hello v1.2.3\nrequire example.org/hello v1.2.3\n"
    )
    (folder / "main.go").write_text('package main\n\nfunc main() { println("hello") }\n')
    return Tool("hello", folder, "example.org/hello", {"hello": "."})


def test_the_version_is_the_one_that_go_mod_pins(tool: Tool) -> None:
    assert tool.version == "1.2.3"


def test_every_tool_of_this_project_has_a_version() -> None:
    every = [
        tools.PULUMI,
        tools.PYTHON_HOST,
        tools.KUBERNETES,
        tools.ETCD,
        tools.KWOK,
        tools.HELM,
        tools.PROVIDER,
        tools.operator("1.3.0"),
    ]
    assert all(tool.version[0].isdigit() for tool in every)


def test_a_changed_source_is_another_build(tool: Tool) -> None:
    before = tool.key
    (tool.folder / "main.go").write_text("package main\n\nfunc main() {}\n")
    assert tool.key != before


def test_a_changed_flag_is_another_build(tool: Tool) -> None:
    assert (
        Tool(tool.name, tool.folder, tool.source, tool.programs, link="-X main.version={version}").key
        != tool.key
    )


def test_the_same_pins_in_another_clone_are_the_same_build(tool: Tool, tmp_path: Path) -> None:
    clone = shutil.copytree(tool.folder, tmp_path / "clone")
    assert Tool(tool.name, clone, tool.source, tool.programs).key == tool.key


def test_the_plugin_is_of_the_release_that_the_python_sdk_asks_for() -> None:
    assert tools.provider_version() == tools.PROVIDER.version


@pytest.mark.parametrize(
    ("version", "is_used"),
    [((3, 246, 0), True), ((3, 300, 0), True), ((3, 245, 9), False), ((4, 0, 0), False), ((), False)],
)
def test_a_pulumi_cli_on_path_is_used_when_it_is_new_enough(version: tuple[int, ...], is_used: bool) -> None:
    assert tools.does(tools.PULUMI, version) is is_used


def test_etcd_on_path_is_used_in_the_pinned_version_alone() -> None:
    pinned = tuple(map(int, tools.ETCD.version.split(".")))
    assert tools.does(tools.ETCD, pinned)
    assert not tools.does(tools.ETCD, (*pinned[:2], pinned[2] + 1))


def test_a_module_that_pins_something_else_is_named(tool: Tool) -> None:
    with pytest.raises(LocalError, match=r"go\.mod does not pin example\.org/other"):
        _ = Tool("other", tool.folder, "example.org/other", {}).version


def test_a_tool_is_built_once(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    (tool.folder / "go.mod").write_text("module hello\n\ngo 1.21\n")
    made = Tool("hello", tool.folder, "hello", {"hello": "."})
    monkeypatch.setattr(Tool, "version", "1.2.3")
    assert tools.ensure([made])["hello"].exists()

    def no_go() -> Path:
        raise AssertionError("nothing has to be built")

    monkeypatch.setattr(tools, "find_go", no_go)
    assert tools.ensure([made])["hello"].exists()


def test_a_failed_build_shows_the_end_of_its_log_and_leaves_nothing_to_find(
    tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tool.folder / "go.mod").write_text("module hello\n\ngo 1.21\n")
    (tool.folder / "main.go").write_text("package main\n\nfunc main() { undefined() }\n")
    monkeypatch.setattr(Tool, "version", "1.2.3")
    with pytest.raises(LocalError, match="undefined: undefined"):
        tools.ensure([tool])
    assert tools.in_cache(tool) == {}


def test_a_copy_on_the_path_is_used_only_at_the_pinned_version(
    tool: Tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin/hello"
    program.parent.mkdir()
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    asked = Tool(tool.name, tool.folder, tool.source, tool.programs, answers=("hello", "version"))
    for answer, used in {"v1.2.3": True, "hello 1.2.30": False, "11.2.3": False}.items():
        program.write_text(f"#!/bin/sh\necho {answer}\n")
        program.chmod(0o755)
        assert bool(tools.on_path(asked)) is used, answer


def test_an_operator_version_without_a_folder_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(LocalError, match=r"KubeRay 0\.9\.0 cannot be run on this machine, only 1\.3\.0"):
        tools.operator("0.9.0")
