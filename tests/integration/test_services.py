"""Services: `up` waits until they serve, and every change reaches them without a new
RayService.
"""

import json
from typing import Any

import pytest

from tests.integration.harness.kubernetes import Kubernetes
from tests.integration.harness.operators import BOTH_OPERATORS
from tests.integration.harness.stack import Stack

pytestmark = BOTH_OPERATORS
UPDATED = {"RayService chat": "update", "Stash chat.ready": "update"}


class Service:
    """A stack with one service and nothing else."""

    def __init__(self, stack: Stack, kubernetes: Kubernetes, version: str) -> None:
        self.stack = stack
        self.kubernetes = kubernetes
        self.version = version

    def configure(self, *import_paths: str, **settings: Any) -> None:
        applications = [
            {
                "name": path.partition(":")[0],
                "import_path": path,
                "route_prefix": f"/{path.partition(':')[0]}",
            }
            for path in import_paths
        ]
        chat = {"serveConfig": {"applications": applications}} | settings
        config = {
            "architecture": "aarch64",
            "kuberayVersion": self.version,
            "clusters": {},
            "services": {"chat": chat},
        }
        self.stack.configure(config)

    @property
    def active(self) -> dict[str, Any]:
        found = json.loads(
            self.kubernetes.kubectl("get", "rayservice", "chat", "-n", "kuberay", "-o", "json")
        )
        return found["status"]["activeServiceStatus"]

    @property
    def applications(self) -> dict[str, str]:
        return {
            name: application["status"] for name, application in self.active["applicationStatuses"].items()
        }

    @property
    def cluster(self) -> str:
        return self.active["rayClusterName"]

    def clusters(self) -> set[str]:
        return set(
            self.kubernetes.kubectl(
                "get", "rayclusters", "-n", "kuberay", "-o", "jsonpath={.items[*].metadata.name}"
            ).split()
        )


@pytest.fixture
def service(stack: Stack, kubernetes: Kubernetes, version: str) -> Service:
    """Serves: what the test before has left where `up` has ended well there, else one
    application anew.
    """
    service = Service(stack, kubernetes, version)
    if not stack.is_up:
        service.configure("echo:app")
        stack.up_or_fail()
    return service


def test_up_waits_until_the_service_takes_requests(
    service: Service, stack: Stack, kubernetes: Kubernetes
) -> None:
    assert service.applications == {"echo": "RUNNING"}
    assert stack.outputs()["services"]["chat"]["serveAddress"] == "http://chat-serve-svc.kuberay.svc:8000"
    assert "8000" in kubernetes.kubectl(
        "get", "service", "chat-serve-svc", "-n", "kuberay", "-o", "jsonpath={.spec.ports[*].port}"
    )
    assert kubernetes.kubectl(
        "get", "endpoints", "chat-serve-svc", "-n", "kuberay", "-o", "jsonpath={.subsets[*].addresses[*].ip}"
    )
    assert stack.refresh().ok
    assert stack.preview().changes == {}


