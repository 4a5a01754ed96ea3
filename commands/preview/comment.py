"""Puts a report on a pull request: `python -m commands.preview.comment report/comment.md --repository me/kuberay --pull-request 12`.

It is found again by a mark that nobody sees, and edited in place; `--about` keeps several apart. On GitHub the token (`GITHUB_TOKEN`) needs
`pull-requests: write`; on GitLab (`--gitlab`, where the repository may be given by its number) `COMMENT_TOKEN` needs the scope `api`.
`GITHUB_API_URL` and `CI_API_V4_URL` name the API where it is not the public one.
"""

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2

from commands.preview.output.markdown import COMMENT_LIMIT


class CommentError(Exception):
    """Why there is no comment, in one line."""


@dataclass(frozen=True)
class PullRequest:
    """Where comments of a pull request, or of a merge request, are read, made and edited."""

    all: str
    """Path of the list, and of what makes one."""
    one: str
    """Path of one comment, with its `{id}` left open."""
    edit: str
    """The method that changes one."""


def on_github(repository: str, number: int) -> PullRequest:
    """A pull request of `owner/name`."""
    return PullRequest(f"repos/{repository}/issues/{number}/comments", f"repos/{repository}/issues/comments/{{id}}", "PATCH")


def on_gitlab(project: str, number: int) -> PullRequest:
    """A merge request of a project, by its path or number."""
    notes = f"projects/{quote(project, safe='')}/merge_requests/{number}/notes"
    return PullRequest(notes, f"{notes}/{{id}}", "PUT")


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="python -m commands.preview.comment", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, help="the comment, in Markdown")
    parser.add_argument("--repository", required=True, help="owner/name")
    parser.add_argument("--pull-request", required=True, type=int, metavar="NUMBER", help="which pull request")
    parser.add_argument("--about", default="preview", help="what the comment is about (default: %(default)s)")
    parser.add_argument("--gitlab", action="store_true", help="a merge request of GitLab")
    given = parser.parse_args()
    try:
        text = given.file.read_text()
        with _gitlab() if given.gitlab else _github() as http:
            place = (on_gitlab if given.gitlab else on_github)(given.repository, given.pull_request)
            print(f"the comment is {comment(http, place, given.about, text)}")
    except OSError as error:
        sys.exit(f"error: {given.file} cannot be read: {error.strerror}")
    except (CommentError, httpx2.HTTPError) as error:
        sys.exit(f"error: {error}")


def comment(http: httpx2.Client, place: PullRequest, about: str, text: str) -> str:
    """Writes the comment, or edits the one that is there; returns whether it is ``made`` or ``edited``.

    Raises:
        CommentError: it is refused.
    """
    mark = f"<!-- kuberay {about} -->"
    body = {"body": f"{mark}\n{text[:COMMENT_LIMIT]}"}
    found = _find(http, place, mark)
    if found is None:
        _read(http.post(place.all, json=body))
        return "made"
    _read(http.request(place.edit, place.one.format(id=found), json=body))
    return "edited"


def _find(http: httpx2.Client, place: PullRequest, mark: str) -> int | None:
    page = 1
    while True:
        comments = _read(http.get(place.all, params={"per_page": 100, "page": page}))
        for one in comments:
            if str(one.get("body") or "").startswith(mark):
                return int(one["id"])
        if len(comments) < 100:
            return None
        page += 1


def _github() -> httpx2.Client:
    headers = {"Authorization": f"Bearer {_token('GITHUB_TOKEN')}", "Accept": "application/vnd.github+json"}
    return httpx2.Client(base_url=os.environ.get("GITHUB_API_URL") or "https://api.github.com", headers=headers, timeout=30)


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
        raise CommentError(f"{answer.request.method} {answer.request.url.path} is answered with {answer.status_code}: {reason}")
    return answer.json()


if __name__ == "__main__":
    main()
