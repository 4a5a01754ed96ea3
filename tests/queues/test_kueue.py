"""The real Kueue in a cluster with real Ray: what has no room waits in its queue, `up`
says so, and it starts when there is room.

`make queues` runs it: apart from `make test`, as Kueue takes long to build.
"""

import base64
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from local import tools
from local.real import machine
from local.real.cluster import RealCluster
from local.real.images import Image
from tests.integration.harness.kubernetes import Kubernetes
from tests.integration.harness.operators import NEWEST
from tests.real.programs import ECHO, with_code
from tests.real.real_stack import TIMEOUT, RealStack

SYSTEM = "kueue-system"
#: In Kueue's module.
CRDS = "config/components/crd/bases"
QUEUE = {"name": "team", "timeoutSeconds": 20}
#: Room for the heads of two clusters and not of three.
MEMORY = "4500M"
HEAD = {"head": {"memory": "2G"}, "worker": {"replicas": 0}, "queue": QUEUE}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealStack]:
    if reason := machine.why_not():
        pytest.skip(f"this machine cannot run real nodes: {reason}")
    program = tools.ensure([tools.KUEUE])["kueue"]
    with RealCluster(tmp_path_factory.mktemp("queues"), kuberay_versions=(NEWEST,), cores=0) as cluster:
        kubernetes = Kubernetes(cluster)
        stack = RealStack(cluster, kubernetes, tmp_path_factory.mktemp("stack"))
        # KubeRay's kinds have to be there before Kueue looks for them.
        stack.configure({"kuberayVersion": NEWEST, "clusters": {}, "timeoutSeconds": TIMEOUT})
        stack.up_or_fail()
        _run_kueue(cluster, kubernetes, program)
        kubernetes.apply(yaml.safe_dump_all(_quota()))
        kubernetes.kubectl("create", "configmap", "code", "-n", "kuberay", f"--from-literal=echo.py={ECHO}")
        yield stack


def _run_kueue(cluster: RealCluster, kubernetes: Kubernetes, program: Path) -> None:
    """In a pod, with a Service for its webhooks."""

    def fill(root: Path) -> None:
        shutil.copy(program, root / "kueue")

    reference = f"kuberay.local/kueue:{tools.KUEUE.version}"
    image = Image(reference, fill, tools.KUEUE.key, {"entrypoint": ["/kueue"]})
    cluster.load(image)
    for crd in sorted((tools.module_folder(tools.KUEUE, tools.find_go()) / CRDS).glob("*.yaml")):
        # `apply` would keep a copy of each as an annotation, which is too long.
        kubernetes.kubectl("create", "-f", str(crd))
    authority = trustme.CA()
    certificate = authority.issue_cert(f"kueue.{SYSTEM}.svc")
    files = {
        "tls.key": certificate.private_key_pem.bytes(),
        "tls.crt": certificate.cert_chain_pems[0].bytes(),
    }
    metadata = {"name": "kueue", "namespace": SYSTEM, "labels": {"app": "kueue"}}
    service = {"selector": {"app": "kueue"}, "ports": [{"port": 443, "targetPort": 9443}]}
    kubernetes.apply(
        yaml.safe_dump_all(
            [
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}},
                {
                    "apiVersion": "rbac.authorization.k8s.io/v1",
                    "kind": "ClusterRoleBinding",
                    "metadata": {"name": "kueue"},
                    "roleRef": {
                        "apiGroup": "rbac.authorization.k8s.io",
                        "kind": "ClusterRole",
                        "name": "cluster-admin",
                    },
                    "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": SYSTEM}],
                },
                {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service},
                {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": _configuration()},
                {
                    "apiVersion": "v1",
                    "kind": "Secret",
                    "metadata": metadata,
                    "data": {name: base64.b64encode(content).decode() for name, content in files.items()},
                },
            ]
        )
    )
    kubernetes.run_pod(metadata, _pod(image.reference))
    kubernetes.apply(yaml.safe_dump(_webhooks(authority.cert_pem.bytes())))


def _webhooks(authority: bytes) -> dict[str, Any]:
    """Those that hold KubeRay's resources back as they are made."""
    webhooks = [
        {
            "name": f"m{kind}.kb.io",
            "clientConfig": {
                "service": {
                    "name": "kueue",
                    "namespace": SYSTEM,
                    "path": f"/mutate-ray-io-v1-{kind}",
                },
                "caBundle": base64.b64encode(authority).decode(),
            },
            "rules": [
                {
                    "apiGroups": ["ray.io"],
                    "apiVersions": ["v1"],
                    "operations": ["CREATE"],
                    "resources": [f"{kind}s"],
                }
            ],
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
        }
        for kind in ("raycluster", "rayjob", "rayservice")
    ]
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "kueue"},
        "webhooks": webhooks,
    }


def _configuration() -> dict[str, str]:
    settings = {
        "apiVersion": "config.kueue.x-k8s.io/v1beta2",
        "kind": "Configuration",
        "health": {"healthProbeBindAddress": ":8081"},
        "internalCertManagement": {"enable": False},
        "leaderElection": {"leaderElect": False},
        "integrations": {"frameworks": ["ray.io/raycluster", "ray.io/rayjob", "ray.io/rayservice"]},
        "featureGates": {"VisibilityOnDemand": False},
    }
    return {"kueue.yaml": yaml.safe_dump(settings)}


