"""Kubernetes clients for the cluster that a stack lies in, and what their
answers mean.
"""

from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, Final, TypeVar

import httpx2
from httpx2 import HTTPError, HTTPStatusError, Timeout
from lightkube import ApiError, AsyncClient, Client
from lightkube.config.kubeconfig import SingleConfig
from lightkube.config.models import Cluster, Context, User
from lightkube.core.generic_client import GenericAsyncClient
from lightkube.types import PatchType

from kuberay.facts.objects import Object
from kuberay.facts.phrases import error_line, one_line, without_values
from kuberay.live.api.connection import Connection
from kuberay.live.api.kubeconfig import Endpoint, find_endpoint
from kuberay.live.api.transport import BUSY, AsyncPatientTransport, PatientTransport

T = TypeVar("T")

#: Names this program as the writer in `managedFields`.
FIELD_MANAGER: Final = "pulumi-kuberay"
#: How long an API server that is busy or restarts is asked again, in seconds, by
#: whatever has no progress to report meanwhile.
PATIENCE: Final = 15.0
_LOG_LINES: Final = 5


def connect(
    connection: Connection, namespace: str, *, timeout: float = 10, patience: float = PATIENCE
) -> AsyncClient:
    """A client for an event loop.

    Args:
        connection: of the stack.
        namespace: where objects are that name none.
        timeout: of each try of a request, in seconds.
        patience: how long a request is made again while the API server is busy or out
            of reach, in seconds.
    """
    endpoint = find_endpoint(connection)
    transport = AsyncPatientTransport(endpoint, patience)
    return AsyncClient(transport=transport, **_for_lightkube(endpoint, namespace, timeout))


def connect_blocking(
    connection: Connection, namespace: str | None = None, *, timeout: float = 10, patience: float = PATIENCE
) -> Client:
    """A client outside of an event loop; its arguments are those of `connect`."""
    endpoint = find_endpoint(connection)
    transport = PatientTransport(endpoint, patience)
    return Client(transport=transport, **_for_lightkube(endpoint, namespace, timeout))


def connect_plain(connection: Connection, *, timeout: float, patience: float) -> httpx2.AsyncClient:
    """A client for what lightkube cannot do; its arguments are those of `connect`."""
    endpoint = find_endpoint(connection)
    transport = AsyncPatientTransport(endpoint, patience)
    return httpx2.AsyncClient(base_url=endpoint.server, timeout=timeout, transport=transport)


async def apply_text(
    connection: Connection, path: str, text: str, *, timeout: float, patience: float
) -> None:
    """Applies an object that is text already: lightkube takes dicts alone, and Python
    needs half a second to read a megabyte of YAML.

    ``path``: of the object in the API, ``/apis/<group>/<version>/<plural>/<name>``;
    ``text``: the object as YAML. The other arguments are those of `connect`.
    """
    async with connect_plain(connection, timeout=timeout, patience=patience) as client:
        answer = await client.patch(
            path,
            params={"fieldManager": FIELD_MANAGER, "force": "true"},
            headers={"Content-Type": PatchType.APPLY.value},
            content=text,
        )
    GenericAsyncClient.raise_for_status(answer)


def _for_lightkube(endpoint: Endpoint, namespace: str | None, timeout: float) -> dict[str, Any]:
    # The transport alone knows certificates and credentials; lightkube is kept from
    # loading all of the machine's for nothing.
    cluster = Cluster(server=endpoint.server, insecure=True)
    context = Context(cluster="it", namespace=endpoint.namespace)
    return {
        "config": SingleConfig(endpoint.context, context, cluster, User()),
        "namespace": namespace,
        "field_manager": FIELD_MANAGER,
        "timeout": Timeout(timeout),
    }


# --- Answers --------------------------------------------------------------------------


def code_of(error: Exception) -> int | None:
    """The code of an answer that is an error; None where there was no answer.

    An unknown API group is answered with plain text, which makes no `ApiError`; an
    error inside a watch is one without a response.
    """
    if isinstance(error, ApiError):
        return error.status.code
    return error.response.status_code if isinstance(error, HTTPStatusError) else None


def refusal(error: ApiError) -> str:
    """Why the API server refuses, without what it quotes of an object: where it calls
    one invalid, or a webhook has denied it, that may be a setting that the stack keeps
    encrypted.
    """
    status = error.status
    if status.code in (400, 422) or not status.message:
        return str(status.reason or status.code)
    return without_values(one_line(status.message))


async def or_none(answer: Awaitable[T]) -> T | None:
    """What the API server answers; None where there is no such object, or
    no such kind.
    """
    try:
        return await answer
    except HTTPStatusError as error:
        if code_of(error) != 404:
            raise
        return None


async def find(
    client: AsyncClient, kind: type[Any], name: str, namespace: str | None = None
) -> Object | None:
    """An object as a plain dict; None where there is none, or no such kind."""
    found = await or_none(client.get(kind, name, namespace=namespace))
    return found.to_dict() if found else None


async def find_all(client: AsyncClient, kind: type[Any], **which: Any) -> list[Object]:
    """Objects as plain dicts; ``which``: as `AsyncClient.list` takes it."""
    return [found.to_dict() async for found in client.list(kind, **which)]


async def log_end(client: AsyncClient, pod: str, namespace: str, container: str | None = None) -> list[str]:
    """The last lines of a pod's log; none where it cannot be read."""
    with suppress(HTTPError, OSError, ValueError):
        log = client.log(pod, namespace=namespace, container=container, tail_lines=_LOG_LINES)
        return [line async for line in log]
    return []


def is_unanswered(error: HTTPError) -> bool:
    """Whether the API server is out of reach or busy, and may answer later."""
    code = code_of(error)
    return code is None or code in BUSY


def no_answer(error: HTTPError) -> str:
    """What to say of a request that the API server has not answered, and that a wait
    makes again; any other error is raised.
    """
    if not is_unanswered(error):
        raise error
    return f"the Kubernetes API server does not answer: {error_line(error)}"
