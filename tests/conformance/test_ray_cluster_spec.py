"""The cluster of a job or a service is what the ``ray-cluster`` chart would make of the
same settings.

The charts are those at hand (charts_at_hand.py).
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from kuberay.checks.loading import load_settings
from kuberay.facts.quantities import canonical_quantity
from kuberay.facts.versions import at_least
from kuberay.plan.cluster import plan_cluster
from kuberay.plan.ray_cluster_spec import ray_cluster_spec
from kuberay.settings.overrides import merge
from local import tools
from tests.conformance.charts_at_hand import ALL

Values = dict[str, Any]

CASES: dict[str, Values] = {
    "defaults": {},
    "sizes": {
        "head": {"cpu": 4, "memory": "16G", "cpuRequest": "500m"},
        "worker": {
            "replicas": 3,
            "minReplicas": 1,
            "maxReplicas": 9,
            "memory": "8Gi",
            "memoryRequest": "4Gi",
        },
    },
    "no workers": {"worker": {"enabled": False}},
    "no replicas": {"worker": {"replicas": 0, "maxReplicas": 0}},
    "another group name": {"worker": {"groupName": "cpu"}},
    "mixed architectures": {
        "architecture": "aarch64",
        "additionalWorkerGroups": {
            "intel": {"architecture": "x86", "replicas": 2},
            "arm": {"accelerator": "cpu"},
        },
    },
    "own image": {
        "image": "registry.example/team/ray:1",
        "head": {"image": "registry.example/team/head@sha256:ab"},
    },
    "everything of a group": {
        group: {
            "env": {"A": "1", "B": {"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}},
            "nodeSelector": {"pool": "ray"},
            "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
            "affinity": {
                "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1}]}
            },
            "volumes": [{"name": "data", "emptyDir": {"medium": "Memory"}}],
            "volumeMounts": [{"name": "data", "mountPath": "/data", "readOnly": True}],
            "serviceAccountName": "ray",
            "labels": {"team": "a"},
            "annotations": {"note": "b"},
            "rayStartParams": {"num-cpus": 0, "block": True},
        }
        for group in ("head", "worker")
    },
    "raw values of a group": {
        "values": {
            group: {
                "priorityClassName": "high",
                "podSecurityContext": {"runAsUser": 1000},
                "securityContext": {"allowPrivilegeEscalation": False},
                "sidecarContainers": [{"name": "logs", "image": "fluent-bit:1.9"}],
                "initContainers": [{"name": "wait", "image": "busybox:1"}],
                "command": ["bash", "-c", "true"],
                "args": ["x"],
                "envFrom": [{"secretRef": {"name": "s"}}],
                "ports": [{"containerPort": 8000, "name": "serve"}],
                "lifecycle": {"preStop": {"exec": {"command": ["ray", "stop"]}}},
                "dnsConfig": {"nameservers": ["127.0.0.1"]},
                "restartPolicy": "Never",
                "initArgs": {"num-gpus": 1},
            }
            for group in ("head", "worker")
        }
    },
    "numbers of many digits": {
        "values": {
            "image": {"tag": 20260102},
            **{
                group: {
                    "rayStartParams": {"object-store-memory": 500_000_000, "num-cpus": 4},
                    "initArgs": {"memory": 1_500_000_000},
                    "podSecurityContext": {"runAsUser": 1_000_700_000, "fsGroup": 2_147_483_647},
                }
                for group in ("head", "worker")
            },
        }
    },
    "resources as a map": {
        "head": {"rayStartParams": {"resources": {"NPU": 1, "it's": 0.5}}},
        "values": {"worker": {"rayStartParams": {"resources": {"slot": 1_000_000}}}},
    },
    "raw values of the cluster": {
        "values": {
            "common": {"containerEnv": [{"name": "A", "value": "1"}]},
            "head": {
                "enableInTreeAutoscaling": True,
                "autoscalerOptions": {"idleTimeoutSeconds": 120},
                "headService": {"metadata": {"annotations": {"a": "b"}}},
            },
            "worker": {"numOfHosts": 2},
            "service": {"type": "NodePort"},
        }
    },
}
#: What only later charts take; the settings of an older one would refuse it.
LATER: dict[str, tuple[str, Values]] = {
    "topology": (
        "1.4.2",
        {
            group: {"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone"}]}
            for group in ("head", "worker")
        },
    ),
    "external storage": (
        "1.5.1",
        {
            "gcsFaultTolerance": {
                "enabled": True,
                "redisAddress": "redis:6379",
                "externalStorageNamespace": "mine",
            }
        },
    ),
    "no external storage": ("1.5.1", {"gcsFaultTolerance": {"enabled": False, "redisAddress": "redis:6379"}}),
    "runtime class": (
        "1.6.0",
        {
            group: {"runtimeClassName": "gvisor", "resourceClaims": [{"name": "gpu"}]}
            for group in ("head", "worker")
        },
    ),
}


def values_of(cluster: Values) -> Values:
    config = {"kuberay:clusters": json.dumps({"raycluster": cluster}), "kuberay:imagePullSecrets": '["pull"]'}
    return plan_cluster(load_settings(config), "raycluster").values


MATRIX = {name: ("1.3.0", values_of(cluster)) for name, cluster in CASES.items()} | {
    name: (first, merge(values_of({}), raw)) for name, (first, raw) in LATER.items()
}
OF_EACH = [
    (version, name) for version in ALL for name, (first, _) in MATRIX.items() if at_least(version, first)
]


@pytest.fixture(scope="session")
def helm() -> Path:
    return tools.ensure([tools.HELM])["helm"]


def of_the_chart(helm: Path, chart: Path, values: Values) -> Values:
    command = [helm, "template", "raycluster", chart, "--values", "-"]
    done = subprocess.run(command, input=json.dumps(values), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (cluster,) = [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]
    return cluster["spec"]


def meaning(spec: Values) -> Values:
    """What Kubernetes and KubeRay make of a spec: groups by name, nothing that is
    empty, nothing that tells of Helm.
    """
    spec = json.loads(json.dumps(spec))
    spec["workerGroupSpecs"] = {group["groupName"]: group for group in spec["workerGroupSpecs"] or []}
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"].values()):
        labels = group["template"]["metadata"].get("labels") or {}
        ray = group["template"]["spec"]["containers"][0]
        for kind in ray.get("resources") or {}:
            ray["resources"][kind] = {
                name: canonical_quantity(amount) for name, amount in ray["resources"][kind].items()
            }
        for label in ("helm.sh/chart", "app.kubernetes.io/instance", "app.kubernetes.io/managed-by"):
            labels.pop(label, None)
    return _without_empty(spec)


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: found
            for key, item in value.items()
            if (found := _without_empty(item)) not in (None, "", [], {})
        }
    return [_without_empty(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("version", "case"), OF_EACH)
def test_the_cluster_of_a_job_is_what_the_chart_renders(helm: Path, version: str, case: str) -> None:
    _, values = MATRIX[case]
    assert meaning(ray_cluster_spec(values)) == meaning(
        of_the_chart(helm, ALL[version] / "ray-cluster", values)
    )


def test_no_two_cases_are_the_same() -> None:
    """A case that renders like another one would hold the two to nothing."""
    specs = [
        json.dumps(meaning(ray_cluster_spec(values)), sort_keys=True)
        for name, (_, values) in MATRIX.items()
        if name[:3] != "no "
    ]
    assert len(set(specs)) == len(specs)
