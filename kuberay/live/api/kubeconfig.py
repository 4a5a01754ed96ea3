"""Which cluster a stack lies in, found as client-go finds it: so this program asks the
one that the stack's provider changes.

Everything of a kubeconfig that client-go honours is honoured, or refused by its name:
what is ignored would ask another cluster, or as someone else. No message shows any of a
kubeconfig's content but the names of its entries, and which program gives credentials.
"""

import base64
import binascii
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from httpx2 import URL, InvalidURL

from kuberay.live.api.connection import CLUSTER, CONTEXT, KUBECONFIG, Connection
from kuberay.live.api.credentials import Plugin

#: Where Kubernetes gives a pod what its own account needs.
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
#: Keys of entries that hold a text.
_TEXTS = frozenset(
    {
        *("server", "tls-server-name", "proxy-url", "certificate-authority", "certificate-authority-data"),
        *("cluster", "user", "namespace"),
        *("token", "tokenFile", "username", "password", "as", "as-uid"),
        *("client-certificate", "client-certificate-data", "client-key", "client-key-data"),
    }
)
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

#: Longer than anybody's path. Encoded text may begin with a slash as well.
_LONGEST_PATH = 250

#: Unlike that of a Path, it also takes what is longer than any.
_is_file = os.path.isfile

Entries = Mapping[str, Mapping[str, Any]]


class KubeconfigError(Exception):
    """The cluster of a stack cannot be told; the message says why, in one line."""


@dataclass(frozen=True)
class Endpoint:
    """How to reach an API server, and as whom. Certificates and keys are PEM, given or
    in a file.
    """

    server: str
    context: str = ""
    namespace: str = "default"
    server_name: str | None = None
    """Whom its certificate has to name, where that is not the server's host."""
    insecure: bool = False
    authority: bytes | None = field(default=None, repr=False)
    proxy: str | None = field(default=None, repr=False)
    client_certificate: bytes | None = field(default=None, repr=False)
    client_key: bytes | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    token_file: Path | None = None
    """Read again once the server no longer takes what was in it."""
    basic: tuple[str, str] | None = field(default=None, repr=False)
    plugin: Plugin | None = field(default=None, repr=False)
    impersonated: tuple[tuple[str, str], ...] = ()
    """Headers that say as whom an account acts."""


def find_endpoint(connection: Connection) -> Endpoint:
    """How to reach the cluster of a stack: what its config says, completed as the
    provider completes it.

    Raises:
        KubeconfigError: no cluster is named, one that is not there, or one that is
            reached in a way that this program does not know.
    """
    if connection.kubeconfig:
        loaded = _load(connection.kubeconfig)
    else:
        loaded = _load_files(connection.context)
        if loaded is None:
            return _own_account()
    return loaded.endpoint(connection.context, connection.cluster)


@dataclass(frozen=True)
class _Kubeconfig:
    """The entries of one file, or of several that were merged."""

    clusters: Entries = field(default_factory=dict[str, Mapping[str, Any]])
    contexts: Entries = field(default_factory=dict[str, Mapping[str, Any]])
    users: Entries = field(default_factory=dict[str, Mapping[str, Any]])
    current: str | None = None

    def over(self, other: "_Kubeconfig") -> "_Kubeconfig":
        """One out of two: of each name, and of the current context, the first that has
        it decides.
        """
        return _Kubeconfig(
            {**other.clusters, **self.clusters},
            {**other.contexts, **self.contexts},
            {**other.users, **self.users},
            self.current or other.current,
        )

    def endpoint(self, context: str | None, cluster: str | None) -> Endpoint:
        name = context or self.current
        if not name:
            raise KubeconfigError(f"the kubeconfig names no current context: set {CONTEXT} of the stack")
        chosen = _entry(self.contexts, name, f"context '{name}' is not in the kubeconfig")
        what = f"context '{name}' of the kubeconfig"
        # Somebody may have written there what belongs in the entry: nothing of it is
        # shown.
        _refuse_other_types(chosen, what)
        named, who = chosen.get("cluster") or "", chosen.get("user") or ""
        otherwise = f"{what} names cluster '{named}', which is not there"
        if cluster:
            otherwise = f"{CLUSTER} is '{cluster}', which is not in the kubeconfig"
        reached = _entry(self.clusters, cluster or named, otherwise)
        user = _entry(self.users, who, f"{what} names user '{who}', which is not there") if who else {}
        what = f"cluster '{cluster or named}' of the kubeconfig"
        proxy, server = reached.get("proxy-url"), reached.get("server")
        if proxy:
            known = "known here: http://<host>:<port> and https://<host>:<port>"
            _address(str(proxy), f"{what} has a proxy-url that this program does not know; {known}")
        _refuse_other_types(reached, what)
        _refuse_other_types(user, f"user '{who}' of the kubeconfig")
        if not server:
            raise KubeconfigError(f"{what} names no server")
        address = _address(server, f"{what} has a server that is not of the form https://<host>:<port>")
        return Endpoint(
            # An error of a client quotes the address.
            server=str(address.copy_with(userinfo=b"")) if address.userinfo else server,
            context=name,
            namespace=chosen.get("namespace") or "default",
            server_name=reached.get("tls-server-name") or None,
            insecure=bool(reached.get("insecure-skip-tls-verify")),
            authority=_content(reached, "certificate-authority", what),
            proxy=proxy or None,
            **_user(user, who, reached, address),
        )


