"""Puts a report on a pull request:
`python -m commands.preview.comment report/comment.md --repository …`.

It is found again by a mark that nobody sees, and edited in place where the same account
has written it; `--about` keeps several apart. It names the commit and the run, as far
as the pipeline's environment does. Where the file is not there, it says that the
preview has failed.

On GitHub the token (`GITHUB_TOKEN`) needs `pull-requests: write`; on GitLab
(`--gitlab`, where the repository may be given by its number) `COMMENT_TOKEN` needs the
scope `api`. `GITHUB_API_URL` and `CI_API_V4_URL` name the API where it is not the
public one.
"""

import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2

from commands.preview.join import TITLE
from commands.preview.output.markdown import COMMENT_LIMIT, whole_lines
from commands.stack.command import command_parser
from kuberay.facts.visible import log_line

#: Who comments with the token of a workflow, which may not ask who it is.
ACTIONS = "github-actions[bot]"
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NO_REPORT = f"### {TITLE}\n\n❌ **The preview failed**: it came to no report; the run's log says why.\n"


class CommentError(Exception):
    """Why there is no comment, in one line."""


@dataclass(frozen=True)
class PullRequest:
    """Where comments of a pull or merge request are read, made and edited."""

    all: str
    """Path of the list, and of what makes one."""
    one: str
    """Path of one comment, with its `{id}` left open."""
    edit: str
    """The method that changes one."""
    author: str
    """The key of its author, an account."""
    name: str
    """The key of an account's name."""


def on_github(repository: str, number: int) -> PullRequest:
    """A pull request of `owner/name`."""
    issues = f"repos/{repository}/issues"
    return PullRequest(f"{issues}/{number}/comments", f"{issues}/comments/{{id}}", "PATCH", "user", "login")


def on_gitlab(project: str, number: int) -> PullRequest:
    """A merge request of a project, by its path or number."""
    notes = f"projects/{quote(project, safe='')}/merge_requests/{number}/notes"
    return PullRequest(notes, f"{notes}/{{id}}", "PUT", "author", "username")


def main() -> None:
    parser = command_parser("commands.preview.comment", __doc__)
    parser.add_argument("file", type=Path, help="the comment, in Markdown")
    parser.add_argument("--repository", required=True, help="owner/name")
    parser.add_argument(
        "--pull-request", required=True, type=int, metavar="NUMBER", help="which pull request"
    )
    parser.add_argument("--about", default="preview", help="what the comment is about (default: %(default)s)")
    parser.add_argument("--gitlab", action="store_true", help="a merge request of GitLab")
    parser.add_argument(
        "--author",
        default=ACTIONS,
        help="whose comments are edited where the token may not ask whose it is (default: %(default)s)",
    )
    given = parser.parse_args()
    try:
        text = given.file.read_text()
        problem = None
    except OSError as error:
        # An older report is not to stand there as if it were of this commit.
        text = _NO_REPORT
        problem = f"error: {given.file} cannot be read: {error.strerror}"
    try:
        with _gitlab() if given.gitlab else _github() as http:
            place = (on_gitlab if given.gitlab else on_github)(given.repository, given.pull_request)
            done = comment(http, place, given.about, f"{whence(os.environ)}{text}", given.author)
            print("the comment is", done)
    except (CommentError, httpx2.HTTPError) as error:
        sys.exit(log_line(f"error: {error}"))
    sys.exit(problem and log_line(problem))


def whence(environment: Mapping[str, str]) -> str:
    """Of which commit the report is, and of which run, in a line of Markdown; nothing
    where the environment does not say.
    """
    commit, run = _commit(environment), _run(environment)
    of, by = f" of commit {commit}" if commit else "", f" by [this run]({run})" if run else ""
    return f"Preview{of}{by}.\n\n" if of or by else ""


def _commit(environment: Mapping[str, str]) -> str | None:
    """The one that is previewed: on GitHub as the event has it, on GitLab as the
    request's pipeline hands it on (`COMMIT`).
    """
    found = (
        environment.get("COMMIT")
        or _commit_of_event(environment.get("GITHUB_EVENT_PATH"))
        or environment.get("CI_COMMIT_SHA")
    )
    return found if found and _COMMIT.fullmatch(found) else None


def _commit_of_event(file: str | None) -> str | None:
    """The head of a pull request, or the input of a run that somebody has started."""
    try:
        event = json.loads(Path(file).read_text()) if file else {}
        return str(
            event["pull_request"]["head"]["sha"] if "pull_request" in event else event["inputs"]["commit"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _run(environment: Mapping[str, str]) -> str | None:
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, repository, run = (environment.get(name) for name in names)
    return (
        f"{server}/{repository}/actions/runs/{run}"
        if server and repository and run
        else environment.get("CI_JOB_URL")
    )


def comment(http: httpx2.Client, place: PullRequest, about: str, text: str, author: str = ACTIONS) -> str:
    """Writes the comment, or edits the one of the same account; returns whether it is
    ``made`` or ``edited``.

    Raises:
        CommentError: it is refused.
    """
    mark = f"<!-- kuberay {about} -->"
    body = {"body": f"{mark}\n{whole_lines(text, COMMENT_LIMIT + 1000)}"}
    found = _find(http, place, mark, _whose(http, place) or author)
    if found is None:
        _read(http.post(place.all, json=body))
        return "made"
    _read(http.request(place.edit, place.one.format(id=found), json=body))
    return "edited"


def _whose(http: httpx2.Client, place: PullRequest) -> str | None:
    """The account of the token; None where it is an app's, which is no user."""
    answer = http.get("user")
    return None if answer.status_code in (403, 404) else str(_read(answer)[place.name])


def _find(http: httpx2.Client, place: PullRequest, mark: str, author: str) -> int | None:
    page = 1
    while True:
        comments = _read(http.get(place.all, params={"per_page": 100, "page": page}))
        for one in comments:
            by = (one.get(place.author) or {}).get(place.name)
            # Anyone can write the mark.
            if by == author and str(one.get("body") or "").startswith(mark):
                return int(one["id"])
        if len(comments) < 100:
            return None
        page += 1


def _github() -> httpx2.Client:
    headers = {"Authorization": f"Bearer {_token('GITHUB_TOKEN')}", "Accept": "application/vnd.github+json"}
    return httpx2.Client(
        base_url=os.environ.get("GITHUB_API_URL") or "https://api.github.com", headers=headers, timeout=30
    )


def _gitlab() -> httpx2.Client:
    base = os.environ.get("CI_API_V4_URL") or "https://gitlab.com/api/v4"
    return httpx2.Client(base_url=base, headers={"PRIVATE-TOKEN": _token("COMMENT_TOKEN")}, timeout=30)


def _token(name: str) -> str:
    token = os.environ.get(name)
    if not token:
        raise CommentError(f"{name} is not set")
    return token


def _read(answer: httpx2.Response) -> Any:
    if answer.is_error:
        try:
            reason = answer.json()["message"]
        except (ValueError, KeyError, TypeError):
            reason = answer.reason_phrase
        raise CommentError(
            f"{answer.request.method} {answer.request.url.path} is answered with {answer.status_code}:"
            f" {reason}"
        )
    return answer.json()


if __name__ == "__main__":
    main()
