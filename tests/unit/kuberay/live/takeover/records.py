"""Records of a Helm release, as Helm keeps them."""

import base64
import gzip
import json
from typing import Any

from kuberay.live.takeover.marks import Record, marked_values, read_record

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
        "namespace": "team",
        "version": revision,
        "info": {"status": status},
        "config": values,
        "manifest": MANIFEST,
    }
    packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(release).encode()))).decode()
    return {"metadata": {"name": f"sh.helm.release.v1.ray.v{revision}"}, "data": {"release": packed}}


def record(status: str = "pending-install", revision: int = 1, stack: str | None = OURS) -> Record:
    return read_record(secret(status, revision, marked_values(VALUES, stack) if stack else VALUES))
