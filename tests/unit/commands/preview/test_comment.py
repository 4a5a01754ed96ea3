"""One comment on a pull request, found again and edited."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from commands.preview.comment import ACTIONS, CommentError, comment, main, on_github, on_gitlab, whence

COMMIT = "0123456789abcdef" * 2 + "01234567"


class Server:
    """A list of comments behind GitHub's addresses. The token is a workflow's, or that
    of an account.
    """

    def __init__(self, *bodies: str, by: str = ACTIONS, account: str | None = None) -> None:
        self.comments = [self._comment(number, body, by) for number, body in enumerate(bodies)]
        self._account = account
        self.asked: list[str] = []
        self.client = httpx2.Client(
            base_url="https://api.example", transport=httpx2.MockTransport(self._answer)
        )

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(f"{request.method} {request.url.path}")
        if request.url.path == "/user":
            account = {"login": self._account, "username": self._account}
            return (
                httpx2.Response(200, json=account)
                if self._account
                else httpx2.Response(403, json={"message": "no user"})
            )
        if request.method == "GET":
            page = int(request.url.params["page"])
            return httpx2.Response(200, json=self.comments[(page - 1) * 100 : page * 100])
        body = json.loads(request.content)
        if request.method == "POST":
            self.comments.append(self._comment(len(self.comments), body["body"], self._account or ACTIONS))
        else:
            self.comments[int(request.url.path.rpartition("/")[2])] |= body
        return httpx2.Response(200, json=body)

    def _comment(self, number: int, body: str, by: str) -> dict[str, Any]:
        return {"id": number, "body": body, "user": {"login": by}, "author": {"username": by}}


def test_the_first_comment_is_made_and_the_next_one_edits_it() -> None:
    server = Server("looks good")
    assert comment(server.client, on_github("me/kuberay", 7), "preview", "first") == "made"
    assert comment(server.client, on_github("me/kuberay", 7), "preview", "second") == "edited"
    assert [one["body"] for one in server.comments] == ["looks good", "<!-- kuberay preview -->\nsecond"]
    assert server.asked[-1] == "PATCH /repos/me/kuberay/issues/comments/1"


def test_comments_about_other_things_stand_beside_it() -> None:
    server = Server()
    comment(server.client, on_github("me/kuberay", 7), "dev", "one")
    comment(server.client, on_github("me/kuberay", 7), "prod", "two")
    assert len(server.comments) == 2


def test_it_is_found_behind_hundreds_of_others() -> None:
    server = Server(*["talk"] * 250, "<!-- kuberay preview -->\nold")
    assert comment(server.client, on_github("me/kuberay", 7), "preview", "new") == "edited"
    assert server.comments[250]["body"].endswith("new")


@pytest.mark.parametrize("account", [None, "bot"])
def test_a_comment_of_somebody_else_with_the_mark_is_left_alone(account: str | None) -> None:
    theirs = "<!-- kuberay preview -->\nnothing changes"
    server = Server(theirs, by="somebody", account=account)
    assert comment(server.client, on_github("me/kuberay", 7), "preview", "first") == "made"
    assert comment(server.client, on_github("me/kuberay", 7), "preview", "second") == "edited"
    assert [one["body"] for one in server.comments] == [theirs, "<!-- kuberay preview -->\nsecond"]


def test_an_app_says_by_which_name_it_comments() -> None:
    server = Server("<!-- kuberay preview -->\nold", by="ours[bot]")
    assert comment(server.client, on_github("me/kuberay", 7), "preview", "new", "ours[bot]") == "edited"


def test_a_merge_request_has_notes() -> None:
    server = Server(account="project_bot")
    for text in ("one", "two"):
        comment(server.client, on_gitlab("group/kuberay", 3), "preview", text)
    assert len(server.comments) == 1
    assert server.asked[-1].startswith("PUT ")


def test_a_refusal_is_one_line() -> None:
    refused = httpx2.MockTransport(
        lambda _: httpx2.Response(403, json={"message": "Resource not accessible by integration"})
    )
    client = httpx2.Client(base_url="https://api.example", transport=refused)
    with pytest.raises(CommentError, match="answered with 403: Resource not accessible by integration"):
        comment(client, on_github("me/kuberay", 7), "preview", "text")


def test_the_comment_names_the_commit_and_the_run_as_far_as_they_are_known(tmp_path: Path) -> None:
    def event(content: object) -> dict[str, str]:
        (tmp_path / "event.json").write_text(json.dumps(content))
        return {"GITHUB_EVENT_PATH": str(tmp_path / "event.json")}

    run = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "me/kuberay", "GITHUB_RUN_ID": "9"}
    of_request = event({"pull_request": {"head": {"sha": COMMIT}}})
    assert (
        whence(of_request | run)
        == f"Preview of commit {COMMIT} by [this run](https://github.com/me/kuberay/actions/runs/9).\n\n"
    )
    assert whence(event({"inputs": {"commit": COMMIT}})) == f"Preview of commit {COMMIT}.\n\n"
    on_gitlab = {"CI_COMMIT_SHA": "1" * 40, "CI_JOB_URL": "https://gitlab.com/jobs/3"}
    assert whence(on_gitlab) == f"Preview of commit {'1' * 40} by [this run](https://gitlab.com/jobs/3).\n\n"
    # In the pipeline that a request's own has started, the commit is main's.
    assert (
        whence(on_gitlab | {"COMMIT": COMMIT})
        == f"Preview of commit {COMMIT} by [this run](https://gitlab.com/jobs/3).\n\n"
    )
    assert whence(run) == "Preview by [this run](https://github.com/me/kuberay/actions/runs/9).\n\n"
    assert (
        whence(event({"inputs": {"commit": "main <!--"}}))
        == whence({"GITHUB_EVENT_PATH": "/nowhere"})
        == whence({})
        == ""
    )


def test_a_preview_without_a_report_leaves_no_older_one_standing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Server("<!-- kuberay preview -->\nPreview of commit 1.\n\nnothing changes")
    monkeypatch.setattr("commands.preview.comment._github", lambda: server.client)
    monkeypatch.setattr(
        "sys.argv",
        ["comment", str(tmp_path / "comment.md"), "--repository", "me/kuberay", "--pull-request", "7"],
    )
    for name in ("GITHUB_EVENT_PATH", "GITHUB_RUN_ID", "CI_COMMIT_SHA", "CI_JOB_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COMMIT", COMMIT)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == f"error: {tmp_path / 'comment.md'} cannot be read: No such file or directory"
    assert capsys.readouterr().out == "the comment is edited\n"
    assert [one["body"] for one in server.comments] == [
        f"<!-- kuberay preview -->\nPreview of commit {COMMIT}.\n\n### What a merge does\n\n"
        "❌ **The preview failed**: it came to no report; the run's log says why.\n"
    ]