def _user(user: Mapping[str, Any], name: str, cluster: Mapping[str, Any], address: URL) -> dict[str, Any]:
    what = f"user '{name}' of the kubeconfig"
    if provider := user.get("auth-provider"):
        kind = provider.get("name") if isinstance(provider, Mapping) else None
        shown = kind if isinstance(kind, str) else "?"
        raise KubeconfigError(
            f"{what} has the auth-provider '{shown}', which this program does not know; use `exec`"
        )
    groups, extra = user.get("as-groups") or [], user.get("as-user-extra") or {}
    if not _are_texts(groups):
        raise KubeconfigError(f"{what} has as-groups that are not a list of texts, such as [ops]")
    if not isinstance(extra, Mapping) or not all(map(_are_texts, extra.values())):
        raise KubeconfigError(
            f"{what} has an as-user-extra that is not a map of lists of texts, such as {{reason: [on-call]}}"
        )
    more = [key for key in ("as-uid", "as-groups", "as-user-extra") if user.get(key)]
    if more and not user.get("as"):
        raise KubeconfigError(f"{what} has {more[0]}, and no `as` that says who acts")
    impersonated = [
        *([("Impersonate-User", str(user["as"]))] if user.get("as") else []),
        *([("Impersonate-Uid", str(user["as-uid"]))] if user.get("as-uid") else []),
        *(("Impersonate-Group", group) for group in groups),
        *((f"Impersonate-Extra-{key}", value) for key, values in extra.items() for value in values),
    ]
    file, token = user.get("tokenFile"), user.get("token")
    _content(user, "tokenFile", what)  # Read again for each request, where nobody could say what is wrong.
    plain = user.get("username") and user.get("password")
    login = (str(user["username"]), str(user["password"])) if plain else (address.username, address.password)
    given = user.get("exec")
    return {
        "client_certificate": _content(user, "client-certificate", what),
        "client_key": _content(user, "client-key", what),
        "token_file": Path(str(file)) if file else None,
        "token": str(token) if token else None,
        "basic": login if plain or address.userinfo else None,
        "plugin": None if file or token or not given else Plugin.of(given, name, cluster),
        "impersonated": tuple(impersonated),
    }


def _entry(entries: Entries, name: str, otherwise: str) -> Mapping[str, Any]:
    if name not in entries:
        known = f"there are: {', '.join(sorted(entries))}" if entries else "it has none"
        raise KubeconfigError(f"{otherwise}; {known}")
    return entries[name]


def _content(entry: Mapping[str, Any], key: str, what: str) -> bytes | None:
    """What stands in an entry itself goes before the file that it names."""
    try:
        if data := entry.get(f"{key}-data"):
            # `base64` breaks lines, which Go's decoder passes over.
            return base64.b64decode(re.sub(r"[\r\n]", "", str(data)), validate=True)
    except (binascii.Error, ValueError):
        raise KubeconfigError(f"{what} has a {key}-data that is not base64") from None
    if not (file := entry.get(key)):
        return None
    try:
        return Path(str(file)).read_bytes()
    except (OSError, ValueError) as error:
        # Somebody may have written there what belongs in the file.
        reason = error.strerror if isinstance(error, OSError) else "it is no path"
        instead = "token" if key == "tokenFile" else f"{key}-data"
        why = f"cannot be read: {reason}; it takes a path, and {instead} what would be in the file"
        raise KubeconfigError(f"{what} has a {key} that {why}") from None


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _refuse_other_types(entry: Mapping[str, Any], what: str) -> None:
    """Refuses what client-go would not read: a token that is a number, for one."""
    for key in _TEXTS & entry.keys():
        if not isinstance(entry[key], str | None):
            raise KubeconfigError(f"{what} has a {key} that is no text; put it in quotes")
    if not isinstance(entry.get("insecure-skip-tls-verify"), bool | None):
        raise KubeconfigError(f"{what} has an insecure-skip-tls-verify that is neither true nor false")