def test_applications_get_a_way_in_and_nothing_restarts(
    service: Service, stack: Stack, kubernetes: Kubernetes
) -> None:
    before = {pod.uid for pod in kubernetes.ray_pods(service.cluster)}
    way = {"host": "chat.example.com", "controllerNamespace": "ingress-nginx"}
    service.configure("echo:app", expose={"serve": way})
    run = stack.up_or_fail()
    assert "services.chat.expose.serve" in run.text, "Ray asks for no token there"
    of_service = ("chat-serve-svc", "-n", "kuberay", "-o", "json")
    (rule,) = json.loads(kubernetes.kubectl("get", "ingress", *of_service))["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    backend = path["backend"]["service"]
    ports = json.loads(kubernetes.kubectl("get", "service", backend["name"], "-n", "kuberay", "-o", "json"))
    assert backend["port"]["number"] in [port["port"] for port in ports["spec"]["ports"]]
    (opened,) = json.loads(kubernetes.kubectl("get", "networkpolicy", *of_service))["spec"]["ingress"]
    assert opened["ports"] == [{"port": 8000, "protocol": "TCP"}]
    assert stack.outputs()["services"]["chat"]["serveUrl"] == "http://chat.example.com"
    assert stack.preview().changes == {}
    service.configure("echo:app")
    stack.up_or_fail()
    assert not kubernetes.kubectl("get", "ingress", "-n", "kuberay", "-o", "name")
    assert {pod.uid for pod in kubernetes.ray_pods(service.cluster)} == before


def test_a_new_serve_config_reaches_the_running_cluster(
    service: Service, stack: Stack, kubernetes: Kubernetes
) -> None:
    before = service.cluster, {pod.uid for pod in kubernetes.ray_pods(service.cluster)}
    service.configure("echo:app", "search:app")
    assert stack.preview().changes == UPDATED
    stack.up_or_fail()
    assert service.applications == {"echo": "RUNNING", "search": "RUNNING"}
    assert before == (service.cluster, {pod.uid for pod in kubernetes.ray_pods(service.cluster)})
    assert stack.preview().changes == {}


def test_more_workers_join_the_running_cluster(
    service: Service, stack: Stack, kubernetes: Kubernetes
) -> None:
    before = service.cluster
    workers = {"worker": {"replicas": 2}}
    service.configure("echo:app", "search:app", rayCluster=workers)
    assert stack.preview().changes == UPDATED
    stack.up_or_fail()
    assert service.cluster == before


def test_a_changed_cluster_is_a_second_one_that_takes_over(
    service: Service, stack: Stack, kubernetes: Kubernetes
) -> None:
    before = service.cluster
    service.configure("echo:app", rayCluster={"worker": {"memory": "3G"}})
    assert stack.preview().changes == UPDATED
    stack.up_or_fail()
    assert service.cluster != before
    assert {pod.memory for pod in kubernetes.ray_pods(service.cluster) if pod.kind == "worker"} == {"3G"}
    # KubeRay keeps the old one for a minute.
    assert kubernetes.eventually(lambda: service.clusters() == {service.cluster}, seconds=120)


def test_an_owner_can_keep_the_running_cluster_and_is_told_that_it_runs_the_old_spec(
    service: Service, stack: Stack
) -> None:
    before = service.cluster
    service.configure(
        "echo:app", "search:app", upgradeStrategy="None", rayCluster={"worker": {"memory": "5G"}}
    )
    run = stack.up_or_fail()
    assert f"its cluster {before} keeps running the old spec (upgradeStrategy: None)" in run.text
    assert service.cluster == before
    assert service.applications == {"echo": "RUNNING", "search": "RUNNING"}


def test_a_changed_application_is_waited_for_until_it_runs_anew(service: Service, stack: Stack) -> None:
    service.configure("echo:app")
    stack.up_or_fail()
    # The same name: what KubeRay says of it right after the change is still about the
    # old one.
    service.configure("echo:broken")
    run = stack.up()
    assert not run.ok
    assert "application echo is DEPLOY_FAILED" in run.text


def test_a_broken_application_fails_up_with_its_message_and_a_repaired_one_converges(
    service: Service, stack: Stack
) -> None:
    service.configure("echo:app", "broken:app")
    run = stack.up()
    assert not run.ok
    (line,) = [line for line in run.error_lines if "service chat failed" in line]
    assert "application broken is DEPLOY_FAILED" in line
    assert "No module named 'broken'" in line
    service.configure("echo:app", "search:app")
    stack.up_or_fail()
    assert service.applications == {"echo": "RUNNING", "search": "RUNNING"}
    assert stack.preview().changes == {}


def test_a_new_cluster_that_does_not_come_up_fails_up_while_the_old_one_serves(
    service: Service, stack: Stack
) -> None:
    before = service.cluster
    service.configure("echo:app", rayCluster={"image": "rayproject/ray:missing"})
    run = stack.up()
    assert not run.ok
    assert "service chat: pod" in run.text
    assert "image rayproject/ray:missing cannot be pulled" in run.text
    assert service.cluster == before
    service.configure("echo:app", rayCluster={"worker": {"memory": "4G"}})
    stack.up_or_fail()
    assert service.applications == {"echo": "RUNNING"}


def test_a_service_that_someone_deleted_is_named_at_once_with_the_way_to_make_it_anew(
    service: Service, stack: Stack
) -> None:
    service.kubernetes.kubectl("delete", "rayservice", "chat", "-n", "kuberay")
    run = stack.up()
    assert (
        "service chat: there is no such RayService, though the state has it; `pulumi up --refresh` makes it"
        " anew" in run.text
    )
    run = stack.up("--refresh")
    assert run.ok, run.text
    assert service.applications


def test_destroy_leaves_nothing(service: Service, stack: Stack, kubernetes: Kubernetes) -> None:
    destroyed = stack.destroy()
    assert destroyed.ok, destroyed.text
    assert kubernetes.kubectl("get", "rayservices", "-A", "-o", "name") == ""
    assert kubernetes.eventually(
        lambda: kubernetes.kubectl("get", "rayclusters,pods", "-A", "-o", "name") == ""
    )
