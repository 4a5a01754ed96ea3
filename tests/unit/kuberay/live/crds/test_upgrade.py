"""Which CRDs are brought to the operator's version, and which are refused."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from httpx2 import Request, Response
from lightkube import ApiError

from kuberay.facts.charts import ChartSource
from kuberay.live.api.connection import Connection
from kuberay.live.crds import upgrade as crds
from kuberay.live.crds.upgrade import CrdError, bring_to_version, is_stale

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


class Thing(dict[str, Any]):
    """What the client gives."""

    def to_dict(self) -> dict[str, Any]:
        return self


class Cluster:
    """Has these CRDs, and no object of theirs; notes what is applied."""

    def __init__(self, *present: dict[str, Any]) -> None:
        self.crds = {crd["metadata"]["name"]: crd for crd in present}
        self.applied: dict[str, str] = {}

    async def get(self, kind: Any, name: str) -> Thing:
        if name not in self.crds:
            status = {"code": 404, "message": "not found"}
            raise ApiError(Request("GET", "https://x"), Response(404, json=status))
        return Thing(self.crds[name])

    async def list(self, kind: Any, namespace: str) -> AsyncIterator[Thing]:
        for nothing in ():
            yield nothing

    async def patch(self, kind: Any, name: str, applied: dict[str, Any], **how: Any) -> None:
        self.applied[name] = applied["metadata"]["annotations"]["kuberay.pulumi/version"]

    async def close(self) -> None:
        pass


def bring(
    monkeypatch: pytest.MonkeyPatch,
    present: Cluster,
    version: str,
    was: str | None = None,
    *,
    dry_run: bool = False,
) -> tuple[dict[str, str], list[str]]:
    """Which CRDs are applied, at which version, and what is said."""
    said: list[str] = []
    monkeypatch.setattr(crds, "connect", lambda *_, **__: present)
    monkeypatch.setattr(
        crds, "chart_crds", lambda _: [crd(version, "rayclusters.ray.io"), crd(version, "rayjobs.ray.io")]
    )
    asyncio.run(
        bring_to_version(
            Connection(), version, ChartSource("x", version, None), was, said.append, dry_run=dry_run
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


@pytest.mark.parametrize("dry_run", [True, False])
def test_newer_crds_of_another_install_are_refused_before_anything_is_applied(
    monkeypatch: pytest.MonkeyPatch, dry_run: bool
) -> None:
    present = Cluster(crd("1.6.2", "rayclusters.ray.io"), crd("1.3.0", "rayjobs.ray.io"))
    with pytest.raises(CrdError) as error:
        bring(monkeypatch, present, "1.3.0", dry_run=dry_run)
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
    assert bring(monkeypatch, Cluster(crd("1.6.2", brought_to="1.6.2")), "1.3.0") == ({}, [])


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


def test_a_first_install_leaves_the_crds_to_helm(monkeypatch: pytest.MonkeyPatch) -> None:
    assert bring(monkeypatch, Cluster(), "1.3.0") == ({}, [])
