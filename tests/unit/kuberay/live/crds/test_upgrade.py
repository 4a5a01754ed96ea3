"""Which CRDs are brought to the operator's version, and which are refused."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import yaml
from httpx2 import HTTPStatusError, Request, Response
from lightkube import ApiError

from kuberay.facts.chart_source import ChartSource
from kuberay.live.api.connection import Connection
from kuberay.live.crds import upgrade as crds
from kuberay.live.crds.upgrade import CrdError, bring_to_version, is_stale
from kuberay.live.wait_loop import NotUpError
from tests.unit.kuberay.live.api_server import Found

#: What each version of KubeRay knows; in truth each takes a few fields away, too.
FIELDS = {
    "1.3.0": "replicas source",
    "1.6.2": "replicas authOptions managedBy upgradeStrategy",
    "1.7.0": "replicas authOptions managedBy backend args",
}


def crd(of: str, name: str = "rayclusters.ray.io", brought_to: str | None = None) -> dict[str, Any]:
    spec = {"type": "object", "properties": {field: {"type": "string"} for field in FIELDS[of].split()}}
    version = {
        "name": "v1",
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}},
    }
    annotations = {"kuberay.pulumi/version": brought_to} if brought_to else {}
    kind = {"kind": "RayCluster", "plural": name.partition(".")[0]}
    return {
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"group": "ray.io", "names": kind, "versions": [version]},
    }


class Cluster:
    """Has these CRDs, and no object of theirs; notes what is applied."""

    def __init__(self, *present: dict[str, Any]) -> None:
        self.crds = {crd["metadata"]["name"]: crd for crd in present}
        self.applied: dict[str, str] = {}
        self.texts: list[str] = []
        self.listings: list[Exception] = []
        """What is answered in place of a list, one after the other."""

    async def get(self, kind: Any, name: str, namespace: str | None = None) -> Found:
        if name not in self.crds:
            status = {"code": 404, "message": "not found"}
            raise ApiError(Request("GET", "https://x"), Response(404, json=status))
        return Found(self.crds[name])

    async def list(self, kind: Any, namespace: str, **how: Any) -> AsyncIterator[Found]:
        if self.listings:
            raise self.listings.pop(0)
        for nothing in ():
            yield nothing

    async def patch(self, kind: Any, name: str, applied: dict[str, Any], **how: Any) -> None:
        self.applied[name] = applied["metadata"]["annotations"]["kuberay.pulumi/version"]

    async def apply_text(self, connection: Any, path: str, text: str, **how: Any) -> None:
        self.texts.append(text)
        await self.patch(None, path.rpartition("/")[2], yaml.safe_load(text))

    async def __aenter__(self) -> "Cluster":
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


def not_served(code: int = 404) -> HTTPStatusError:
    """What the API server answers of a kind that it does not know, or not to all."""
    request = Request("GET", "https://x")
    return HTTPStatusError("", request=request, response=Response(code, text="404 page not found"))


TEXT = """apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  annotations:
    controller-gen.kubebuilder.io/version: v0.16.0
  name: {name}
spec:
  versions: ["not parsed"]
