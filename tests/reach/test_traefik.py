"""The real Traefik in a cluster with real Ray: what `expose` asks for is reached from
outside by its host name, as an Ingress and as an HTTPRoute of the Gateway API, and
nothing else is.

`make reach` runs it: apart from `make test`, as Traefik takes long to build.
"""

import base64
import json
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from local import tools
from local.real import images, machine
from local.real.cluster import RealCluster
from local.real.images import Image
from tests.integration.harness.gateway_api import gateway_api_crds
from tests.integration.harness.kubernetes import Kubernetes
from tests.integration.harness.operators import NEWEST
from tests.real.programs import ECHO, REACH, with_code
from tests.real.real_stack import TIMEOUT, RealStack

EDGE, OUTSIDE = "edge", "outside"
HTTP, HTTPS = 8000, 8443
#: Where the Gateway listens that KubeRay makes for an incremental upgrade.
KUBERAYS = 80
DASHBOARD, CHAT = "ray.example.com", "chat.example.com"
JOBS = "/api/jobs/"
HEAD = "raycluster-kuberay-head-svc.kuberay.svc.cluster.local"
#: Asks for a path at a port of Traefik by a host name, and says what it is answered.
#: Ray fails at a request without a User-Agent.
ASK = """
import http.client, json, socket, ssl, sys
address, port, host, path = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
trusted = ssl.create_default_context(cadata=sys.argv[5]) if sys.argv[5] else None
try:
    plain = socket.create_connection((address, port), timeout=5)
    connection = http.client.HTTPConnection(host)
    connection.sock = trusted.wrap_socket(plain, server_hostname=host) if trusted else plain
    connection.request("GET", path, headers={"Host": host, "User-Agent": "probe"})
    answer = connection.getresponse()
    print(json.dumps([answer.status, answer.read().decode()[:2000]]))
except OSError as error:
    print(json.dumps([0, str(error)]))
"""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA) -> Iterator[RealStack]:
    """The guide's cluster and a service, and Traefik in a namespace of its own."""
    if reason := machine.why_not():
        pytest.skip(f"this machine cannot run real nodes: {reason}")
    program = tools.ensure([tools.TRAEFIK])["traefik"]
    with RealCluster(tmp_path_factory.mktemp("reach"), kuberay_versions=(NEWEST,), cores=0) as cluster:
        kubernetes = Kubernetes(cluster)
        stack = RealStack(cluster, kubernetes, tmp_path_factory.mktemp("stack"))
        configure(stack, {})
        stack.up_or_fail()
        kubernetes.kubectl(
            "create",
            "configmap",
            "code",
            "-n",
            "kuberay",
            f"--from-literal=echo.py={ECHO}",
            f"--from-literal=versioned.py={VERSIONED}",
        )
        for crd in gateway_api_crds():
            kubernetes.kubectl("create", "-f", str(crd))
        _run_traefik(cluster, kubernetes, program)
        _run_probe(kubernetes)
        certificate = authority.issue_cert(DASHBOARD)
        files = {
            "tls.key": certificate.private_key_pem.bytes(),
            "tls.crt": certificate.cert_chain_pems[0].bytes(),
        }
        secret: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": "ray-tls", "namespace": "kuberay"},
            "data": {name: base64.b64encode(content).decode() for name, content in files.items()},
        }
        kubernetes.apply(yaml.safe_dump(secret))
        yield stack


def configure(stack: RealStack, cluster: Mapping[str, Any], service: Mapping[str, Any] | None = None) -> None:
    """With these ways in to the cluster, and with a service that has these."""
    alone = {"worker": {"replicas": 0}, "head": with_code()}
    serve = {"applications": [{"import_path": "echo:app"}]}
    chat = {"serveConfig": serve, "rayCluster": alone, "expose": service}
    stack.configure(
        {
            "timeoutSeconds": TIMEOUT,
            "kuberayVersion": NEWEST,
            "clusters": {"raycluster": {"worker": {"replicas": 0}, "expose": cluster}},
            "services": {} if service is None else {"chat": chat},
        }
    )


