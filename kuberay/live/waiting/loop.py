"""What all waits share: why one fails, and what to make of a request that the API server has not answered."""

import asyncio
from contextlib import suppress
from typing import Any

from httpx2 import HTTPError, HTTPStatusError
from lightkube import AsyncClient
from lightkube.resources.core_v1 import Secret

from kuberay.facts.phrases import error_line
from kuberay.live.takeover.rules import half_removed
from kuberay.live.watch import NamespaceView

_BUSY = 429


class NotUpError(Exception):
    """Ray is not up; the message is the cause in one line."""


async def until_listed(view: NamespaceView, timeout: float) -> None:
    """Waits until the view has something to show, ``timeout`` seconds at most."""
    try:
        await asyncio.wait_for(view.listed(), timeout)
    except TimeoutError:
        why = view.unreachable or "no error given"
        raise NotUpError(f"the Kubernetes API server did not answer in {timeout:.0f} s: {why}") from None
    if view.refused:
        raise NotUpError(view.refused)


def no_answer(error: HTTPError) -> str:
    """What to say of a request that the API server has not answered, and that a wait makes again; any other error is raised."""
    if not is_unanswered(error):
        raise error
    return f"the Kubernetes API server does not answer: {error_line(error)}"


def is_unanswered(error: HTTPError) -> bool:
    """Whether the API server is out of reach or busy, and may answer the same request later."""
    return not isinstance(error, HTTPStatusError) or error.response.status_code >= 500 or error.response.status_code == _BUSY


async def refuse_half_removed(client: AsyncClient, namespace: str, release: str) -> None:
    """Fails where a run that was killed had begun to uninstall the Helm release."""
    labels: dict[str, Any] = {"owner": "helm", "name": release, "status": "uninstalling"}
    with suppress(HTTPError):  # Who may not read secrets can still look at the rest.
        async for _ in client.list(Secret, namespace=namespace, labels=labels):
            raise NotUpError(half_removed(release))
