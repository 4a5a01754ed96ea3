"""The program registers what it should, in one piece: run against Pulumi's mocks."""

import asyncio
import json
import runpy
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pulumi
import pytest

from tests.paths import ROOT
from tests.stack_config import as_config


class Recorder(pulumi.runtime.Mocks):
    def __init__(self, state: dict[str, Any] | None = None, kept: dict[str, Any] | None = None) -> None:
        """``state``: the outputs of each resource that the last run left, ``kept``:
        what is in its Stashes, by name.
        """
        self.resources: dict[str, pulumi.runtime.MockResourceArgs] = {}
        self.state, self.kept = state, kept or {}

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[Any, Any]]:
        self.resources[f"{args.typ.split(':')[-1]} {args.name}"] = args
        outputs = (
            {"output": self.kept.get(args.name, args.inputs["input"])}
            if args.typ == "pulumi:index:Stash"
            else {}
        )
        return f"{args.name}-id", {**args.inputs, **outputs}

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        if args.token == "pulumi:pulumi:readStackResourceOutputs" and self.state is not None:
            return {"outputs": self.state}, []
        raise AssertionError(f"the program calls nothing, but called {args.token}")


def run(
    monkeypatch: pytest.MonkeyPatch, recorder: Recorder | None = None, **settings: Any
) -> tuple[Recorder, dict[str, Any]]:
    recorder = recorder or Recorder()
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(as_config(settings)))
    # Pulumi takes the thread's event loop, and a test with `asyncio.run` leaves none.
    asyncio.set_event_loop(asyncio.new_event_loop())
    # In a preview, which looks at no cluster.
    pulumi.runtime.set_mocks(recorder, project="kuberay", stack="test", preview=True)
    exported: dict[str, Any] = {}
    monkeypatch.setattr(pulumi, "export", exported.__setitem__)
    mains: list[Callable[[], Awaitable[None]]] = []
    monkeypatch.setattr(pulumi, "run", mains.append)

    @pulumi.runtime.test
    def program() -> pulumi.Output[Any]:
        runpy.run_path(str(ROOT / "__main__.py"))
        (main,) = mains
        return (
            pulumi.Output.from_input(main())
            .apply(lambda _: pulumi.Output.all(**exported))
            .apply(exported.update)
        )

    program()
    return recorder, exported


