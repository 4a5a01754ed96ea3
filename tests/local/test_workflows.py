"""The pipelines' files are well formed, pinned, and ask for no more rights than they need."""

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
#: YAML 1.1 reads `on` as true.
ON: Any = True


def test_actionlint_finds_nothing() -> None:
    actionlint = tools.ensure([tools.ACTIONLINT])["actionlint"]
    done = subprocess.run([actionlint, *WORKFLOWS], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert WORKFLOWS


@pytest.mark.parametrize("file", [*WORKFLOWS, ACTION], ids=lambda file: file.stem)
def test_every_action_is_pinned_by_its_commit_and_says_which_release_that_is(file: Any) -> None:
    used = [line.strip() for line in file.read_text().splitlines() if "uses:" in line]
    assert all(re.search(r"uses: (\./\S+|[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$", line) for line in used), used


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_no_workflow_has_rights_by_default_or_runs_a_forks_code_with_secrets(file: Any) -> None:
    workflow = yaml.safe_load(file.read_text())
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert job["permissions"].get("contents") == "read"
        assert set(job["permissions"]) <= {"contents", "pull-requests"}
        assert job["timeout-minutes"]
        if "secrets." in yaml.safe_dump(job) and "pull_request" in workflow[ON]:
            assert "head.repo.full_name == github.repository" in job["if"]
    assert "pull_request_target" not in workflow[ON]


def test_the_cli_is_the_version_that_the_tests_run_on() -> None:
    file = ".pulumi.version"
    assert (PROJECT / file).read_text() == f"{tools.PULUMI.version}\n"
    assert yaml.safe_load(ACTION.read_text())["runs"]["steps"][1]["with"] == {"pulumi-version-file": file}
    assert f"pulumi-v$(cat {file})-linux" in GITLAB.read_text()


def test_gitlab_calls_the_targets_that_github_calls() -> None:
    github = {target for file in WORKFLOWS if file.stem != "ci" for target in _targets(yaml.safe_load(file.read_text()))}
    gitlab = set(_targets(yaml.safe_load(GITLAB.read_text())))
    assert github == gitlab == {"preview", "comment", "deploy", "drift"}


def test_every_target_that_is_called_exists() -> None:
    made = set(re.findall(r"^([a-z-]+):.*##", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    assert {target for file in [*WORKFLOWS, GITLAB] for target in _targets(yaml.safe_load(file.read_text()))} <= made


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
