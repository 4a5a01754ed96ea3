"""Asks the API server whether it would take objects, and lets it make none of them: a
strict dry run of each.

It knows every rule of every version and every policy of the cluster, admission webhooks
included.
"""

import asyncio
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any

from httpx2 import AsyncClient, HTTPError, Response

from kuberay.facts.objects import plural
from kuberay.facts.phrases import error_line, first_few, one_line, without_values
from kuberay.facts.quantities import parse_quantity
from kuberay.live.api.client import FIELD_MANAGER, PATIENCE, connect_plain
from kuberay.live.api.connection import Connection
from kuberay.live.api.transport import BUSY
from kuberay.plan.dry_run import Question

_AT_ONCE = 8
_PREVIEW_TIMEOUT = 3.0
#: How the API server begins, with the name of the object where it has one. From the
#: message's start, as policies and webhooks put their own words behind theirs.
_FORBIDDEN = r"[^ ]+ (?:\"[^\"]*\" )?is forbidden: "
#: What a quota says: what runs may be all that stands in the way of what comes.
_QUOTA = re.compile(
    _FORBIDDEN + r"exceeded quota: "
    r"(?:.*?, requested: (?P<requested>.*), used: .*, limited: (?P<limited>.*))?"
)
#: Who may not make such an object is refused before anybody looks at it.
_NOT_ALLOWED = re.compile(_FORBIDDEN + r"User \".*?\" cannot ")
#: Rules of the namespace: in a preview, those of before what the run itself changes of
#: them.
_OF_THE_NAMESPACE = re.compile(
    _FORBIDDEN + r"(?:\[?[a-z ]+ per [A-Za-z]+ is |exceeded quota: |violates PodSecurity )"
)
#: A port or an address that a Service asks for; what runs may be what has it.
_TAKEN = re.compile(r"provided (?:port|IP) is already allocated")
_NO_DRY_RUN = re.compile(r"admission webhook \"[^\"]*\" does not support dry run")


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
    timeout, patience = (_PREVIEW_TIMEOUT, 0) if in_preview else (30, PATIENCE)
    turns = asyncio.Semaphore(_AT_ONCE)
    async with connect_plain(connection, timeout=timeout, patience=patience) as http:

        async def answer_to(question: Question) -> tuple[Question, Response | HTTPError]:
            async with turns:
                try:
                    return question, await _answer(http, question)
                except HTTPError as error:
                    return question, error

        answers = await asyncio.gather(*(answer_to(question) for question in distinct))
    refused = [
        (line, in_preview and bool(_OF_THE_NAMESPACE.match(_message(question, answer))))
        for question, answer in answers
        if isinstance(answer, Response) and (line := _refusal(question, answer))
    ]
    if for_good := [line for line, may_change in refused if not may_change]:
        raise RefusedError("\n".join(for_good))
    if refused:
        raise NotAskedError(f"by the namespace's rules as they are now, {refused[0][0]}", for_now=True)
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


async def _answer(http: AsyncClient, question: Question) -> Response:
    answer = await _post(http, question, as_change=question.is_change)
    if answer.is_success or question.is_change or not _TAKEN.search(_message(question, answer)):
        return answer
    # By the object itself, where a change of it is not in its own way. All else about
    # it was right, or nobody would have come to look whether that is free.
    changed = await _post(http, question, as_change=True)
    is_its_own = changed.status_code == 422 and not _TAKEN.search(_message(question, changed))
    return Response(200) if is_its_own else changed


async def _post(http: AsyncClient, question: Question, *, as_change: bool) -> Response:
    manifest = question.manifest
    version = manifest["apiVersion"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    path = f"{root}/namespaces/{manifest['metadata']['namespace']}/{plural(manifest['kind'])}"
    wanted = {"dryRun": "All", "fieldValidation": "Strict", "fieldManager": FIELD_MANAGER}
    if as_change:
        applied = {"Content-Type": "application/apply-patch+yaml"}
        metadata = {key: value for key, value in manifest["metadata"].items() if key != "generateName"}
        named = manifest | {"metadata": metadata | {"name": question.name}}
        return await http.patch(
            f"{path}/{question.name}", params={**wanted, "force": "true"}, json=named, headers=applied
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
    if _NOT_ALLOWED.match(message) or _NO_DRY_RUN.match(message) or _is_for_now(message):
        return None
    return f"kuberay:{question.what}: the Kubernetes API server would refuse it: {message}"


def _is_for_now(message: str) -> bool:
    """Whether a quota alone holds the object back, and would have room for it if
    nothing else ran.
    """
    found = _QUOTA.match(message)
    if found is None or found["requested"] is None:
        return found is not None
    limited = _amounts(found["limited"])
    return all(
        amount <= limited[resource]
        for resource, amount in _amounts(found["requested"]).items()
        if resource in limited
    )


def _amounts(listed: str) -> dict[str, Decimal]:
    """Of ``limits.memory=30G,pods=1``, what the quantities are."""
    amounts: dict[str, Decimal] = {}
    for each in listed.split(","):
        resource, _, amount = each.partition("=")
        with suppress(ValueError):
            amounts[resource] = parse_quantity(amount)
    return amounts


def _knows_no_such_kind(answer: Response) -> bool:
    """Of an object or a namespace that is not there, it says the name."""
    return not answer.headers.get("Content-Type", "").startswith("application/json")


def _is_busy(answer: Response | HTTPError) -> bool:
    return isinstance(answer, HTTPError) or answer.status_code in BUSY


def _unasked(question: Question, answer: Response | HTTPError) -> str | None:
    if isinstance(answer, HTTPError):
        return f"the Kubernetes API server does not answer: {error_line(answer)}"
    # Where there is no such namespace or kind yet, nothing runs that could be lost.
    if answer.is_success or answer.status_code == 404 or _is_for_now(_message(question, answer)):
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
    return without_values(message) if question.hides_values else message