def _address(text: str, otherwise: str) -> URL:
    """What a client says of one that is none would quote it."""
    try:
        address = URL(text)
        urlsplit(text)  # Which the transport reads, and takes less.
    except (InvalidURL, ValueError):
        raise KubeconfigError(otherwise) from None
    is_known = address.scheme in ("http", "https") and address.host and address.port != 0
    if not is_known or any(map(str.isspace, text)):
        raise KubeconfigError(otherwise)
    return address


# --- Files ----------------------------------------------------------------------------


def _load(kubeconfig: str) -> _Kubeconfig:
    # The provider takes either a path or the content itself.
    if "\n" in kubeconfig or kubeconfig.lstrip().startswith("{"):
        return _parse(kubeconfig, KUBECONFIG)
    file = Path(kubeconfig).expanduser()
    if _is_file(file):
        return _read(file)
    # Whatever is not plainly a path may be the content, encoded once more: none of it
    # is shown.
    is_path = kubeconfig.startswith(("/", "~", ".")) and kubeconfig.isprintable()
    if is_path and len(kubeconfig) <= _LONGEST_PATH:
        raise KubeconfigError(f"{KUBECONFIG}: the file {kubeconfig} does not exist")
    raise KubeconfigError(
        f"{KUBECONFIG} is neither a file that exists nor the content of a kubeconfig, which is YAML or JSON"
    )


def _load_files(context: str | None) -> _Kubeconfig | None:
    """The files of ``KUBECONFIG``, else ``~/.kube/config``; None where they name no
    context and this is a pod with an account.
    """
    listed = os.environ.get("KUBECONFIG")
    files = (
        [Path(file) for file in listed.split(os.pathsep) if file]
        if listed
        else [Path.home() / ".kube" / "config"]
    )
    merged = reduce(_Kubeconfig.over, map(_read, filter(_is_file, files)), _Kubeconfig())
    if context or merged.current:
        return merged
    if os.environ.get("KUBERNETES_SERVICE_HOST") and (_ACCOUNT / "token").exists():
        return None
    looked = ", ".join(map(str, files))
    raise KubeconfigError(f"no current context in {looked}: set {CONTEXT} of the stack, or KUBECONFIG")


def _read(file: Path) -> _Kubeconfig:
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise KubeconfigError(f"the kubeconfig {file} cannot be read: {why}") from None
    return _parse(text, str(file), file.absolute().parent)


def _parse(text: str, where: str, folder: Path | None = None) -> _Kubeconfig:
    try:
        # Of several documents kubectl, too, reads the first.
        content: Any = next(iter(yaml.load_all(text, _Loader)), None) or {}
    except (yaml.YAMLError, ValueError) as error:  # A date that is none, for one.
        mark = getattr(error, "problem_mark", None)
        line = f" (line {mark.line + 1})" if mark else ""
        raise KubeconfigError(f"{where} is not YAML{line}") from None
    if not isinstance(content, Mapping):
        raise KubeconfigError(f"{where} is not the content of a kubeconfig")
    parts: dict[str, dict[str, dict[str, Any]]] = {}
    for part, key in (("clusters", "cluster"), ("contexts", "context"), ("users", "user")):
        # A file that others complete may lack any of them; `kubectl config unset`
        # leaves an empty context.
        try:
            parts[part] = {
                _name(entry["name"]): dict(entry.get(key) or {}) for entry in content.get(part) or []
            }
        except (TypeError, KeyError, AttributeError, ValueError):
            raise KubeconfigError(
                f"{where}: `{part}` is not a list of entries with a name and a {key}"
            ) from None
    if folder:
        _make_absolute(parts, folder)
    current = content.get("current-context")
    return _Kubeconfig(**parts, current=current if isinstance(current, str) else None)


def _name(given: Any) -> str:
    if isinstance(given, Mapping | list):
        raise TypeError("it is no name")
    return str(given)


def _make_absolute(parts: Mapping[str, Mapping[str, dict[str, Any]]], folder: Path) -> None:
    """Relative paths are to the file that has them, also when it is merged
    with others.
    """
    for entry in (*parts["clusters"].values(), *parts["users"].values()):
        for key in ("certificate-authority", "client-certificate", "client-key", "tokenFile"):
            if entry.get(key):
                entry[key] = str(folder / str(entry[key]))
        plugin = entry.get("exec")
        # Else it is looked up on the PATH.
        if isinstance(plugin, Mapping) and os.sep in str(plugin.get("command") or ""):
            entry["exec"] = {**plugin, "command": str(folder / str(plugin["command"]))}


def _own_account() -> Endpoint:
    """The account of the pod that this program runs in."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ.get("KUBERNETES_SERVICE_PORT") or "443"
    return Endpoint(
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        context="in-cluster",
        authority=(_ACCOUNT / "ca.crt").read_bytes(),
        token_file=_ACCOUNT / "token",
    )