"""


def bring(
    monkeypatch: pytest.MonkeyPatch,
    present: Cluster,
    version: str,
    was: str | None = None,
    *,
    timeout: float = 60,
    in_preview: bool = False,
    texts: list[str] | None = None,
) -> tuple[dict[str, str], list[str]]:
    """Which CRDs are applied, at which version, and what is said."""
    said: list[str] = []
    monkeypatch.setattr(crds, "connect", lambda *_, **__: present)
    monkeypatch.setattr(
        crds, "chart_crds", lambda _: [crd(version, "rayclusters.ray.io"), crd(version, "rayjobs.ray.io")]
    )
    files = texts or [TEXT.format(name=name) for name in ("rayclusters.ray.io", "rayjobs.ray.io")]
    monkeypatch.setattr(crds, "crd_texts", lambda _: files)
    monkeypatch.setattr(crds, "apply_text", present.apply_text)
    asyncio.run(
        bring_to_version(
            Connection(),
            version,
            ChartSource("x", version, None),
            was,
            said.append,
            timeout=timeout,
            in_preview=in_preview,
        )
    )
    return present.applied, said


@pytest.mark.parametrize(
    ("found", "version", "was", "stale"),
    [
        pytest.param(None, "1.3.0", None, True, id="left by an install of unknown version"),
        pytest.param(None, "1.3.0", "1.3.0", False, id="installed by Helm with this very release"),
        pytest.param(None, "1.6.2", "1.3.0", True, id="an upgrade, installed by Helm"),
        pytest.param("1.5.1", "1.6.2", "1.5.1", True, id="an upgrade"),
        pytest.param("1.6.2", "1.6.2", "1.3.0", False, id="an upgrade that was killed after this CRD"),
        pytest.param("1.6.2", "1.6.2", "1.6.2", False, id="no other version"),
        pytest.param("1.6.2", "1.3.0", "1.6.2", True, id="a downgrade"),
        pytest.param("1.3.0", "1.6.2", None, True, id="left by an older install"),
        pytest.param("1.6.2", "1.3.0", None, False, id="of a newer install, maybe another operator's"),
        pytest.param("1.6.2", "1.3.0", "1.3.0", False, id="of a newer operator beside this one"),
    ],
)
def test_a_crd_is_stale(found: str | None, version: str, was: str | None, stale: bool) -> None:
    assert is_stale(found, version, was) == stale


@pytest.mark.parametrize("in_preview", [True, False])
def test_newer_crds_of_another_install_are_refused_before_anything_is_applied(
    monkeypatch: pytest.MonkeyPatch, in_preview: bool
) -> None:
    present = Cluster(crd("1.6.2", "rayclusters.ray.io"), crd("1.3.0", "rayjobs.ray.io"))
    with pytest.raises(CrdError) as error:
        bring(monkeypatch, present, "1.3.0", in_preview=in_preview)
    assert (
        str(error.value)
        == "kuberay:kuberayVersion: the CRDs of the cluster are another install's and newer than KubeRay"
        " 1.3.0, which does not know spec.authOptions, spec.managedBy and 1 more of rayclusters.ray.io;"
        " set kuberayVersion to the version they are of, or use the operator that is there"
        " (`operator.install: false`), or, when nobody needs them, delete them and with them every Ray"
        " object: `kubectl delete crd rayclusters.ray.io rayjobs.ray.io`"
    )
    assert present.applied == {}


@pytest.mark.parametrize(("there", "version"), [("1.3.0", "1.6.2"), ("1.6.2", "1.7.0"), ("1.3.0", "1.3.0")])
def test_crds_of_another_install_that_are_no_newer_are_brought_to_the_version(
    monkeypatch: pytest.MonkeyPatch, there: str, version: str
) -> None:
    applied, said = bring(monkeypatch, Cluster(crd(there)), version)
    assert applied == {"rayclusters.ray.io": version, "rayjobs.ray.io": version}
    assert said == [f"CRDs brought to KubeRay {version}: rayclusters.ray.io, rayjobs.ray.io"]


def test_the_stacks_own_operator_takes_its_crds_back(monkeypatch: pytest.MonkeyPatch) -> None:
    applied, _ = bring(monkeypatch, Cluster(crd("1.6.2")), "1.3.0", was="1.6.2")
    assert applied["rayclusters.ray.io"] == "1.3.0"


def test_newer_crds_that_a_stack_brought_to_their_version_are_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    newer = [crd("1.6.2", name, brought_to="1.6.2") for name in crds.OF_EACH_VERSION]
    assert bring(monkeypatch, Cluster(*newer), "1.3.0") == ({}, [])


def test_what_is_missing_beside_newer_crds_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    applied, _ = bring(monkeypatch, Cluster(crd("1.6.2", brought_to="1.6.2")), "1.3.0")
    assert applied == {"rayjobs.ray.io": "1.3.0"}


@pytest.mark.parametrize(
    "present",
    [[], [crd("1.6.2", "rayclusters.ray.io", "1.6.2"), crd("1.6.2", "rayservices.ray.io", "1.6.2")]],
    ids=["all", "one"],
)
@pytest.mark.parametrize("was", ["1.3.0", "1.6.2"])
def test_crds_that_someone_deleted_come_back_when_the_operator_changes(
    monkeypatch: pytest.MonkeyPatch, present: list[dict[str, Any]], was: str
) -> None:
    applied, _ = bring(monkeypatch, Cluster(*present), "1.6.2", was)
    assert applied["rayjobs.ray.io"] == "1.6.2"


def test_a_first_install_brings_the_crds_and_waits_until_they_are_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = Cluster()
    cluster.listings = [not_served(), not_served()]
    applied, said = bring(monkeypatch, cluster, "1.3.0")
    assert applied == {"rayclusters.ray.io": "1.3.0", "rayjobs.ray.io": "1.3.0"}
    assert said == ["CRDs brought to KubeRay 1.3.0: rayclusters.ray.io, rayjobs.ray.io"]
    assert not cluster.listings
    first = yaml.safe_load(cluster.texts[0])
    assert first["metadata"] == {
        "annotations": {
            "controller-gen.kubebuilder.io/version": "v0.16.0",
            "kuberay.pulumi/version": "1.3.0",
        },
        "name": "rayclusters.ray.io",
    }
    assert first["spec"] == {"versions": ["not parsed"]}


FIRST = TEXT.format(name="rayclusters.ray.io")
OTHER = TEXT.format(name="raycronjobs.ray.io")


@pytest.mark.parametrize(
    "texts",
    [
        [f"---\n{FIRST}"],
        [FIRST.replace("\n", "\r\n")],
        [FIRST.replace("spec:", "spec:  # of the API")],
        [FIRST.replace("spec:", '"spec":')],
        [f"{FIRST}status: {{conditions: []}}\n"],
        ["spec:" + FIRST.partition("spec:")[2] + FIRST.partition("spec:")[0]],
        [json.dumps(yaml.safe_load(FIRST), indent=2)],
        ["# Nothing but a word of its owner.\n---\n", f"# Copyright\n{FIRST}---\n# The end.\n"],
    ],
)
def test_a_crd_is_read_however_its_file_is_written(monkeypatch: pytest.MonkeyPatch, texts: list[str]) -> None:
    cluster = Cluster()
    assert bring(monkeypatch, cluster, "1.6.2", texts=texts)[0] == {"rayclusters.ray.io": "1.6.2"}
    (applied,) = map(yaml.safe_load, cluster.texts)
    whole = yaml.safe_load(FIRST)
    whole["metadata"]["annotations"]["kuberay.pulumi/version"] = "1.6.2"
    assert whole.items() <= applied.items()


def test_of_several_crds_in_a_file_those_of_each_version_come_last(monkeypatch: pytest.MonkeyPatch) -> None:
    # A killed run goes on where one of those is missing.
    applied, _ = bring(monkeypatch, Cluster(), "1.6.2", texts=[f"{FIRST}---  # And\n{OTHER}"])
    assert list(applied) == ["raycronjobs.ray.io", "rayclusters.ray.io"]


def test_a_crd_that_is_never_served_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster()
    cluster.listings = [not_served() for _ in range(99)]
    with pytest.raises(NotUpError) as error:
        bring(monkeypatch, cluster, "1.3.0", timeout=-1)
    assert (
        str(error.value) == "the CRD rayclusters.ray.io: not served after -1 s (timeoutSeconds):"
        " `kubectl describe crd rayclusters.ray.io` tells why"
    )


def test_whoever_may_not_list_what_a_new_crd_stands_for_waits_for_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = Cluster()
    cluster.listings = [not_served(403), not_served(403)]
    applied, _ = bring(monkeypatch, cluster, "1.3.0", timeout=-1)
    assert len(applied) == 2


def test_the_preview_of_a_first_install_reads_no_chart(monkeypatch: pytest.MonkeyPatch) -> None:
    assert bring(monkeypatch, Cluster(), "1.3.0", in_preview=True) == ({}, [])
