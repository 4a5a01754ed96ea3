"""Who may run what with which key in the pipelines: docs/security.md says it, and this
holds it.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.paths import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
ACTION = ROOT / ".github/actions/tools/action.yml"
GITLAB = ROOT / "examples/gitlab-ci.yml"
#: YAML 1.1 reads `on` as true.
ON: Any = True

PULUMI = {"PULUMI_ACCESS_TOKEN", "PULUMI_CONFIG_PASSPHRASE"}
READS = {"contents": "read"}
OF_A_ROLE = READS | {"id-token": "write"}
COMMENTS = READS | {"pull-requests": "write"}


class Run(NamedTuple):
    """One job of a workflow."""

    on: set[str]
    runs: str
    """Whose code."""
    environment: str | None
    """Whose reviewers and branches stand before it."""
    secrets: set[str]
    permissions: dict[str, str]


def test_who_may_run_what_with_which_key() -> None:
    assert {
        f"{file.stem}: {name}": run_of(yaml.safe_load(file.read_text()), job) for file, name, job in jobs()
    } == {
        "ci: test": Run({"pull_request", "push", "schedule"}, "the request's", None, set(), READS),
        "preview: preview": Run({"pull_request_target"}, "main's", "preview-<stack>", PULUMI, OF_A_ROLE),
        "preview: comment": Run({"pull_request_target"}, "main's", None, set(), COMMENTS),
        "preview-code: preview": Run(
            {"workflow_dispatch"}, "the request's, approved", "code-<stack>", PULUMI, OF_A_ROLE
        ),
        "preview-code: comment": Run({"workflow_dispatch"}, "main's", None, set(), COMMENTS),
        "up: preview": Run({"push", "workflow_dispatch"}, "main's", "preview-<stack>", PULUMI, OF_A_ROLE),
        "up: up": Run({"push", "workflow_dispatch"}, "main's", "<stack>", PULUMI | {"KUBECONFIG"}, OF_A_ROLE),
        "drift: drift": Run(
            {"schedule", "workflow_dispatch"}, "main's", "drift-<stack>", PULUMI | {"KUBECONFIG"}, OF_A_ROLE
        ),
    }


def run_of(workflow: dict[Any, Any], job: dict[str, Any]) -> Run:
    on = set(workflow[ON])
    with_code = any("--with-code" in step.get("run", "") for step in job["steps"])
    whose = "the request's, approved" if with_code else "the request's" if "pull_request" in on else "main's"
    environment = job.get("environment")
    return Run(
        on,
        whose,
        environment and re.sub(r"\$\{\{ matrix\.stack \}\}", "<stack>", environment),
        set(re.findall(r"secrets\.(\w+)", yaml.safe_dump(job))),
        job["permissions"],
    )


def jobs() -> Iterator[tuple[Path, str, dict[str, Any]]]:
    for file in WORKFLOWS:
        for name, job in yaml.safe_load(file.read_text())["jobs"].items():
            yield file, name, job


EVERY_JOB = [pytest.param(file, job, id=f"{file.stem}-{name}") for file, name, job in jobs()]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_no_workflow_has_rights_by_default(file: Path) -> None:
    text = file.read_text()
    assert yaml.safe_load(text)["permissions"] == {}
    assert "secrets: inherit" not in text
    assert "toJSON(secrets" not in text


@pytest.mark.parametrize(("file", "job"), EVERY_JOB)
def test_a_job_with_keys_runs_on_main_alone_in_an_environment(file: Path, job: dict[str, Any]) -> None:
    has_keys = "secrets." in yaml.safe_dump(job) or "id-token" in job["permissions"]
    assert has_keys == ("environment" in job)
    if has_keys or "workflow_dispatch" in yaml.safe_load(file.read_text())[ON]:
        main = "github.ref == 'refs/heads/main'"
        # A job that needs one that was skipped says so itself.
        assert main in job["if"] or "needs.preview.result != 'skipped'" in job["if"]
    assert job["timeout-minutes"]


@pytest.mark.parametrize(("file", "job"), EVERY_JOB)
def test_no_action_of_others_sees_a_key(file: Path, job: dict[str, Any]) -> None:
    assert "secrets." not in yaml.safe_dump(job.get("env", {}))
    for step in job["steps"]:
        assert "secrets." not in yaml.safe_dump(step) or "run" in step or step["uses"].startswith("./"), step


@pytest.mark.parametrize(("file", "job"), EVERY_JOB)
def test_a_job_that_may_write_has_no_key_and_runs_mains_code(file: Path, job: dict[str, Any]) -> None:
    if "write" in (job["permissions"].get("pull-requests"), job["permissions"].get("contents")):
        assert "secrets." not in yaml.safe_dump(job)
        assert "vars.AWS_ROLE" not in yaml.safe_dump(job)
        assert run_of(yaml.safe_load(file.read_text()), job).runs == "main's"
        assert re.findall(r"make ([a-z]+)", yaml.safe_dump(job)) == ["join", "comment"]


@pytest.mark.parametrize(("file", "job"), EVERY_JOB)
def test_no_job_keeps_the_token_that_it_has_checked_out_with(file: Path, job: dict[str, Any]) -> None:
    for step in job["steps"]:
        if "actions/checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False


def test_a_pull_request_brings_no_code_where_there_are_keys() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/preview.yml").read_text())
    preview = workflow["jobs"]["preview"]
    assert "github.event.pull_request.head.repo.full_name == github.repository" in preview["if"]
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            # Without a `ref`, `pull_request_target` checks out main.
            if "checkout" in step.get("uses", ""):
                assert set(step["with"]) <= {"fetch-depth", "persist-credentials"}
    # Of all that the author of a request chooses, a commit's number alone is used, and
    # `make request` takes it as data.
    chosen = re.findall(
        r"\$\{\{ (github\.(?:event|head|base)[\w.]*) \}\}", yaml.safe_dump(workflow, width=1000)
    )
    assert sorted(chosen) == [
        "github.event.pull_request.head.sha",
        *["github.event.pull_request.number"] * 2,
    ]
    (request,) = [step for step in preview["steps"] if "COMMIT" in step.get("env", {})]
    assert request["run"] == 'make request ARGS="--note reports/preview-$STACK/request.json"'


def test_the_code_of_a_request_is_kept_for_no_other_run() -> None:
    (file,) = [file for file in WORKFLOWS if "--with-code" in file.read_text()]
    preview = yaml.safe_load(file.read_text())["jobs"]["preview"]
    (tools,) = [step for step in preview["steps"] if step.get("uses") == "./.github/actions/tools"]
    assert tools["with"]["cache"] == "no"
    for step in yaml.safe_load(ACTION.read_text())["runs"]["steps"]:
        if "actions/cache" in step.get("uses", ""):
            assert step["if"] == "inputs.cache == 'yes'"
        if "cache" in step.get("with", {}):
            assert step["with"]["cache"] == "${{ inputs.cache == 'yes' && 'pip' || '' }}"


def test_the_report_of_a_single_stack_is_found_too() -> None:
    # download-artifact 8.0.1 (`src/download-artifact.ts`) unpacks a lone artifact into
    # the path itself, and any other into a folder of its name: each brings the folder
    # that `make join` reads.
    for name in ("preview", "preview-code"):
        found = yaml.safe_load((ROOT / f".github/workflows/{name}.yml").read_text())["jobs"]
        by_action = {
            step["uses"].partition("@")[0]: step["with"]
            for job in found.values()
            for step in job["steps"]
            if "artifact" in step.get("uses", "")
        }
        assert by_action["actions/upload-artifact"]["path"] == "reports"
        assert by_action["actions/download-artifact"] == {
            "pattern": "preview-*",
            "path": "reports",
            "merge-multiple": True,
        }
        (preview,) = [step["run"] for step in found["preview"]["steps"] if step.get("name") == "preview"]
        assert preview == 'make preview STACK="$STACK" ARGS="--output reports/preview-$STACK"'


@pytest.mark.parametrize("file", [*WORKFLOWS, ACTION], ids=lambda file: file.stem)
def test_what_others_have_written_reaches_a_shell_as_the_environment_alone(file: Path) -> None:
    for step in steps(yaml.safe_load(file.read_text())):
        assert "${{" not in step.get("run", "")
        # Make expands what stands on its command line.
        assert not re.search(r"make .*\$\{?(COMMIT|PULL_REQUEST|REPOSITORY|GITHUB_)", step.get("run", ""))
    for target, variables in {"request": ["COMMIT"], "comment": ["REPOSITORY", "PULL_REQUEST"]}.items():
        (recipe,) = re.findall(rf"^{target}:.*\n\t(.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert all(f'"$${name}"' in recipe for name in variables)


def steps(tree: dict[str, Any]) -> list[dict[str, Any]]:
    return (
        tree["runs"]["steps"]
        if "runs" in tree
        else [step for job in tree["jobs"].values() for step in job["steps"]]
    )


def test_what_the_plugin_leaves_of_a_kubeconfig_goes_with_the_job() -> None:
    # `RUNNER_TEMP` is emptied at the end of each job, and `/tmp` of a runner of one's
    # own is not.
    action = yaml.safe_load(ACTION.read_text())["runs"]["steps"]
    assert 'echo "TMPDIR=$RUNNER_TEMP" >> "$GITHUB_ENV"' in [
        step.get("run") for step in action if "if" not in step
    ]


def test_no_long_lived_key_of_a_cloud_is_kept() -> None:
    for file in [*WORKFLOWS, ACTION, GITLAB]:
        assert not re.search(
            "AWS_ACCESS_KEY|AWS_SECRET|GOOGLE_CREDENTIALS|ARM_CLIENT_SECRET", file.read_text()
        ), file


def test_up_comes_after_the_preview_that_is_approved_and_holds_to_it() -> None:
    up = yaml.safe_load((ROOT / ".github/workflows/up.yml").read_text())
    assert up["jobs"]["up"]["needs"] == "preview"
    ran = [step["run"] for step in up["jobs"]["up"]["steps"] if "run" in step]
    assert ran == [
        'env -u KUBECONFIG make preview STACK="$STACK" ARGS="--as-in previewed/report.json"',
        'make deploy STACK="$STACK" ARGS=--yes',
    ]
    # Another run would change the stack between the two.
    assert up["concurrency"] == {"group": "up", "cancel-in-progress": False}


def test_gitlab_gives_a_merge_requests_own_pipeline_no_key() -> None:
    taken, pipeline = yaml.safe_load_all(GITLAB.read_text())
    # What comes of a request is what these two let through: no variable, which could
    # run something before a script does.
    forms = {name: one["regex"] for name, one in taken["spec"]["inputs"].items()}
    assert forms == {"merge_request": "^[0-9]*$", "commit": "^([0-9a-f]{40}|[0-9a-f]{64})?$"}
    assert "No one allowed" in GITLAB.read_text()
    named = {name: job for name, job in pipeline.items() if name not in ("stages", "default", "variables")}
    whole = {
        name: named[job["extends"]] | job if "extends" in job else job
        for name, job in named.items()
        if name[0] != "."
    }
    request = whole.pop("request")
    assert request["inherit"] == {"default": False, "variables": False}
    assert "environment" not in request
    assert "trigger" not in request
    assert [rule["if"] for rule in request["rules"]] == ['$CI_PIPELINE_SOURCE == "merge_request_event"']
    assert "/trigger/pipeline" in request["script"][0]
    for name, job in whole.items():
        rules = [rule["if"] for rule in job["rules"]]
        assert all("$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH" in rule for rule in rules)
        assert ("environment" in job) == ("script" in job), name
    environments = {name: job["environment"] for name, job in whole.items() if "environment" in job}
    assert {name: one["name"] if isinstance(one, dict) else one for name, one in environments.items()} == {
        "preview": "preview/$STACK",
        "comment": "comment",
        "preview code": "code/$STACK",
        "previewed dev": "preview/$STACK",
        "previewed prod": "preview/$STACK",
        "up dev": "$STACK",
        "up prod": "$STACK",
        "drift": "drift/$STACK",
    }
    assert [
        name for name, job in whole.items() if any("--with-code" in line for line in job.get("script", []))
    ] == ["preview code"]
    assert whole["preview code"]["rules"][0]["when"] == "manual"
    # Runners keep a project's folder, with Git's settings in it, for its next job.
    assert pipeline["variables"]["GIT_STRATEGY"] == "clone"
    # A token says of which branch it is and not of which environment: roles tell the
    # code of a request, which runs on the default branch too, by whom a token is for.
    default = pipeline["default"]["id_tokens"]
    audiences = {name: job.get("id_tokens", default)["AWS_TOKEN"]["aud"] for name, job in whole.items()}
    assert {name for name, audience in audiences.items() if audience == "write/$STACK"} == {
        "up dev",
        "up prod",
    }
    assert set(audiences.values()) == {"read/$STACK", "write/$STACK"}
