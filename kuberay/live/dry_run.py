"""Asks the API server whether it would take objects, and lets it make none of them: a
strict dry run of each.

It knows every rule of every version and every policy of the cluster, admission webhooks
included.
"""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from httpx2 import AsyncClient, HTTPError, Response, Timeout

from kuberay.facts.objects import plural
from kuberay.facts.phrases import error_line, first_few, one_line
from kuberay.live.api.client import FIELD_MANAGER, PATIENCE
from kuberay.live.api.connection import Connection
from kuberay.live.api.kubeconfig import find_endpoint
from kuberay.live.api.transport import BUSY, AsyncPatientTransport
from kuberay.plan.dry_run import Question

_AT_ONCE = 8
_PREVIEW_TIMEOUT = 3.0
#: What holds an object back for now and says nothing of it: what runs may be all that
#: stands in its way.
_FOR_NOW = re.compile(r"exceeded quota")
#: Who may not make such an object is refused before anybody looks at it.
_NOT_ALLOWED = re.compile(r"cannot create resource|cannot (?:create|patch|list|get) ")
#: From here on a message may quote a value.
_VALUE = re.compile(r"((?:Invalid|Unsupported|Duplicate) value): .*")
_NO_DRY_RUN = re.compile(r"does not support dry run")


class RefusedError(Exception):
    """The API server would not take what a stack asks for; the message has its own
    reason, one line for each object.
    """


class NotAskedError(Exception):
    """The API server could not be asked; the message says why, in one line."""

    def __init__(self, why: str, *, for_now: bool) -> None:
        super().__init__(why)
        self.for_now = for_now
        """Whether it may answer later: it is busy or out of reach."""


async def ask(connection: Connection, asked: Iterable[Question], *, in_preview: bool = False) -> None:
    """Asks the API server about each object.

    Args:
        connection: of the stack.
        asked: objects that differ in their names alone are asked about once.
        in_preview: waits no longer for an answer than a preview may.

    Raises:
        RefusedError: it would not take one of them.
        NotAskedError: it does not answer, knows no dry run of them, or lets this
            account make no such objects.
    """
    distinct = _together(asked)
    endpoint = find_endpoint(connection)
    transport = AsyncPatientTransport(endpoint, 0 if in_preview else PATIENCE)
    turns = asyncio.Semaphore(_AT_ONCE)
    async with AsyncClient(
        base_url=endpoint.server, transport=transport, timeout=Timeout(_PREVIEW_TIMEOUT if in_preview else 30)
    ) as http:

        async def answer_to(question: Question) -> tuple[Question, Response | HTTPError]:
            async with turns:
                try:
                    return question, await _post(http, question)
                except HTTPError as error:
                    return question, error

        answers = await asyncio.gather(*(answer_to(question) for question in distinct))
    refused = [line for question, answer in answers if (line := _refusal(question, answer))]
    if refused:
        raise RefusedError("\n".join(refused))
    unasked = [
        (line, _is_busy(answer)) for question, answer in answers if (line := _unasked(question, answer))
    ]
    if unasked:
        more = f" (and {len(unasked) - 1} more like it)" if len(unasked) > 1 else ""
        raise NotAskedError(unasked[0][0] + more, for_now=any(busy for _, busy in unasked))


def _together(asked: Iterable[Question]) -> list[Question]:
    """Each question once, named after all that it is asked for."""
    alike: dict[str, list[Question]] = {}
    for question in asked:
        alike.setdefault(question.is_like(), []).append(question)
    return [
        replace(first, what=first_few([each.what for each in (first, *others)]))
        for first, *others in alike.values()
    ]


async def _post(http: AsyncClient, question: Question) -> Response:
    manifest = question.manifest
    version = manifest["apiVersion"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    path = f"{root}/namespaces/{manifest['metadata']['namespace']}/{plural(manifest['kind'])}"
    wanted = {"dryRun": "All", "fieldValidation": "Strict", "fieldManager": FIELD_MANAGER}
    if question.is_change:
        applied = {"Content-Type": "application/apply-patch+yaml"}
        return await http.patch(
            f"{path}/{question.name}", params={**wanted, "force": "true"}, json=manifest, headers=applied
        )
    return await http.post(path, params=wanted, json=manifest)


def _refusal(question: Question, answer: Response | HTTPError) -> str | None:
    """What the API server says against an object itself."""
    if isinstance(answer, HTTPError) or answer.is_success or _is_busy(answer) or answer.status_code == 401:
        return None
    message = _message(question, answer)
    if answer.status_code == 404:
        if not (question.brought_by and _knows_no_such_kind(answer)):
            return None
        manifest = question.manifest
        message += (
            f": it knows no {manifest['kind']} of {manifest['apiVersion']}, which come with"
            f" {question.brought_by}"
        )
    if any(pattern.search(message) for pattern in (_FOR_NOW, _NOT_ALLOWED, _NO_DRY_RUN)):
        return None
    return f"kuberay:{question.what}: the Kubernetes API server would refuse it: {message}"


def _knows_no_such_kind(answer: Response) -> bool:
    """Of an object or a namespace that is not there, it says the name."""
    return not answer.headers.get("Content-Type", "").startswith("application/json")


def _is_busy(answer: Response | HTTPError) -> bool:
    return isinstance(answer, HTTPError) or answer.status_code in BUSY


def _unasked(question: Question, answer: Response | HTTPError) -> str | None:
    if isinstance(answer, HTTPError):
        return f"the Kubernetes API server does not answer: {error_line(answer)}"
    # Where there is no such namespace or kind yet, nothing runs that could be lost.
    if answer.is_success or answer.status_code == 404 or _FOR_NOW.search(_message(question, answer)):
        return None
    return f"{question.what}: {_message(question, answer)}"


def _message(question: Question, answer: Response) -> str:
    """In one line, with the name that the object is to have in place of the one that
    was made up for it.
    """
    try:
        status: Any = answer.json()
    except ValueError:
        return one_line(answer.text) or f"answer {answer.status_code}"
    made_up = str((status.get("details") or {}).get("name") or "")
    wanted = question.name
    message = one_line(status.get("message") or f"answer {answer.status_code}")
    message = message.replace(made_up, wanted) if made_up.startswith(wanted) else message
    return _VALUE.sub(r"\1: [secret]", message) if question.hides_values else message
