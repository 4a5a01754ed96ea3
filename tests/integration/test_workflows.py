"""What the pipelines run works: each `run:` step of the workflows, in a clone, against
a local cluster. GitHub's comments are a double.
"""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.cluster import LocalCluster
from tests.integration.harness.kubernetes import Kubernetes
from tests.paths import ROOT

WORKFLOWS = ROOT / ".github/workflows"


class CommentsDouble:
    """Stands in for GitHub's (and GitLab's) list of comments on loopback: it keeps
    them, and knows nothing else of either.

    A workflow's token may not ask on GitHub whose it is.
    """

    def __init__(self) -> None:
        self.comments: list[dict[str, Any]] = [{"id": 1, "body": "looks good"}]
        double = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/user":
                    refused = "PRIVATE-TOKEN" not in self.headers
                    self._answer(
                        {"message": "not for integrations"} if refused else {"username": "project_bot"},
                        403 if refused else 200,
                    )
                    return
                self._answer(double.comments if "page=1" in self.path else [])

            def do_POST(self) -> None:
                by = {"user": {"login": "github-actions[bot]"}, "author": {"username": "project_bot"}}
                double.comments.append({"id": len(double.comments) + 1, **by, **self._body()})
                self._answer(double.comments[-1])

            def do_PUT(self) -> None:
                found = next(one for one in double.comments if one["id"] == int(self.path.rpartition("/")[2]))
                found |= self._body()
                self._answer(found)

            def do_PATCH(self) -> None:
                self.do_PUT()

            def _body(self) -> dict[str, Any]:
                return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

            def _answer(self, content: Any, status: int = 200) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(content).encode())

            def log_request(self, code: Any = "-", size: Any = "-") -> None: ...

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def reports(self) -> list[str]:
        return [one["body"] for one in self.comments if "kuberay preview" in one["body"]]


@pytest.fixture
def comments() -> Iterator[CommentsDouble]:
    double = CommentsDouble()
    yield double
    double.close()