def test_a_preview_pays_for_no_kubernetes_client() -> None:
    # The import takes 0.14 s: hooks do it when they run, in `up` alone.
    imports = """
import importlib, pkgutil, sys, components
for module in pkgutil.walk_packages(components.__path__, "components."):
    importlib.import_module(module.name)
print(*sorted({"httpx2", "lightkube"} & sys.modules.keys()))
"""
    assert (
        subprocess.run(
            [sys.executable, "-c", imports], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.split()
        == []
    )


def test_a_stack_is_a_namespace_an_operator_and_a_cluster_with_its_pods(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorder, _ = run(monkeypatch)
    assert set(recorder.resources) == {
        "Namespace kuberay",
        "ServiceAccountPatch kuberay.default-account",
        "NetworkPolicy kuberay.NetworkPolicy",
        "PodDisruptionBudget kuberay.PodDisruptionBudget",
        "Operator kuberay-operator",
        "Release kuberay-operator",
        "Stash kuberay-operator.deployment",
        "Stash dry-run",
        "RayCluster raycluster",
        "Release raycluster",
        "Stash raycluster.head.pods",
        "Stash raycluster.workergroup.pods",
    }


def test_a_null_in_raw_values_takes_away_what_the_program_sets_whatever_the_plugin_does_with_nulls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorder, _ = run(
        monkeypatch,
        clusters={"ray": {"values": {"head": {"nodeSelector": None, "annotations": {"a": None, "b": "c"}}}}},
    )
    head = recorder.resources["Release ray"].inputs["values"]["head"]
    assert "nodeSelector" not in head
    assert head["annotations"].keys() == {"b", "kuberay.pulumi/template"}


def test_both_releases_are_pinned_to_one_version_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder, _ = run(monkeypatch)
    for name, chart in (("kuberay-operator", "kuberay-operator"), ("raycluster", "ray-cluster")):
        inputs = recorder.resources[f"Release {name}"].inputs
        assert (inputs["name"], inputs["namespace"], inputs["chart"], inputs["version"]) == (
            name,
            "kuberay",
            chart,
            "1.3.0",
        )
        assert inputs["repositoryOpts"] == {"repo": "https://ray-project.github.io/kuberay-helm/"}


def test_everything_that_is_made_carries_the_mark_of_the_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder, _ = run(monkeypatch)
    marks = {
        name: (
            made.inputs["values"]["global"]
            if "values" in made.inputs
            else made.inputs["metadata"]["annotations"]
        )
        for name, made in recorder.resources.items()
        if made.typ.startswith("kubernetes:") and not made.typ.endswith("Patch")
    }
    assert {"Namespace kuberay", "Release kuberay-operator", "Release raycluster"} <= set(marks)
    assert {mark["kuberay.pulumi/stack"] for mark in marks.values()} == {"kuberay/test"}


def test_raw_values_of_an_encrypted_stack_are_marked_and_stay_a_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", json.dumps(["kuberay:clusters"]))
    recorder, _ = run(
        monkeypatch, Recorder(state={}), clusters={"raycluster": {"values": {"head": {"labels": {"a": "b"}}}}}
    )
    values = recorder.resources["Release raycluster"].inputs["values"]
    # Wrapped on its way to the engine.
    assert set(values) > {"value"}
    assert values["value"]["global"]["kuberay.pulumi/stack"] == "kuberay/test"


def test_an_oci_registry_names_the_chart_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder, _ = run(monkeypatch, chartRepository="oci://registry.example/charts/")
    inputs = recorder.resources["Release raycluster"].inputs
    assert inputs["chart"] == "oci://registry.example/charts/ray-cluster"
    assert "repositoryOpts" not in inputs


def test_an_existing_namespace_and_operator_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder, _ = run(monkeypatch, createNamespace="false", namespace="team", operator={"install": False})
    made = {
        name
        for name in recorder.resources
        if "Namespace" not in name or recorder.resources[name].typ.startswith("kubernetes")
    }
    assert not any(name.startswith(("Namespace", "Release kuberay-operator")) for name in made)
    assert recorder.resources["Release raycluster"].inputs["namespace"] == "team"


def test_the_outputs_say_how_to_use_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    _, exported = run(monkeypatch, architecture="aarch64")
    assert exported["clusters"]["raycluster"] == {
        "name": "raycluster-kuberay",
        "namespace": "kuberay",
        "image": "rayproject/ray:2.46.0-py310-aarch64",
        "cpu": "2",
        "memory": "4G",
        "gpus": 0,
        "rayClientAddress": "ray://raycluster-kuberay-head-svc.kuberay.svc:10001",
        "dashboardAddress": "http://raycluster-kuberay-head-svc.kuberay.svc:8265",
        "portForward": (
            "kubectl port-forward --namespace kuberay service/raycluster-kuberay-head-svc 8265:8265"
            " 10001:10001"
        ),
    }


def test_a_cluster_that_asks_for_a_token_has_it_before_its_pods_and_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorder, exported = run(monkeypatch, rayVersion="2.52.0")
    data = recorder.resources["Secret raycluster-kuberay"].inputs["data"]
    # Wrapped as a secret on its way to the engine, which encrypts it in the state.
    assert "auth_token" not in data
    assert set(data["value"]) == {"auth_token"}
    assert "get secret raycluster-kuberay" in exported["clusters"]["raycluster"]["getToken"]
    assert "RayClusterPatch raycluster.authentication" not in recorder.resources


def test_an_operator_that_knows_of_tokens_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder, _ = run(monkeypatch, rayVersion="2.52.0", kuberayVersion="1.6.2")
    assert recorder.resources["RayClusterPatch raycluster.authentication"].inputs["spec"] == {
        "authOptions": {"mode": "token"}
    }


def test_quota_and_limits_are_of_the_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder, _ = run(
        monkeypatch,
        quota={"pods": 9},
        limitRange={"max": {"cpu": 4}},
        createNamespace="false",
        namespace="team",
    )
    quota = recorder.resources["ResourceQuota team.ResourceQuota"].inputs
    assert (quota["metadata"]["name"], quota["metadata"]["namespace"]) == ("ray-test", "team")
    assert recorder.resources["LimitRange team.LimitRange"].inputs["spec"]["limits"] == [
        {"type": "Container", "max": {"cpu": "4"}}
    ]


def test_monitors_are_planned_where_the_cluster_cannot_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    # A short outage must not take them away.
    monkeypatch.setenv("KUBECONFIG", "/no/such/kubeconfig")
    recorder, _ = run(monkeypatch, metrics={"enabled": True})
    assert {"PodMonitor ray-test.metrics", "PodMonitor kuberay-operator-test.metrics"} <= set(
        recorder.resources
    )


def test_a_job_has_a_wait_of_its_own_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = {
        "train": {"entrypoint": "python main.py", "cluster": "raycluster"},
        "later": {"entrypoint": "python x.py", "wait": False},
    }
    recorder, exported = run(monkeypatch, jobs=jobs)
    made = {name for name in recorder.resources if "train" in name or "later" in name}
    assert made == {"RayJob train", "Stash train.succeeded", "RayJob later"}
    assert recorder.resources["RayJob train"].inputs["spec"]["clusterSelector"] == {
        "ray.io/cluster": "raycluster-kuberay"
    }
    assert exported["jobs"]["train"] == {
        "name": "train",
        "namespace": "kuberay",
        "status": "SUCCEEDED",
        "logs": "kubectl logs --namespace kuberay job/train",
    }
    assert exported["jobs"]["later"]["status"] == "submitted; `up` did not wait for it"


def test_the_outputs_say_where_a_service_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    services = {"chat": {"serveConfig": {"applications": [{"import_path": "chat:app"}]}}}
    recorder, exported = run(monkeypatch, clusters={}, services=services)
    assert {"Stash chat.ready"} <= set(recorder.resources)
    assert exported["services"]["chat"] == {
        "name": "chat",
        "namespace": "kuberay",
        "serveAddress": "http://chat-serve-svc.kuberay.svc:8000",
        "dashboardAddress": "http://chat-head-svc.kuberay.svc:8265",
        "portForward": "kubectl port-forward --namespace kuberay service/chat-serve-svc 8000:8000",
    }


def test_the_redis_password_of_a_services_cluster_is_there_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    redis = {"redisAddress": "redis:6379", "redisPassword": {"value": "opensesame-opensesame"}}
    applications = {"applications": [{"import_path": "chat:app"}]}
    monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", json.dumps(["kuberay:services"]))
    services = {"chat": {"serveConfig": applications, "rayCluster": {"gcsFaultTolerance": redis}}}
    recorder, _ = run(monkeypatch, Recorder(state={}), clusters={}, services=services)
    # Wrapped on its way to the engine.
    spec = recorder.resources["RayService chat"].inputs["spec"]["value"]["rayClusterConfig"]
    secret = spec["gcsFaultToleranceOptions"]["redisPassword"]["valueFrom"]["secretKeyRef"]["name"]
    assert f"Secret {secret}" in recorder.resources


def test_bad_settings_end_the_program_before_anything_is_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder()
    with pytest.raises(pulumi.RunError, match="did you mean 'architecture'"):
        run(monkeypatch, recorder, architcture="x86")
    assert recorder.resources == {}


def test_a_way_in_is_made_after_what_it_leads_to_and_the_outputs_have_its_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    route = {
        "host": "ray.example.com",
        "controllerNamespace": "ingress",
        "tlsSecret": "tls",
        "annotations": {"a": "b"},
    }
    recorder, exported = run(
        monkeypatch, rayVersion="2.52.0", clusters={"ray": {"expose": {"dashboard": route}}}
    )
    made = recorder.resources["Ingress ray.dashboard"].inputs["metadata"]
    assert (made["name"], made["namespace"]) == ("ray-kuberay-head-svc", "kuberay")
    assert made["annotations"]["a"] == "b"
    # Whether a controller gives it an address is no question of whether Ray is up.
    assert made["annotations"]["pulumi.com/skipAwait"] == "true"
    assert exported["clusters"]["ray"]["dashboardUrl"] == "https://ray.example.com"


def test_a_route_of_a_gateway_is_made_after_the_service_that_it_leads_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    route = {
        "host": "ray.example.com",
        "controllerNamespace": "edge",
        "gateway": {"name": "public", "namespace": "edge"},
        "annotations": {"a": "b"},
    }

    class SlowService(Recorder):
        def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[Any, Any]]:
            if args.typ.endswith(":Service"):
                time.sleep(0.2)
            return super().new_resource(args)

    recorder, _ = run(
        monkeypatch, SlowService(), rayVersion="2.52.0", clusters={"ray": {"expose": {"dashboard": route}}}
    )
    names = list(recorder.resources)
    assert names.index("Service ray.dashboard") < names.index("HTTPRoute ray.dashboard")
    service, way = (recorder.resources[f"{kind} ray.dashboard"] for kind in ("Service", "HTTPRoute"))
    assert service.inputs["metadata"]["name"] == "ray-kuberay-dashboard"
    # What a controller is told is told of the way in alone.
    assert "a" not in service.inputs["metadata"]["annotations"]
    assert way.inputs["metadata"]["annotations"]["a"] == "b"


def test_what_a_way_in_is_told_stays_encrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", json.dumps(["kuberay:services"]))
    route = {
        "host": "chat.example.com",
        "controllerNamespace": "ingress",
        "annotations": {"auth": "opensesame"},
    }
    services = {
        "chat": {"serveConfig": {"applications": [{"import_path": "chat:app"}]}, "expose": {"serve": route}}
    }
    recorder, exported = run(monkeypatch, Recorder(state={}), clusters={}, services=services)
    # Wrapped on its way to the engine.
    assert "annotations" not in recorder.resources["Ingress chat.serve"].inputs["metadata"]
    assert exported["services"]["chat"]["serveUrl"] == "http://chat.example.com"


def test_claims_are_there_before_pods(monkeypatch: pytest.MonkeyPatch) -> None:
    clusters = {"ray": {"head": {"storage": {"data": "/data"}}}}
    recorder, _ = run(monkeypatch, storage={"data": {"size": "1Gi"}}, clusters=clusters)
    names = list(recorder.resources)
    assert names.index("PersistentVolumeClaim data.storage") < names.index("Release ray")
    assert recorder.resources["PersistentVolumeClaim data.storage"].inputs["metadata"]["name"] == "data"