def _run_traefik(cluster: RealCluster, kubernetes: Kubernetes, program: Path) -> None:
    def fill(root: Path) -> None:
        shutil.copy(program, root / "traefik")
        (root / "tmp").mkdir(mode=0o777)

    image = Image(
        f"kuberay.local/traefik:{tools.TRAEFIK.version}",
        fill,
        tools.TRAEFIK.key,
        {"entrypoint": ["/traefik"]},
    )
    cluster.load(image)
    rbac, metadata = "rbac.authorization.k8s.io", {"name": "traefik", "namespace": EDGE}
    gateway = "gateway.networking.k8s.io/v1"
    listener = {
        "name": "web",
        "protocol": "HTTP",
        "port": HTTP,
        "allowedRoutes": {"namespaces": {"from": "All"}},
    }
    kubernetes.apply(
        yaml.safe_dump_all(
            [
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": EDGE}},
                {
                    "apiVersion": f"{rbac}/v1",
                    "kind": "ClusterRoleBinding",
                    "metadata": {"name": "traefik"},
                    "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "cluster-admin"},
                    "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": EDGE}],
                },
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "metadata": metadata,
                    "spec": {
                        "selector": {"app": "traefik"},
                        "ports": [{"name": f"p{port}", "port": port} for port in (HTTP, HTTPS, KUBERAYS)],
                    },
                },
                {
                    "apiVersion": "networking.k8s.io/v1",
                    "kind": "IngressClass",
                    "metadata": {"name": "traefik"},
                    "spec": {"controller": "traefik.io/ingress-controller"},
                },
                {
                    "apiVersion": gateway,
                    "kind": "GatewayClass",
                    "metadata": {"name": "traefik"},
                    "spec": {"controllerName": "traefik.io/gateway-controller"},
                },
                {
                    "apiVersion": gateway,
                    "kind": "Gateway",
                    "metadata": {"name": "public", "namespace": EDGE},
                    "spec": {"gatewayClassName": "traefik", "listeners": [listener]},
                },
            ]
        )
    )
    pod = {
        "containers": [
            {
                "name": "traefik",
                "image": image.reference,
                "imagePullPolicy": "Never",
                "args": [
                    f"--entrypoints.web.address=:{HTTP}",
                    f"--entrypoints.kuberay.address=:{KUBERAYS}",
                    f"--entrypoints.websecure.address=:{HTTPS}",
                    "--entrypoints.websecure.http.tls=true",
                    "--providers.kubernetesingress=true",
                    "--providers.kubernetesgateway=true",
                    "--ping=true",
                    "--global.checknewversion=false",
                ],
                "readinessProbe": {"httpGet": {"path": "/ping", "port": 8080}},
            }
        ]
    }
    kubernetes.run_pod(metadata | {"labels": {"app": "traefik"}}, pod)


#: Asks again and again until a file is there, and says how many answers it got of each
#: kind.
KEEP_ASKING = """
import collections, json, os, sys, time, urllib.request
got = collections.Counter()
while not os.path.exists("/tmp/enough"):
    try:
        with urllib.request.urlopen(sys.argv[1], timeout=20) as answer:
            got[answer.read().decode()] += 1
    except OSError as error:
        got[f"failed: {error}"] += 1
    time.sleep(0.2)
print(json.dumps(got))
"""
VERSIONED = """
import os
from ray import serve

@serve.deployment(ray_actor_options={"num_cpus": 0.1})
class Versioned:
    async def __call__(self, request):
        return os.environ["VERSION"]

app = Versioned.bind()
"""


def _run_probe(kubernetes: Kubernetes) -> None:
    """Whoever is not let in, and whoever is."""
    kubernetes.kubectl("create", "namespace", OUTSIDE)
    container = {
        "name": "probe",
        "image": images.ray().reference,
        "imagePullPolicy": "Never",
        "command": ["sleep", "infinity"],
    }
    for namespace in (OUTSIDE, EDGE):
        kubernetes.run_pod({"name": "probe", "namespace": namespace}, {"containers": [container]})


def ask(stack: RealStack, host: str, path: str, *, port: int = HTTP, trust: str = "") -> tuple[int, str]:
    """What Traefik answers a pod of another namespace, with the status; 0 where there
    is no answer.
    """
    address = f"traefik.{EDGE}.svc.cluster.local"
    command = ("python3", "-c", ASK, address, str(port), host, path, trust)
    status, text = json.loads(stack.kubernetes.kubectl("exec", "-n", OUTSIDE, "probe", "--", *command))
    return status, text


def reached(stack: RealStack, namespace: str) -> set[int]:
    """Which ports of the head a pod of the namespace reaches."""
    command = ("python3", "-c", REACH, HEAD, "8265", "10001", "6379")
    return {
        int(port)
        for port in stack.kubernetes.kubectl("exec", "-n", namespace, "probe", "--", *command).split()
    }


