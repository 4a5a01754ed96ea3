"""Kubernetes clients for the cluster that a stack lies in."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from httpx2 import HTTPStatusError, Timeout
from lightkube import ApiError, AsyncClient, Client

from kuberay.live.api.connection import Connection
from kuberay.live.api.kubeconfig import kube_config

T = TypeVar("T")

#: Names this program as the writer in `managedFields`.
FIELD_MANAGER = "pulumi-kuberay"

#: How long an API server that asks for patience is given it, in seconds: it refuses a kind while it takes up a new version of its CRD.
BUSY_SECONDS = 15


def connect(connection: Connection, namespace: str, *, timeout: float = 10) -> AsyncClient:
    """A client for an event loop. ``timeout``: of each request, in seconds."""
    return AsyncClient(config=kube_config(connection), namespace=namespace, field_manager=FIELD_MANAGER, timeout=Timeout(timeout))


def connect_blocking(connection: Connection, namespace: str | None = None, *, timeout: float = 10) -> Client:
    """A client outside of an event loop. ``timeout``: of each request, in seconds."""
    return Client(config=kube_config(connection), namespace=namespace, field_manager=FIELD_MANAGER, timeout=Timeout(timeout))


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Asks again while the API server asks for patience."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return await ask()
        except ApiError as error:
            if error.status.code != 429 or time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.5)


async def or_none(answer: Awaitable[T]) -> T | None:
    """What the API server answers; None where there is no such object, or no such kind."""
    try:
        return await answer
    except HTTPStatusError as error:  # An unknown API group is answered with plain text, which makes no ApiError.
        if error.response.status_code != 404:
            raise
        return None
