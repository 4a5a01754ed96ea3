"""The pipelines' files are well formed and pinned. Who may run what with which key:
tests/unit/test_pipelines.py.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from local import tools

PROJECT = tools.LOCAL.parent
WORKFLOWS = sorted((PROJECT / ".github/workflows").glob("*.yml"))
ACTION = PROJECT / ".github/actions/tools/action.yml"
GITLAB = PROJECT / "examples/gitlab-ci.yml"


def test_actionlint_finds_nothing() -> None:
    actionlint = tools.ensure([tools.ACTIONLINT])["actionlint"]
    done = subprocess.run([actionlint, *WORKFLOWS], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert WORKFLOWS


@pytest.mark.parametrize("file", [*WORKFLOWS, ACTION], ids=lambda file: file.stem)
def test_every_action_is_pinned_by_its_commit_and_says_which_release_that_is(file: Any) -> None:
    used = [line.strip() for line in file.read_text().splitlines() if "uses:" in line]
    assert all(re.search(r"uses: (\./\S+|[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$", line) for line in used), (
        used
    )


def test_the_cli_is_the_version_that_the_tests_run_on() -> None:
    file = ".pulumi.version"
    assert (PROJECT / file).read_text() == f"{tools.PULUMI.version}\n"
    assert yaml.safe_load(ACTION.read_text())["runs"]["steps"][1]["with"] == {"pulumi-version-file": file}
    gitlab = GITLAB.read_text()
    assert f"pulumi-v$(cat {file})-linux" in gitlab
    assert re.search(rf"PULUMI_SHA256: [0-9a-f]{{64}} # {re.escape(tools.PULUMI.version)},", gitlab)


def test_a_bot_raises_packages_modules_actions_and_the_cli() -> None:
    renovate = json.loads((PROJECT / ".github/renovate.json").read_text())
    # Where `pip-compile`, `gitlabci` and `custom.regex` look has to be said; go.mod and
    # workflows are found wherever they are.
    assert renovate["enabledManagers"] == [
        *("pip-compile", "gomod", "github-actions", "gitlabci", "custom.regex")
    ]
    tracked = subprocess.run(["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=True)
    files = tracked.stdout.splitlines()

    def looked_at(manager: Any) -> list[str]:
        patterns = [pattern.strip("/") for pattern in manager["managerFilePatterns"]]
        return [file for file in files if any(re.search(pattern, file) for pattern in patterns)]

    locks = [file for file in files if file.endswith(".txt") and f"{file.removesuffix('.txt')}.in" in files]
    assert looked_at(renovate["pip-compile"]) == locks
    assert looked_at(renovate["gitlabci"]) == ["examples/gitlab-ci.yml"]
    (cli,) = renovate["customManagers"]
    (file,) = looked_at(cli)
    assert file == ".pulumi.version"
    (pattern,) = (re.sub(r"\(\?<(?=\w)", "(?P<", text) for text in cli["matchStrings"])
    (found,) = re.finditer(pattern, (PROJECT / file).read_text())
    # The tests hold both to be the same, so they are raised as one.
    assert (
        f"{cli['depNameTemplate']} v{found['currentValue']} "
        in (PROJECT / "local/tools/shared/go.mod").read_text()
    )
    (group,) = (rule for rule in renovate["packageRules"] if rule.get("groupName") == "pulumi")
    assert "github.com/pulumi/**" in group["matchPackageNames"]


def test_what_gitlab_downloads_has_its_checksum() -> None:
    gitlab = _gitlab()
    script = gitlab["default"]["before_script"]
    downloads = [line.split()[2] for line in script if "curl -" in line]
    (check,) = [place for place, line in enumerate(script) if "sha256sum --check --strict" in line]
    assert downloads
    assert all(f" {file}" in script[check] for file in downloads)
    # Nothing is opened before it is checked.
    assert all("tar " not in line for line in script[:check])
    assert all(
        re.fullmatch(r"[0-9a-f]{64}", gitlab["variables"][f"{name}_SHA256"]) for name in ("PULUMI", "HELM")
    )
    assert f"# {gitlab['variables']['HELM_VERSION']}\n" in GITLAB.read_text()


def test_gitlab_calls_the_targets_that_github_calls() -> None:
    github = {
        target
        for file in WORKFLOWS
        if file.stem != "ci"
        for target in _targets(yaml.safe_load(file.read_text()))
    }
    gitlab = set(_targets(_gitlab()))
    assert github == gitlab == {"preview", "request", "join", "comment", "deploy", "drift"}


def test_every_target_that_is_called_exists() -> None:
    made = set(re.findall(r"^([a-z-]+):.*##", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    assert {target for file in WORKFLOWS for target in _targets(yaml.safe_load(file.read_text()))} <= made
    assert set(_targets(_gitlab())) <= made


def _gitlab() -> Any:
    """The pipeline, which stands after what it takes."""
    return list(yaml.safe_load_all(GITLAB.read_text()))[1]


def _targets(tree: Any) -> Iterator[str]:
    if isinstance(tree, str):
        for called in re.findall(r"(?:^|[|&;]\s*)make ((?:[a-z]+ ?)+)(?=[A-Z]|$)", tree, re.MULTILINE):
            yield from called.split()
    elif isinstance(tree, dict):
        for value in tree.values():
            yield from _targets(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _targets(value)