def text_at(stack: RealStack, host: str, path: str, **how: Any) -> str:
    """What it is answered with success, a moment after the way in is there."""
    answer = 0, ""

    def is_answered() -> bool:
        nonlocal answer
        answer = ask(stack, host, path, **how)
        return answer[0] == 200

    assert stack.kubernetes.eventually(is_answered, 60), answer
    return answer[1]


def test_nothing_is_reached_without_a_way_in(stack: RealStack) -> None:
    assert ask(stack, DASHBOARD, JOBS)[0] == 404
    assert reached(stack, OUTSIDE) == set()
    assert reached(stack, EDGE) == set()


def test_an_ingress_leads_to_the_dashboard_with_the_certificate_of_its_secret(
    stack: RealStack, authority: trustme.CA
) -> None:
    way = {
        "host": DASHBOARD,
        "controllerNamespace": EDGE,
        "ingressClass": "traefik",
        "tlsSecret": "ray-tls",
        "withoutToken": True,
    }
    configure(stack, {"dashboard": way})
    stack.up_or_fail()
    assert stack.outputs()["clusters"]["raycluster"]["dashboardUrl"] == f"https://{DASHBOARD}"
    trust = authority.cert_pem.bytes().decode()
    assert json.loads(text_at(stack, DASHBOARD, JOBS, port=HTTPS, trust=trust)) == []
    # Another name leads nowhere. Of the head one port is open, to the controller.
    assert ask(stack, "other.example.com", JOBS)[0] == 404
    assert reached(stack, OUTSIDE) == set()
    assert reached(stack, EDGE) == {8265}
    assert stack.preview().changes == {}


def test_routes_of_a_gateway_lead_to_the_dashboard_and_to_the_applications_of_a_service(
    stack: RealStack,
) -> None:
    way = {"controllerNamespace": EDGE, "gateway": {"name": "public", "namespace": EDGE}}
    configure(
        stack,
        {"dashboard": way | {"host": DASHBOARD, "withoutToken": True}},
        {"serve": way | {"host": CHAT}},
    )
    stack.up_or_fail()
    assert json.loads(text_at(stack, DASHBOARD, JOBS)) == []
    assert text_at(stack, CHAT, "/?say=hello") == "you said hello"
    assert stack.preview().changes == {}


def test_a_way_in_that_is_taken_out_is_closed(stack: RealStack) -> None:
    configure(stack, {})
    stack.up_or_fail()
    assert stack.kubernetes.eventually(lambda: ask(stack, DASHBOARD, JOBS)[0] == 404)
    assert reached(stack, EDGE) == set()


def test_an_incremental_upgrade_leads_requests_over_to_the_new_cluster_and_loses_none(
    stack: RealStack,
) -> None:
    def serve(version: str) -> None:
        files = with_code(VERSION=version)
        upgrade = {"gatewayClassName": "traefik", "stepSizePercent": 50, "intervalSeconds": 5}
        chat = {
            "serveConfig": {"applications": [{"import_path": "versioned:app"}]},
            "rayCluster": {
                "autoscaling": {},
                "head": files,
                "worker": files | {"replicas": 0, "maxReplicas": 1},
            },
            "upgradeStrategy": "NewClusterWithIncrementalUpgrade",
            "clusterUpgradeOptions": upgrade,
        }
        stack.configure(
            {
                "timeoutSeconds": TIMEOUT,
                "kuberayVersion": NEWEST,
                "clusters": {},
                "services": {"chat": chat},
                # The Gateway is KubeRay's, so the stack does not know who it is.
                "protection": {"networkPolicy": {"serveNamespaces": [EDGE]}},
            }
        )

    serve("one")
    stack.up_or_fail()
    assert text_at(stack, CHAT, "/", port=KUBERAYS) == "one"
    serve("two")
    address = f"http://traefik.{EDGE}.svc.cluster.local:{KUBERAYS}/"
    command = ("exec", "-n", OUTSIDE, "probe", "--", "python3", "-c", KEEP_ASKING, address)
    with ThreadPoolExecutor() as pool:
        asking = pool.submit(stack.kubernetes.kubectl, *command)
        stack.up_or_fail()
        assert stack.kubernetes.eventually(lambda: ask(stack, CHAT, "/", port=KUBERAYS) == (200, "two"), 60)
        stack.kubernetes.kubectl("exec", "-n", OUTSIDE, "probe", "--", "touch", "/tmp/enough")
        got = json.loads(asking.result())
    assert set(got) == {"one", "two"}, got
    assert stack.preview().changes == {}
