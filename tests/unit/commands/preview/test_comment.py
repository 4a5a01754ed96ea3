"""One comment on a pull request, found again and edited."""

import json
from typing import Any

import httpx2
import pytest

from commands.preview.comment import CommentError, comment, on_github, on_gitlab


class Server:
    """A list of comments behind GitHub's addresses."""

    def __init__(self, *bodies: str) -> None:
        self.comments: list[dict[str, Any]] = [{"id": number, "body": body} for number, body in enumerate(bodies)]
        self.asked: list[str] = []
        self.client = httpx2.Client(base_url="https://api.example", transport=httpx2.MockTransport(self._answer))

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(f"{request.method} {request.url.path}")
        if request.method == "GET":
            page = int(request.url.params["page"])
            return httpx2.Response(200, json=self.comments[(page - 1) * 100 : page * 100])
        body = json.loads(request.content)
        if request.method == "POST":
            self.comments.append({"id": len(self.comments), **body})
        else:
            self.comments[int(request.url.path.rpartition("/")[2])] |= body
        return httpx2.Response(200, json=body)


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


def test_a_merge_request_has_notes() -> None:
    server = Server()
    for text in ("one", "two"):
        comment(server.client, on_gitlab("group/kuberay", 3), "preview", text)
    assert len(server.comments) == 1
    assert server.asked[-1].startswith("PUT ")


def test_a_refusal_is_one_line() -> None:
    refused = httpx2.MockTransport(lambda _: httpx2.Response(403, json={"message": "Resource not accessible by integration"}))
    client = httpx2.Client(base_url="https://api.example", transport=refused)
    with pytest.raises(CommentError, match="answered with 403: Resource not accessible by integration"):
        comment(client, on_github("me/kuberay", 7), "preview", "text")
