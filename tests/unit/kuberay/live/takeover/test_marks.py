"""Whose a Helm release is, read from its record."""

import base64
import gzip
import json
from typing import Any

from kuberay.live.takeover.marks import Record, marked_values, read_record, without_mark

OURS = "kuberay/dev"
VALUES = {"head": {"resources": {"limits": {"cpu": "1"}}}}
MANIFEST = """
---
# Source: ray-cluster/templates/raycluster.yaml
apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: ray-kuberay}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: ray-config}
---
# nothing but a comment
"""


def secret(
    status: str = "pending-install", revision: int = 1, values: dict[str, Any] | None = None
) -> dict[str, Any]:
    release = {
        "name": "ray",
        "version": revision,
        "info": {"status": status},
        "config": values,
        "manifest": MANIFEST,
    }
    packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(release).encode()))).decode()
    return {"metadata": {"name": f"sh.helm.release.v1.ray.v{revision}"}, "data": {"release": packed}}


def record(status: str = "pending-install", revision: int = 1, stack: str | None = OURS) -> Record:
    return read_record(secret(status, revision, marked_values(VALUES, stack) if stack else VALUES))


def test_a_record_tells_whose_it_is_and_what_it_was_made_from() -> None:
    read = record("deployed", 3)
    assert (read.secret, read.release, read.revision, read.status) == (
        "sh.helm.release.v1.ray.v3",
        "ray",
        3,
        "deployed",
    )
    assert (read.stack, read.values) == (OURS, VALUES)
    assert [found["kind"] for found in read.objects] == ["RayCluster", "ConfigMap"]


def test_a_record_of_a_release_without_values_is_read_too() -> None:
    assert read_record(secret(values=None)).stack is None


def test_the_mark_leaves_the_owners_values_as_they_are() -> None:
    values = {"global": {"imageRegistry": "example"}, "head": {}}
    assert without_mark(marked_values(values, OURS)) == values
    assert without_mark(marked_values(VALUES, OURS)) == VALUES