def _pod(image: str) -> dict[str, Any]:
    certificates = ("/etc/kueue/metrics/certs", "/tmp/k8s-webhook-server/serving-certs")
    mounts = [
        {"name": "config", "mountPath": "/config"},
        *({"name": "certificates", "mountPath": path} for path in certificates),
    ]
    return {
        "containers": [
            {
                "name": "kueue",
                "image": image,
                "imagePullPolicy": "Never",
                "args": ["--config=/config/kueue.yaml"],
                "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8081}},
                "volumeMounts": mounts,
            }
        ],
        "volumes": [
            {"name": "config", "configMap": {"name": "kueue"}},
            {"name": "certificates", "secret": {"secretName": "kueue"}},
        ],
    }


def _quota() -> list[dict[str, Any]]:
    api = "kueue.x-k8s.io/v1beta2"
    quotas = [{"name": "cpu", "nominalQuota": 100}, {"name": "memory", "nominalQuota": MEMORY}]
    groups = [
        {"coveredResources": ["cpu", "memory"], "flavors": [{"name": "any", "resources": quotas}]},
    ]
    spec = {"namespaceSelector": {}, "resourceGroups": groups}
    local = {"name": "team", "namespace": "kuberay"}
    return [
        {"apiVersion": api, "kind": "ResourceFlavor", "metadata": {"name": "any"}},
        {"apiVersion": api, "kind": "ClusterQueue", "metadata": {"name": "ray"}, "spec": spec},
        {"apiVersion": api, "kind": "LocalQueue", "metadata": local, "spec": {"clusterQueue": "ray"}},
    ]


def configure(stack: RealStack, *clusters: str, wait: int = 20, **more: Any) -> None:
    """``wait``: for the queue, in seconds."""
    settings = {"kuberayVersion": NEWEST, "timeoutSeconds": TIMEOUT}
    one = HEAD | {"queue": QUEUE | {"timeoutSeconds": wait}}
    stack.configure(settings | {"clusters": dict.fromkeys(clusters, one)} | more)


def test_a_cluster_without_room_waits_in_its_queue_and_starts_when_another_goes(stack: RealStack) -> None:
    configure(stack, "first", "second")
    stack.up_or_fail()

    configure(stack, "first", "second", "third")
    stack.fails(
        "third-kuberay, headgroup: after 20 s (queue.timeoutSeconds) still queued in team, 1 of 1: couldn't"
        " assign flavors to pod set head: insufficient unused quota for memory"
    )
    assert stack.head_or_none("third-kuberay") is None
    assert "queued in team, 1 of 1: couldn't assign flavors" in stack.make_doctor().text

    # By hand: what a run takes away goes at its end, after what waits in it.
    configure(stack, "first", "second", "third", wait=TIMEOUT)
    up = stack.up_meanwhile()
    assert up.stdout
    assert any("queued in team, 1 of 1" in line for line in up.stdout)
    stack.kubernetes.kubectl("delete", "raycluster", "second-kuberay", "-n", "kuberay", "--wait=false")
    said = up.stdout.read()
    up.wait()
    assert "third.head.pods created" in said, said
    assert stack.head("third-kuberay")


def test_a_job_waits_in_the_queue_as_well(stack: RealStack) -> None:
    job = {
        "entrypoint": "python --version",
        "queue": QUEUE,
        "rayCluster": {"head": {"memory": "2G"}, "worker": {"replicas": 0}},
    }
    configure(stack, "first", "third", jobs={"batch": job})
    stack.fails("job batch: after 20 s (queue.timeoutSeconds) still queued in team, 1 of 1: couldn't assign")

    configure(stack, "first", jobs={"batch": job | {"wait": False}})
    stack.up_or_fail()
    configure(stack, "first", jobs={"batch": job | {"queue": QUEUE | {"timeoutSeconds": TIMEOUT}}})
    stack.up_or_fail()
    assert stack.status_of("rayjob", "batch")["jobStatus"] == "SUCCEEDED"


def test_a_service_waits_in_the_queue_as_well_and_stays_as_it_was_let_in(stack: RealStack) -> None:
    head = {"memory": "2G"} | with_code()
    chat = {
        "serveConfig": {"applications": [{"import_path": "echo:app"}]},
        "queue": QUEUE,
        "rayCluster": {"head": head, "worker": {"replicas": 0}},
    }
    for clusters in (["first"], ["first", "second"]):
        configure(stack, *clusters)
        stack.up_or_fail()
    configure(stack, "first", "second", services={"chat": chat})
    stack.fails(
        "service chat: after 20 s (queue.timeoutSeconds) still queued in team, 1 of 1: couldn't assign"
    )

    stack.kubernetes.kubectl("delete", "raycluster", "second-kuberay", "-n", "kuberay", "--wait=false")
    configure(stack, "first", services={"chat": chat | {"queue": QUEUE | {"timeoutSeconds": TIMEOUT}}})
    stack.up_or_fail()
    assert stack.status_of("rayservice", "chat")["serviceStatus"] == "Running"
    assert stack.preview().changes == {}
