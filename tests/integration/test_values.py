"""What is written reaches Ray as it stands: numbers, flags and images of raw values,
and ports that a flag moves.
"""

import json
from typing import Any

from kuberay.facts.versions import at_least
from tests.integration.harness.kubernetes import Kubernetes
from tests.integration.harness.operators import BOTH_OPERATORS
from tests.integration.harness.stack import Stack, guide

pytestmark = BOTH_OPERATORS


def get(kubernetes: Kubernetes, kind: str, *which: str) -> Any:
    return json.loads(kubernetes.kubectl("get", kind, *which, "-n", "kuberay", "-o", "json"))


def head_pod(kubernetes: Kubernetes) -> dict[str, Any]:
    (pod,) = get(kubernetes, "pods", "-l", "ray.io/node-type=head")["items"]
    return pod["spec"]


def test_numbers_flags_and_images_of_raw_values_arrive_as_they_are_written(
    stack: Stack, kubernetes: Kubernetes
) -> None:
    group = {
        "rayStartParams": {"object-store-memory": 600_000_000, "resources": {"NPU": 1}},
        "podSecurityContext": {"runAsUser": 1_000_700_000, "runAsGroup": 0},
    }
    stack.configure(
        guide(
            architecture="x86",
            values={
                "image": {"repository": "registry.example/ray", "tag": 20260102},
                "head": group,
                "worker": group,
            },
        )
    )
    stack.up_or_fail()
    pod = head_pod(kubernetes)
    assert pod["containers"][0]["image"] == "registry.example/ray:20260102"
    assert pod["securityContext"]["runAsUser"] == 1_000_700_000
    assert " --object-store-memory=600000000  --resources='{\"NPU\": 1}' " in pod["containers"][0]["args"][0]
    assert {pod.image for pod in kubernetes.ray_pods("raycluster-kuberay")} == {
        "registry.example/ray:20260102"
    }
    assert stack.refresh().ok
    assert stack.preview().changes == {}


def test_an_empty_list_takes_the_place_of_the_chart_s(stack: Stack, kubernetes: Kubernetes) -> None:
    stack.configure(guide(architecture="x86", values={"worker": {"volumes": [], "volumeMounts": []}}))
    stack.up_or_fail()
    (worker,) = get(kubernetes, "rayclusters", "raycluster-kuberay")["spec"]["workerGroupSpecs"]
    assert "volumes" not in worker["template"]["spec"]
    assert "volumeMounts" not in worker["template"]["spec"]["containers"][0]
    assert stack.preview().changes == {}


def test_a_map_that_becomes_the_text_that_people_write_by_hand_restarts_nothing(
    stack: Stack, kubernetes: Kubernetes
) -> None:
    stack.configure(guide(worker={"rayStartParams": {"resources": "'{\"NPU\": 1}'"}}))
    stack.up_or_fail()
    before = {pod.uid for pod in kubernetes.ray_pods("raycluster-kuberay")}
    stack.configure(guide(worker={"rayStartParams": {"resources": {"NPU": 1}}}))
    assert stack.preview().changes == {}
    stack.up_or_fail()
    assert {pod.uid for pod in kubernetes.ray_pods("raycluster-kuberay")} == before


def test_the_service_of_the_head_and_the_probes_follow_a_flag_that_moves_a_port(
    stack: Stack, kubernetes: Kubernetes, version: str
) -> None:
    flags = {"ray-client-server-port": 10002, "metrics-export-port": 9080}
    followed = at_least(version, "1.6.0")
    stack.configure(guide(head={"rayStartParams": flags | ({"dashboard-port": 9265} if followed else {})}))
    assert stack.preview().changes["Release raycluster"] == "replace"
    stack.up_or_fail()
    dashboard = 9265 if followed else 8265
    ports = get(kubernetes, "service", "raycluster-kuberay-head-svc")["spec"]["ports"]
    named = {port["name"]: port["port"] for port in ports}
    assert named == {
        "client": 10002,
        "dashboard": dashboard,
        "gcs-server": 6379,
        "metrics": 9080,
        "serve": 8000,
    }
    probe = head_pod(kubernetes)["containers"][0]["readinessProbe"]
    assert f"localhost:{dashboard}/" in " ".join(probe["exec"]["command"])
    told = stack.outputs()["clusters"]["raycluster"]
    assert told["portForward"].endswith(f"-head-svc {dashboard}:{dashboard} 10002:10002")
    assert stack.preview().changes == {}


def test_the_service_of_applications_follows_their_serve_config(stack: Stack, kubernetes: Kubernetes) -> None:
    serve = {"applications": [{"name": "echo", "import_path": "echo:app"}], "http_options": {"port": 9000}}
    stack.configure({"architecture": "aarch64", "clusters": {}, "services": {"chat": {"serveConfig": serve}}})
    stack.up_or_fail()
    ports = get(kubernetes, "service", "chat-serve-svc")["spec"]["ports"]
    assert {port["name"]: port["port"] for port in ports} == {"serve": 9000}
    (worker,) = get(kubernetes, "pods", "-l", "ray.io/node-type=worker")["items"]
    assert "localhost:9000/-/healthz" in " ".join(
        worker["spec"]["containers"][0]["readinessProbe"]["exec"]["command"]
    )
    assert stack.outputs()["services"]["chat"]["serveAddress"] == "http://chat-serve-svc.kuberay.svc:9000"