class Clone:
    """The project's main as a runner has checked it out, with one stack. It is its own
    origin, with a branch for the request.
    """

    def __init__(self, folder: Path, cluster: LocalCluster) -> None:
        self.folder = folder
        self._cluster = cluster
        tracked = subprocess.run(
            ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.split("\n")
        for name in filter(None, tracked):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / name).exists():
                shutil.copy2(ROOT / name, folder / name)
        (folder / ".venv").symlink_to(ROOT / ".venv")
        for stack in folder.glob("Pulumi.*.yaml"):
            stack.unlink()
        self.summary = folder / "summary.md"
        self._write({})
        self.shell("pulumi stack init dev --secrets-provider passphrase --non-interactive", {})
        self.git("init", "--quiet", "--initial-branch", "main")
        self.git("remote", "add", "origin", str(folder))
        (folder / ".git/info/exclude").write_text(".venv\nsummary.md\n")
        self._commit("main")

    def request(self, worker: Mapping[str, Any], code: Mapping[str, str] | None = None) -> str:
        """The commit of a pull request that asks for these workers, and for
        this code.
        """
        self.git("checkout", "--quiet", "--force", "-B", "request", "main")
        self._write(worker)
        for name, text in (code or {}).items():
            (self.folder / name).write_text(text)
        commit = self._commit("request")
        self.git("checkout", "--quiet", "main")
        return commit

    def merge(self) -> None:
        """What is requested is main from now on."""
        self.git("reset", "--quiet", "--hard", "request")

    def git(self, *arguments: str) -> str:
        who = ["-c", "user.name=me", "-c", "user.email=me@example.com"]
        return subprocess.run(
            ["git", *who, *arguments], cwd=self.folder, capture_output=True, text=True, check=True
        ).stdout.strip()

    def _commit(self, message: str) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def _write(self, worker: Mapping[str, Any]) -> None:
        """The stack's settings, with these workers."""
        config = {
            "kuberay:architecture": "aarch64",
            "kuberay:timeoutSeconds": 90,
            "kuberay:chartRepository": self._cluster.charts_url,
            "kuberay:clusters": {"raycluster": {"worker": dict(worker)}},
            "kubernetes:kubeconfig": str(self._cluster.kubeconfig),
        }
        file = self.folder / "Pulumi.dev.yaml"
        kept = {
            key: value
            for key, value in (yaml.safe_load(file.read_text()) if file.exists() else {}).items()
            if key != "config"
        }
        file.write_text(yaml.safe_dump({**kept, "config": config}))

    def run(
        self, workflow: str, job: str, environment: Mapping[str, str]
    ) -> dict[str, subprocess.CompletedProcess[str]]:
        """Every `run:` step of a job, by name, as a runner runs it: the ones with `if`
        whatever became of those before.
        """
        definition = yaml.safe_load((WORKFLOWS / workflow).read_text())["jobs"][job]
        done: dict[str, subprocess.CompletedProcess[str]] = {}
        failed = False
        for step in definition["steps"]:
            if "run" not in step or (failed and "if" not in step):
                continue
            # Expressions are the runner's: here each variable that has one is given.
            names = {
                name
                for name, value in {**definition.get("env", {}), **step.get("env", {})}.items()
                if "${{" in value
            }
            assert "${{" not in step["run"], "expressions belong into env: elsewhere they are an injection"
            assert names <= environment.keys() | {
                "PULUMI_ACCESS_TOKEN",
                *self._cluster.pulumi_env(),
            }
            done[step["name"]] = self.shell(step["run"], environment)
            failed = failed or done[step["name"]].returncode != 0
        return done

    def shell(self, script: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        settings = {"GITHUB_STEP_SUMMARY": str(self.summary), "GITHUB_REPOSITORY": "me/kuberay"}
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=self.folder,
            env=self._cluster.pulumi_env() | settings | dict(environment),
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def clone(
    cluster: LocalCluster, kubernetes: Kubernetes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Clone]:
    clone = Clone(tmp_path_factory.mktemp("clone"), cluster)
    yield clone
    destroyed = clone.shell("pulumi destroy --yes --skip-preview --stack dev --non-interactive", {})
    assert destroyed.returncode == 0, destroyed.stdout + destroyed.stderr
    kubernetes.kubectl("delete", "namespace", "kuberay", "--ignore-not-found")


def preview_of(
    clone: Clone, commit: str, comments: CommentsDouble
) -> dict[str, subprocess.CompletedProcess[str]]:
    """What becomes of a pull request: both jobs, with the artifact that one hands to
    the other.
    """
    shutil.rmtree(clone.folder / "report", ignore_errors=True)
    shutil.rmtree(clone.folder / "reports", ignore_errors=True)
    ran = clone.run("preview.yml", "preview", {"STACK": "dev", "GITHUB_TOKEN": "token", "COMMIT": commit})
    # The runner of the comment has main, and the reports.
    clone.git("checkout", "--quiet", "--force", "main")
    event = clone.folder / ".git/event.json"
    event.write_text(json.dumps({"pull_request": {"head": {"sha": commit}}}))
    own = {
        "STACKS": "dev",
        "GITHUB_TOKEN": "token",
        "PULL_REQUEST": "7",
        "REPOSITORY": "me/kuberay",
        "GITHUB_API_URL": comments.url,
    }
    ran |= clone.run("preview.yml", "comment", own | {"GITHUB_EVENT_PATH": str(event)})
    assert f"Preview of commit {commit}.\n" in comments.reports[0]
    return ran


def test_a_stack_goes_through_its_pipelines(
    clone: Clone, comments: CommentsDouble, kubernetes: Kubernetes
) -> None:
    # A pull request for a stack that is not up yet: a comment.
    assert_ok(preview_of(clone, clone.request({"replicas": 1}), comments))
    (report,) = comments.reports
    assert "changes" in report
    assert clone.summary.read_text() in report

    # It is merged.
    clone.merge()
    assert_ok(clone.run("up.yml", "preview", {"STACK": "dev"}))
    assert_ok(clone.run("up.yml", "up", {"STACK": "dev"}))
    assert "raycluster-kuberay" in kubernetes.kubectl("get", "rayclusters", "-n", "kuberay")

    # Another one: the same comment, edited.
    assert_ok(preview_of(clone, clone.request({"memory": "3G"}), comments))
    (report,) = comments.reports
    assert "Ray pods restart" in report
    assert json.loads((clone.folder / "report/report.json").read_text())["level"] == "restarts"

    # Its code is not run, and named.
    assert_ok(
        preview_of(
            clone,
            clone.request({"memory": "3G"}, {"__main__.py": "raise RuntimeError('theirs')\n"}),
            comments,
        )
    )
    (report,) = comments.reports
    assert "**Not in this preview**" in report
    assert "    __main__.py\n" in report
    assert "Ray pods restart" in report
    assert "theirs" not in report

    # Once someone has approved it, it is.
    commit = clone.git("rev-parse", "request")
    ran = clone.run(
        "preview-code.yml", "preview", {"STACK": "dev", "GITHUB_TOKEN": "token", "COMMIT": commit}
    )
    assert ran["preview"].returncode != 0
    assert "theirs" in ran["preview"].stdout + ran["preview"].stderr
    clone.git("reset", "--quiet", "--hard", "main")

    # A mistake in it is in the comment too, and fails the run.
    ran = preview_of(clone, clone.request({"memroy": "3G"}), comments)
    assert ran["preview"].returncode != 0
    assert ran["comment"].returncode == 0
    assert "did you mean 'memory'?" in comments.reports[0]


def test_up_does_nothing_where_the_stack_has_changed_since_its_preview(clone: Clone) -> None:
    clone.request({"replicas": 1, "memory": "3G"})
    clone.merge()
    assert_ok(clone.run("up.yml", "preview", {"STACK": "dev"}))
    brought = clone.shell("pulumi up --yes --skip-preview --stack dev --non-interactive", {})
    assert brought.returncode == 0, brought.stdout + brought.stderr
    ran = clone.run("up.yml", "up", {"STACK": "dev"})
    assert ran["still as previewed"].returncode != 0
    assert (
        "dev is no longer as it was previewed (then: Ray pods restart; now: nothing changes)"
        in ran["still as previewed"].stderr
    )
    assert "up" not in ran


def test_each_morning_drift_is_looked_for(clone: Clone, kubernetes: Kubernetes) -> None:
    assert_ok(clone.run("drift.yml", "drift", {"STACK": "dev"}))
    kubernetes.kubectl("delete", "service", "kuberay-operator", "-n", "kuberay")
    ran = clone.run("drift.yml", "drift", {"STACK": "dev"})
    assert ran["drift"].returncode != 0
    assert "Service kuberay-operator was deleted in the cluster" in clone.summary.read_text()


def test_a_merge_request_of_gitlab_gets_its_note_edited(clone: Clone, comments: CommentsDouble) -> None:
    (clone.folder / "report").mkdir(exist_ok=True)
    environment = {"COMMENT_TOKEN": "token", "CI_API_V4_URL": comments.url}
    for text in ("first", "second"):
        (clone.folder / "report/comment.md").write_text(text)
        done = clone.shell("make comment REPOSITORY=group/kuberay PULL_REQUEST=3 ARGS=--gitlab", environment)
        assert done.returncode == 0, done.stderr
    assert comments.reports == ["<!-- kuberay preview -->\nsecond"]


def assert_ok(ran: Mapping[str, subprocess.CompletedProcess[str]]) -> None:
    for name, done in ran.items():
        assert done.returncode == 0, f"{name}:\n{done.stdout}{done.stderr}"
    assert ran
