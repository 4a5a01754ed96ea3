"""Downloads charts: from a Helm repository, held against its index, or from an OCI
registry, with Docker's logins.
"""

import base64
import hashlib
import json
import os
import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import httpx2
import yaml

from kuberay.facts.addresses import Login, is_loopback
from kuberay.facts.chart_source import ChartSource

_HELM_CHART = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
#: The C parser where PyYAML has it: KubeRay's CRDs are several megabytes.
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
#: The most that is taken of a download, and of what it unpacks to, in bytes: Helm takes
#: no larger chart.
MOST = 100 * 1024 * 1024
#: The longest that a download may take, however steadily it drips, in seconds.
_LONGEST = 120.0
#: The longest that a credential helper may take, in seconds.
_HELPER = 30.0
#: How deep an index may be nested; those of Helm are at about seven.
_DEEPEST = 100


def packed_chart(source: ChartSource) -> bytes:
    """A chart as it is packed; of no folder. Fails with whatever goes wrong."""
    if source.repository is None and not source.chart.startswith("oci://"):
        return Path(source.chart).read_bytes()
    address = source.repository or source.chart
    is_plain = address.startswith("http://") or (address.startswith("oci://") and is_loopback(address))
    hooks = {} if is_plain else {"request": [_refuse_plain]}
    with httpx2.Client(follow_redirects=True, timeout=60, event_hooks=hooks) as http:
        if source.repository is None:
            return _from_registry(http, source)
        return _from_repository(http, source, source.repository)


def _refuse_plain(request: httpx2.Request) -> None:
    """Also on the way between two that are none."""
    if request.url.scheme != "https":
        where = request.url.copy_with(query=None)
        raise ValueError(f"it leads to {where}, and on that way anyone could exchange the chart")


def _from_repository(http: httpx2.Client, source: ChartSource, repository: str) -> bytes:
    base = repository.rstrip("/") + "/"
    index = _load_index(_get(http, f"{base}index.yaml", login=source.login).content)
    for entry in index["entries"].get(source.chart, []):
        if str(entry["version"]).removeprefix("v") == source.version:
            # Relative addresses are allowed, to the repository. As with Helm, the login
            # is for the repository's host alone.
            address = urljoin(base, entry["urls"][0])
            login = source.login if urlsplit(address)[:2] == urlsplit(base)[:2] else None
            content = _get(http, address, login=login).content
            if digest := entry.get("digest"):
                _check_digest(content, str(digest), "the repository")
            return content
    raise ValueError("its index does not have that version")


def _load_index(content: bytes) -> Any:
    depth = 0
    # The C parser recurses without a bound when it composes: a deep text would end this
    # process.
    for event in yaml.parse(content, LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise ValueError(f"its index is nested more than {_DEEPEST} levels deep")
    return yaml.load(content, LOADER)  # noqa: S506


def _from_registry(http: httpx2.Client, source: ChartSource) -> bytes:
    """Pulls as the OCI distribution specification has it: the manifest of the tag, then
    the layer that is the chart.
    """
    address = urlsplit(source.chart)
    scheme = "http" if is_loopback(source.chart) else "https"  # as container tools do
    repository = f"{scheme}://{address.netloc}/v2{address.path}"
    # A tag holds no `+`; Helm writes `_` in its place.
    manifest_url = f"{repository}/manifests/{(source.version or '').replace('+', '_')}"
    answer = _get(http, manifest_url, {"Accept": _MANIFEST}, allowed=(401,))
    headers: dict[str, str] = {}
    if answer.status == 401:
        headers = _authorization(http, answer.headers.get("WWW-Authenticate", ""), address.netloc)
        answer = _get(http, manifest_url, {"Accept": _MANIFEST, **headers})
    layer = next(layer for layer in json.loads(answer.content)["layers"] if layer["mediaType"] == _HELM_CHART)
    content = _get(http, f"{repository}/blobs/{layer['digest']}", headers).content
    _check_digest(content, layer["digest"], "the registry")
    return content


def _authorization(http: httpx2.Client, challenge: str, registry: str) -> dict[str, str]:
    """What the registry asks for: the user's password, or a token for it, or one for
    nobody.
    """
    login = _login(registry)
    basic = {"Authorization": f"Basic {login}"} if login else {}
    if not challenge.lower().startswith("bearer"):
        return basic
    asked = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    realm = asked.pop("realm")
    token = json.loads(_get(http, f"{realm}{'&' if '?' in realm else '?'}{urlencode(asked)}", basic).content)
    return {"Authorization": f"Bearer {token.get('token') or token['access_token']}"}


def _login(registry: str) -> str | None:
    """`user:password` in base 64, as `helm registry login` and `docker login` keep it:
    in files, or with a helper that these name.
    """
    helm = os.environ.get("HELM_REGISTRY_CONFIG") or Path.home() / ".config/helm/registry/config.json"
    docker = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    for file in (Path(helm), docker):
        if not file.exists():
            continue
        config = json.loads(file.read_text())
        entry = config.get("auths", {}).get(registry) or {}
        if entry.get("auth"):
            return str(entry["auth"])
        helper = config.get("credHelpers", {}).get(registry) or config.get("credsStore")
        if not entry.get("username") and helper:
            entry = _ask_helper(helper, registry)
        if entry.get("username"):
            return base64.b64encode(f"{entry['username']}:{entry.get('password', '')}".encode()).decode()
    return None


def _ask_helper(name: str, registry: str) -> dict[str, str]:
    """What one of Docker's credential helpers knows of a registry: nothing, where it
    ends with an error.
    """
    done = subprocess.run(
        [f"docker-credential-{name}", "get"],
        input=registry,
        capture_output=True,
        text=True,
        check=False,
        timeout=_HELPER,
    )
    found = json.loads(done.stdout) if done.returncode == 0 else {}
    return {"username": found.get("Username", ""), "password": found.get("Secret", "")}


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    content: bytes


def _get(
    http: httpx2.Client,
    address: str,
    headers: Mapping[str, str] | None = None,
    *,
    login: Login | None = None,
    allowed: tuple[int, ...] = (),
) -> _Answer:
    """``allowed``: answers that are no success and are wanted all the same."""
    ends = time.monotonic() + _LONGEST
    with http.stream("GET", address, headers=headers, auth=login) as answer:
        if answer.is_error and answer.status_code not in allowed:
            raise ValueError(f"{answer.url} answers {answer.status_code}")
        content = bytearray()
        for part in answer.iter_bytes():
            content += part
            if len(content) > MOST:
                raise ValueError(f"{answer.url} gives more than {MOST >> 20} MiB")
            if time.monotonic() > ends:
                raise ValueError(f"{answer.url} takes longer than {_LONGEST:.0f} s")
        return _Answer(answer.status_code, answer.headers, bytes(content))


def _check_digest(content: bytes, digest: str, whose: str) -> None:
    if digest.removeprefix("sha256:") != hashlib.sha256(content).hexdigest():
        raise ValueError(f"{whose} gave something that is not what its digest says")
