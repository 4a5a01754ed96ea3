"""How every request gets to the API server: as the kubeconfig says, and again where the
server is busy or a connection was lost.

This is the one place with patience. What reports progress while it waits, or can do
without an answer, asks with none.
"""

import asyncio
import base64
import re
import ssl
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar
from urllib.parse import urlsplit

import httpx2

from kuberay.live.api.kubeconfig import Endpoint, KubeconfigError

P = ParamSpec("P")
T = TypeVar("T")

#: Answers of a server that is busy, restarts, or takes up a new version of a CRD.
BUSY = frozenset({429, 500, 502, 503, 504})
_HEADER = re.compile(r"[\t\x20-\x7e]*")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 2.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")

Outcome = httpx2.Response | httpx2.TransportError


class PatientTransport(httpx2.HTTPTransport):
    """For requests outside of an event loop."""

    def __init__(self, endpoint: Endpoint, patience: float) -> None:
        """``patience``: in seconds, from the first try of a request on; 0: there is one
        try.
        """
        self._endpoint, self._patience = endpoint, patience
        super().__init__(verify=_tls(endpoint), proxy=_proxy(endpoint))

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        exchange = _Exchange(self._endpoint, self._patience, request)
        exchange.sign()
        while True:
            outcome: Outcome
            try:
                outcome = super().handle_request(request)
            except httpx2.TransportError as error:
                outcome = error
            pause = exchange.pause_after(outcome)
            if pause is None:
                return _final(outcome)
            if isinstance(outcome, httpx2.Response):
                outcome.close()
            time.sleep(pause)


class AsyncPatientTransport(httpx2.AsyncHTTPTransport):
    """For requests in an event loop."""

    def __init__(self, endpoint: Endpoint, patience: float) -> None:
        """``patience``: in seconds, from the first try of a request on; 0: there is one
        try.
        """
        self._endpoint, self._patience = endpoint, patience
        super().__init__(verify=_tls(endpoint), proxy=_proxy(endpoint))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        exchange = _Exchange(self._endpoint, self._patience, request)
        await self._aside(exchange.sign)
        while True:
            outcome: Outcome
            try:
                outcome = await super().handle_async_request(request)
            except httpx2.TransportError as error:
                outcome = error
            pause = await self._aside(exchange.pause_after, outcome)
            if pause is None:
                return _final(outcome)
            if isinstance(outcome, httpx2.Response):
                await outcome.aclose()
            await asyncio.sleep(pause)

    async def _aside(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """A credential plugin takes seconds, for which the loop is not to stand;
        without one there is nothing to wait for.
        """
        if self._endpoint.plugin:
            return await asyncio.to_thread(work, *arguments, **named)
        return work(*arguments, **named)


class _Exchange:
    """One request, as often as it is made. Every request of this program may be made
    twice with the result of one.
    """

    def __init__(self, endpoint: Endpoint, patience: float, request: httpx2.Request) -> None:
        self._endpoint, self._request = endpoint, request
        self._ends = time.monotonic() + patience
        self._tries = 0
        self._signed_anew = False

    def sign(self, *, anew: bool = False) -> None:
        """Says on the request who asks, and as whom; a credential plugin may take
        seconds.
        """
        endpoint, headers = self._endpoint, self._request.headers
        token = endpoint.token
        if endpoint.token_file:
            token = endpoint.token_file.read_text().strip()
        elif endpoint.plugin:
            token = endpoint.plugin.ask(anew=anew).token
        if token:
            headers["Authorization"] = f"Bearer {_in_a_header(token.strip(), 'the token')}"
        elif endpoint.basic:
            headers["Authorization"] = "Basic " + base64.b64encode(":".join(endpoint.basic).encode()).decode()
        if not anew:
            for header, value in endpoint.impersonated:
                _in_a_header(header + value, "whom the user acts as")
            # One of them may stand there several times.
            self._request.headers = httpx2.Headers([*headers.multi_items(), *endpoint.impersonated])
            if endpoint.server_name:
                self._request.extensions = {**self._request.extensions, "sni_hostname": endpoint.server_name}

    def pause_after(self, outcome: Outcome) -> float | None:
        """How long to wait before the request is made again, in seconds; None where its
        outcome is final.
        """
        response = outcome if isinstance(outcome, httpx2.Response) else None
        if response is not None and response.status_code == 401 and not self._signed_anew:
            self._signed_anew = True
            if self._endpoint.token_file or self._endpoint.plugin:
                self.sign(anew=True)
                return 0
        left = self._ends - time.monotonic()
        if left <= 0 or (response is not None and response.status_code not in BUSY):
            return None
        asked = response.headers.get("Retry-After", "") if response is not None else ""
        pause = float(asked) if asked.isdecimal() else min(_FIRST_PAUSE * 2**self._tries, _LONGEST_PAUSE)
        self._tries += 1
        return min(pause, left)


def _in_a_header(text: str, what: str) -> str:
    """The text, which HTTP's own error would print."""
    if not _HEADER.fullmatch(text):
        raise KubeconfigError(
            f"{what} of the kubeconfig's user holds a character that no HTTP header takes, such as a"
            " line break"
        )
    return text


def _final(outcome: Outcome) -> httpx2.Response:
    if not isinstance(outcome, httpx2.Response):
        raise outcome
    # lightkube reads it from every error, and a proxy may leave it out.
    outcome.headers.setdefault("Content-Type", "text/plain")
    return outcome


def _proxy(endpoint: Endpoint) -> str | None:
    """The kubeconfig's proxy, else that of the environment, as client-go has it: never
    for this machine itself.
    """
    address = urlsplit(endpoint.server)
    host = address.hostname or ""
    if endpoint.proxy or host in _LOOPBACK or urllib.request.proxy_bypass(host):
        return endpoint.proxy
    return urllib.request.getproxies().get(address.scheme)


def _tls(endpoint: Endpoint) -> ssl.SSLContext | bool:
    if not endpoint.server.startswith("https://"):
        return False
    try:
        context = ssl.create_default_context(
            cadata=endpoint.authority.decode() if endpoint.authority else None
        )
    except (ssl.SSLError, ValueError):
        raise KubeconfigError(
            "the certificate-authority of the kubeconfig's cluster holds no certificate in PEM"
        ) from None
    if endpoint.insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    certificate, key = endpoint.client_certificate, endpoint.client_key
    if endpoint.plugin:
        given = endpoint.plugin.ask()
        certificate, key = given.certificate, given.key
    if certificate and key:
        # Python reads them from files alone; these are gone again at once.
        with tempfile.TemporaryDirectory() as folder:
            files = Path(folder, "certificate"), Path(folder, "key")
            files[0].write_bytes(certificate)
            files[1].write_bytes(key)
            try:
                context.load_cert_chain(*files)
            except ssl.SSLError:
                raise KubeconfigError(
                    "the client certificate of the kubeconfig's user and its key are no pair in PEM"
                ) from None
    return context
