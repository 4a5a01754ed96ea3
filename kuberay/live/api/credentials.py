"""Credentials that a program gives: the `exec` of a kubeconfig, asked as client-go asks
it (client-go's credential plugins).
"""

import base64
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

_API = "client.authentication.k8s.io/"
_TOLD = ("server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority-data", "proxy-url")
_VERSIONS = (f"{_API}v1", f"{_API}v1beta1")
#: How long a plugin may take, in seconds; those of the clouds take one to three.
_SECONDS = 20.0
#: What is left of a credential's time when it is asked for anew, in seconds.
_BEFORE_IT_ENDS = 30.0


class CredentialError(Exception):
    """A plugin that gives no credentials; the message says which and why, in one line,
    and nothing of what it printed.
    """


@dataclass(frozen=True)
class Credential:
    """What a plugin has given."""

    token: str | None
    certificate: bytes | None
    key: bytes | None
    ends: float | None
    """When it no longer holds, in seconds since the epoch."""


@dataclass(frozen=True)
class Plugin:
    """A program that prints credentials."""

    user: str
    """Whose they are, by the kubeconfig's name."""
    version: str
    command: str
    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    cluster: str | None
    """What it is told of the cluster, as JSON (`provideClusterInfo`)."""

    @classmethod
    def of(cls, given: Any, user: str, cluster: Mapping[str, Any]) -> Self:
        """The plugin that a kubeconfig describes below `exec`."""
        if not isinstance(given, Mapping) or not all(
            isinstance(given.get(key) or "", str)
            for key in ("apiVersion", "command")  # pyright: ignore[reportUnknownMemberType]
        ):
            raise CredentialError(
                f"user '{user}' of the kubeconfig has an exec that is not a map with apiVersion and command"
            )
        version, command = str(given.get("apiVersion") or ""), str(given.get("command") or "")
        what = f"user '{user}' of the kubeconfig has a credential plugin"
        if version not in _VERSIONS:
            raise CredentialError(f"{what} of apiVersion '{version}'; known here: {', '.join(_VERSIONS)}")
        if not command:
            raise CredentialError(f"{what} without a command")
        # With its arguments, a password may be among what is told of it.
        if len(command.split()) > 1 and shutil.which(command) is None:
            raise CredentialError(f"{what} whose command is no program; its arguments go into args")
        if given.get("interactiveMode") == "Always":
            raise CredentialError(
                f"{what}, {command}, that asks a person (interactiveMode: Always); nobody is asked here"
            )
        shown = json.dumps(_told(cluster)) if given.get("provideClusterInfo") else None
        try:
            # Null, or no value at all, is an empty text to client-go.
            variables = tuple(
                (str(each["name"]), _text(each.get("value"))) for each in given.get("env") or []
            )
            arguments = tuple(map(_text, given.get("args") or []))
        except (TypeError, KeyError, AttributeError):
            raise CredentialError(
                f"{what} whose env is not a list of maps with name and value, or whose args are no list"
            ) from None
        return cls(user, version, command, arguments, variables, shown)

    def ask(self, *, anew: bool = False) -> Credential:
        """What the plugin gives, which is kept for as long as it holds. ``anew``: the
        server no longer takes what is kept.

        Raises:
            CredentialError: it is not there, fails, hangs, or prints something else.
        """
        with _lock:
            kept = _kept.get(self)
            if kept is None or anew or (kept.ends is not None and kept.ends - time.time() < _BEFORE_IT_ENDS):
                kept = _kept[self] = self._run()
            return kept

    def _run(self) -> Credential:
        what = f"the credential plugin {self.command} of user '{self.user}'"
        told = {"cluster": json.loads(self.cluster)} if self.cluster else {}
        spec = {"interactive": False, **told}
        asked = {"apiVersion": self.version, "kind": "ExecCredential", "spec": spec}
        environment = {**os.environ, **dict(self.environment), "KUBERNETES_EXEC_INFO": json.dumps(asked)}
        try:
            done = subprocess.run(
                [self.command, *self.arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_SECONDS,
                check=False,
            )
        except FileNotFoundError:
            raise CredentialError(f"{what} is not there; install it, or put its folder on the PATH") from None
        except OSError as error:
            raise CredentialError(f"{what} cannot be run: {error.strerror}") from None
        except ValueError:
            reason = "its command, args or env hold a NUL or an = in a name"
            raise CredentialError(f"{what} cannot be run: {reason}") from None
        except subprocess.TimeoutExpired:
            raise CredentialError(f"{what} gave nothing in {_SECONDS:.0f} s") from None
        if done.returncode:
            raise CredentialError(
                f"{what} failed with exit code {done.returncode}; run it by itself to see why"
            )
        try:
            status = json.loads(done.stdout)["status"]
            ends = status.get("expirationTimestamp")
            certificate, key = status.get("clientCertificateData"), status.get("clientKeyData")
            credential = Credential(
                token=status.get("token") or None,
                certificate=certificate.encode() if certificate else None,
                key=key.encode() if key else None,
                ends=datetime.fromisoformat(ends).astimezone(UTC).timestamp() if ends else None,
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            raise CredentialError(f"{what} printed no ExecCredential with a status") from None
        if not credential.token and not (credential.certificate and credential.key):
            raise CredentialError(f"{what} gave neither a token nor a certificate with its key")
        return credential


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _told(cluster: Mapping[str, Any]) -> dict[str, Any]:
    """What client-go tells a plugin of a cluster, by the API's names."""
    told = {key: cluster[key] for key in _TOLD if cluster.get(key)}
    if (file := cluster.get("certificate-authority")) and "certificate-authority-data" not in told:
        with suppress(OSError, ValueError):  # Whoever connects says so.
            told["certificate-authority-data"] = base64.b64encode(Path(str(file)).read_bytes()).decode()
    extensions = cluster.get("extensions")
    for extension in extensions if isinstance(extensions, list) else []:
        if isinstance(extension, Mapping) and extension.get("name") == f"{_API}exec":
            told["config"] = extension.get("extension")
    return told


_kept: dict[Plugin, Credential] = {}
_lock = threading.Lock()
