"""The CRDs in a chart, from wherever the chart comes: a folder, an archive, a Helm repository or an OCI registry.

Helm installs a chart's CRDs with the first release and never touches them again, and its Release resource hands nobody the archive that it
downloads. So an upgrade reads the chart once more, in `up` and in the preview of an upgrade, and nowhere else.
"""

import base64
import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx2
import yaml

from kuberay.facts.charts import ChartSource

_HELM_CHART = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
#: The C parser where PyYAML has it: KubeRay's CRDs are several megabytes.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class ChartError(Exception):
    """A chart that cannot be read; the message says which and why, in one line."""


def chart_crds(source: ChartSource) -> list[dict[str, Any]]:
    """Every CRD in the chart's `crds` folder."""
    where = f"{source.chart} {source.version}" + (f" of {_hide_login(source.repository)}" if source.repository else "")
    try:
        crds = [crd for text in _crd_files(source) for crd in yaml.load_all(text, _Loader) if crd]
    except (OSError, httpx2.HTTPError, httpx2.InvalidURL, tarfile.TarError, yaml.YAMLError, KeyError, ValueError) as error:
        reason = _hide_login(" ".join(str(error).split()))
        raise ChartError(f"the chart {where} cannot be read: {reason or type(error).__name__}") from error
    if not crds:
        raise ChartError(f"the chart {where} has no CRDs")
    return crds


def _crd_files(source: ChartSource) -> Iterator[str]:
    folder = Path(source.chart, "crds")
    if folder.is_dir():
        for file in sorted(folder.glob("*.yaml")):
            yield file.read_text()
        return
    with tarfile.open(fileobj=io.BytesIO(_archive(source)), mode="r:gz") as archive:
        for member in sorted(archive.getmembers(), key=lambda member: member.name):
            if re.fullmatch(r"[^/]+/crds/[^/]+\.yaml", member.name) and (content := archive.extractfile(member)):
                yield content.read().decode()


def _archive(source: ChartSource) -> bytes:
    if source.repository is None and not source.chart.startswith("oci://"):
        return Path(source.chart).read_bytes()
    with httpx2.Client(follow_redirects=True, timeout=60) as http:
        return _from_registry(http, source) if source.repository is None else _from_repository(http, source, source.repository)


def _from_repository(http: httpx2.Client, source: ChartSource, repository: str) -> bytes:
    base = repository.rstrip("/") + "/"
    index = yaml.load(_check(http.get(f"{base}index.yaml")).content, _Loader)  # noqa: S506
    for entry in index["entries"].get(source.chart, []):
        if str(entry["version"]).removeprefix("v") == source.version:
            # Relative addresses are allowed, to the repository.
            return _check(http.get(urljoin(base, entry["urls"][0]))).content
    raise ValueError("its index does not have that version")


def _from_registry(http: httpx2.Client, source: ChartSource) -> bytes:
    """Pulls as the OCI distribution specification has it: the manifest of the tag, then the layer that is the chart."""
    address = urlsplit(source.chart)
    scheme = "http" if address.hostname in _LOOPBACK else "https"  # as container tools do
    repository = f"{scheme}://{address.netloc}/v2{address.path}"
    # A tag holds no `+`; Helm writes `_` in its place.
    manifest_url = f"{repository}/manifests/{(source.version or '').replace('+', '_')}"
    answer = http.get(manifest_url, headers={"Accept": _MANIFEST})
    headers: dict[str, str] = {}
    if answer.status_code == 401:
        headers = _authorization(http, answer.headers.get("WWW-Authenticate", ""), address.netloc)
        answer = http.get(manifest_url, headers={"Accept": _MANIFEST, **headers})
    layer = next(layer for layer in _check(answer).json()["layers"] if layer["mediaType"] == _HELM_CHART)
    content = _check(http.get(f"{repository}/blobs/{layer['digest']}", headers=headers)).content
    if layer["digest"] != f"sha256:{hashlib.sha256(content).hexdigest()}":
        raise ValueError("the registry gave something that is not what its digest says")
    return content


def _authorization(http: httpx2.Client, challenge: str, registry: str) -> dict[str, str]:
    """What the registry asks for: the user's password, or a token for it, or one for nobody."""
    login = _login(registry)
    basic = {"Authorization": f"Basic {login}"} if login else {}
    if not challenge.lower().startswith("bearer"):
        return basic
    asked = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    token = _check(http.get(asked.pop("realm"), params=asked, headers=basic)).json()
    return {"Authorization": f"Bearer {token.get('token') or token['access_token']}"}


def _login(registry: str) -> str | None:
    """`user:password` in base 64, as `helm registry login` and `docker login` keep it in files; their credential helpers are not asked."""
    helm = os.environ.get("HELM_REGISTRY_CONFIG") or Path.home() / ".config/helm/registry/config.json"
    docker = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    for file in (Path(helm), docker):
        if file.exists() and (entry := json.loads(file.read_text()).get("auths", {}).get(registry)):
            if entry.get("auth"):
                return str(entry["auth"])
            if entry.get("username"):
                return base64.b64encode(f"{entry['username']}:{entry.get('password', '')}".encode()).decode()
    return None


def _check(answer: httpx2.Response) -> httpx2.Response:
    if answer.is_error:
        raise ValueError(f"{answer.url} answers {answer.status_code}")
    return answer


def _hide_login(text: str) -> str:
    return re.sub(r"//[^/@\s]+@", "//", text)
