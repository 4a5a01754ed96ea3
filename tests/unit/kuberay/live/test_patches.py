"""What Ray's autoscaler has set is given back after an update, and the Service of
applications is as the settings ask for it.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from httpx2 import Request, Response
from lightkube import ApiError

from kuberay.facts.labels import SERVICE_FINALIZER
from kuberay.live import patches
from kuberay.live.api.connection import Connection
from kuberay.live.patches import (
    free_services,
    replicas_to_restore,
    serve_service_patch,
    without_finalizer,
)
from kuberay.plan.operator import plan_operator
from tests.stack_config import load
from tests.unit.kuberay.live.api_server import Found


def group(name: str, replicas: int, least: int = 0, most: int = 10) -> dict[str, Any]:
    return {"groupName": name, "replicas": replicas, "minReplicas": least, "maxReplicas": most}


def restored(before: dict[str, int], *groups: dict[str, Any]) -> dict[str, int]:
    """The replicas of each group once the patch is applied."""
    result = {g["groupName"]: g["replicas"] for g in groups}
    for step in replicas_to_restore(before, list(groups)):
        if step["op"] == "add":
            result[groups[int(step["path"].split("/")[3])]["groupName"]] = step["value"]
    return result


def test_every_group_gets_back_what_it_had() -> None:
    assert restored({"a": 4, "b": 2}, group("a", 1), group("b", 2)) == {"a": 4, "b": 2}


def test_new_limits_hold() -> None:
    assert restored({"a": 8, "b": 0}, group("a", 1, most=5), group("b", 1, least=2)) == {"a": 5, "b": 2}


def test_a_new_group_starts_as_it_was_declared() -> None:
    assert restored({"a": 3}, group("new", 1), group("a", 1)) == {"new": 1, "a": 3}


def test_nothing_is_patched_when_nothing_was_reset() -> None:
    assert replicas_to_restore({"a": 3}, [group("a", 3)]) == []


def test_a_group_is_only_patched_where_it_still_is() -> None:
    patch = replicas_to_restore({"a": 3}, [group("a", 1)])
    assert patch[0] == {"op": "test", "path": "/spec/workerGroupSpecs/0/groupName", "value": "a"}


def serve_service(kind: str = "ClusterIP", **annotations: str) -> dict[str, Any]:
    return {"metadata": {"annotations": annotations}, "spec": {"type": kind}}


OURS = "kuberay.pulumi/annotations"


def test_a_service_that_the_settings_say_nothing_of_is_left_alone() -> None:
    assert serve_service_patch(serve_service("LoadBalancer", cloud="x"), "ClusterIP", None) == {}


def test_a_service_that_is_as_it_should_be_is_left_alone() -> None:
    assert (
        serve_service_patch(
            serve_service("NodePort", a="1", cloud="x", **{OURS: "a"}), "NodePort", {"a": "1"}
        )
        == {}
    )


def test_annotations_come_and_go_with_the_settings_and_those_of_others_stay() -> None:
    found = serve_service("NodePort", a="1", b="2", cloud="x", **{OURS: "a,b"})
    patch = serve_service_patch(found, "LoadBalancer", {"b": "3", "c": "4"})
    assert patch == {
        "metadata": {"annotations": {"a": None, "b": "3", "c": "4", OURS: "b,c"}},
        "spec": {"type": "LoadBalancer"},
    }


def test_a_service_is_plain_again_when_the_settings_say_nothing_of_it_any_more() -> None:
    patch = serve_service_patch(serve_service("NodePort", a="1", cloud="x", **{OURS: "a"}), "ClusterIP", None)
    assert patch == {"metadata": {"annotations": {"a": None, OURS: None}}, "spec": {"type": "ClusterIP"}}


def test_a_finalizer_is_taken_off_where_it_stands_and_no_other() -> None:
    def held_by(*finalizers: str) -> dict[str, Any]:
        return {"metadata": {"finalizers": [*finalizers]}}

    assert without_finalizer(held_by("a", "ours"), "ours") == [
        {"op": "test", "path": "/metadata/finalizers/1", "value": "ours"},
        {"op": "remove", "path": "/metadata/finalizers/1"},
    ]
    assert without_finalizer(held_by("a"), "ours") == []
    assert without_finalizer({"metadata": {}}, "ours") == []


class Cluster:
    """Has a service with the finalizer in each of these namespaces; answers with these
    codes.
    """

    def __init__(self, *namespaces: str, answers: int = 200, lists: int = 200) -> None:
        self.namespaces, self.answers, self.lists = namespaces, answers, lists
        self.patched: list[str] = []

    async def __aenter__(self) -> "Cluster":
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def list(self, kind: Any, namespace: str) -> AsyncIterator[Found]:
        refuse(self.lists)
        for each in self.namespaces:
            if namespace in ("*", each):
                metadata = {"name": "chat", "namespace": each, "finalizers": [SERVICE_FINALIZER]}
                yield Found(metadata=metadata)

    async def patch(self, kind: Any, name: str, patch: Any, namespace: str, patch_type: Any) -> None:
        refuse(self.answers)
        self.patched.append(namespace)


def refuse(code: int) -> None:
    if code >= 400:
        status = {"code": code, "message": "may not", "reason": "Refused"}
        raise ApiError(Request("GET", "https://x"), Response(code, json=status))


def freed(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster, version: str = "1.3.0", **operator: Any
) -> tuple[list[str], list[str]]:
    """The namespaces whose service is freed, and what is said."""
    said: list[str] = []
    monkeypatch.setattr(patches, "connect", lambda *_: cluster)
    plan = plan_operator(load(kuberayVersion=version, namespace="kuberay", operator=operator))
    asyncio.run(free_services(Connection(), plan, said.append))
    return cluster.patched, said


OF_IT = "RayService a/chat: KubeRay 1.3.0 does not know its finalizer"


def test_services_are_freed_of_a_finalizer_that_the_operator_does_not_know(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert freed(monkeypatch, Cluster("a")) == (["a"], [f"{OF_IT}: taken off"])
    assert freed(monkeypatch, Cluster("a"), version="1.6.2") == ([], [])


@pytest.mark.parametrize(
    ("operator", "namespaces"),
    [
        ({"singleNamespaceInstall": True}, ["kuberay"]),
        ({"values": {"watchNamespace": ["b", "kuberay"]}}, ["b", "kuberay"]),
        ({"singleNamespaceInstall": True, "values": {"watchNamespace": ["b", "kuberay"]}}, ["b", "kuberay"]),
        ({}, ["a", "b", "kuberay"]),
    ],
)
def test_services_of_another_operator_keep_theirs(
    monkeypatch: pytest.MonkeyPatch, operator: dict[str, Any], namespaces: list[str]
) -> None:
    assert freed(monkeypatch, Cluster("a", "b", "kuberay"), **operator)[0] == namespaces


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (403, [f"{OF_IT}, which stays: may not"]),
        (404, []),  # Gone meanwhile.
        (422, [f"{OF_IT}, which stays: Refused"]),
    ],
)
def test_a_service_that_cannot_be_freed_ends_no_run(
    monkeypatch: pytest.MonkeyPatch, code: int, said: list[str]
) -> None:
    assert freed(monkeypatch, Cluster("a", answers=code)) == ([], said)


def test_whoever_may_not_list_services_frees_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert freed(monkeypatch, Cluster("a", lists=403)) == ([], [])
