"""Kubernetes clients for the cluster that the stack's own provider uses."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pulumi
from httpx2 import Timeout
from lightkube import ApiError, AsyncClient, Client
from lightkube.config.kubeconfig import SingleConfig

from kuberay.live.kubeconfig import CONNECTION_KEYS, kube_config

T = TypeVar("T")

#: Names this program as the writer in `managedFields`.
FIELD_MANAGER = "pulumi-kuberay"

#: How long an API server that asks for patience is given it, in seconds: it refuses a kind while it takes up a new version of its CRD.
BUSY_SECONDS = 15


def connect(namespace: str, *, timeout: float = 10) -> AsyncClient:
    """Connects as the default Kubernetes provider does: stack config, else ``KUBECONFIG``, ``~/.kube/config``, the pod's own account.

    ``timeout``: of each request, in seconds.
    """
    return AsyncClient(config=_config(), namespace=namespace, field_manager=FIELD_MANAGER, timeout=Timeout(timeout))


def connect_blocking(namespace: str, *, timeout: float = 10) -> Client:
    """The same outside of an event loop."""
    return Client(config=_config(), namespace=namespace, field_manager=FIELD_MANAGER, timeout=Timeout(timeout))


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


def _config() -> SingleConfig | None:
    config = pulumi.Config("kubernetes")
    return kube_config({key: config.get(key.removeprefix("kubernetes:")) for key in CONNECTION_KEYS})
