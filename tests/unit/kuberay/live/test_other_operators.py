"""A stack's first operator comes into a cluster where others run only where neither is
in the other's way.
"""

import asyncio
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from kuberay.live.other_operators import OtherOperatorError, refuse_beside_others
from kuberay.plan.stack import plan_stack
from tests.stack_config import load
from tests.unit.kuberay.live.api_server import Answering, ApiServer, serving, status

USE_IT = "use it (operator.install: false)"


class Server(ApiServer):
    """Has Deployments of operators."""

    def __init__(self) -> None:
        super().__init__(Handler)
        self.deployments: list[dict[str, Any]] = []
        self.code = 200


class Handler(Answering, BaseHTTPRequestHandler):
    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        if self.server.code != 200:
            self.answer(status(self.server.code, "no"), self.server.code)
        else:
            self.answer({"kind": "DeploymentList", "metadata": {}, "items": self.server.deployments})


def operator(
    namespace: str = "team-a", image: str = "quay.io/kuberay/operator:v1.3.0", *arguments: str
) -> dict[str, Any]:
    metadata = {
        "name": "kuberay-operator",
        "namespace": namespace,
        "labels": {"app.kubernetes.io/name": "kuberay-operator"},
    }
    container = {"name": "operator", "image": image, "args": list(arguments)}
    template = {"spec": {"containers": [container]}}
    return {"metadata": metadata, "spec": {"replicas": 1, "selector": {}, "template": template}}


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server()) as server:
        yield server


def said(server: Server, *deployments: dict[str, Any], **settings: Any) -> str | None:
    server.deployments = list(deployments)
    plan = plan_stack(load(**settings))
    try:
        asyncio.run(refuse_beside_others(server.connection(), plan.operator, timeout=3))
    except OtherOperatorError as error:
        return str(error)
    return None


KEPT = {"operator": {"singleNamespaceInstall": True}}
TO_ITS_OWN = ("quay.io/kuberay/operator:v1.3.0", "--watch-namespace=team-a")


def test_alone_it_comes(server: Server) -> None:
    assert said(server) is None
    assert said(server, operator("kuberay")) is None  # Its own of a run that was cut off.


def test_one_of_another_version_keeps_its_crds(server: Server) -> None:
    assert said(server, operator(), kuberayVersion="1.6.2", **KEPT) == (
        "kuberay:kuberayVersion: KubeRay's operator 1.3.0 in namespace team-a needs the CRDs of its own"
        " version, which the whole cluster shares, and 1.6.2 would bring others: set kuberayVersion to 1.3.0,"
        f" or {USE_IT}"
    )


def test_one_for_every_namespace_is_used(server: Server) -> None:
    why = "works on namespace kuberay already, and two would work against one another"
    assert said(server, operator(), **KEPT) == (
        f"kuberay:operator: KubeRay's operator 1.3.0 in namespace team-a {why}: {USE_IT}"
    )
    unknown = operator("team-a", "registry.corp/mirror@sha256:1")
    assert said(server, unknown) == (
        f"kuberay:operator: KubeRay's operator in namespace team-a {why}: {USE_IT}"
    )


def test_beside_one_with_a_namespace_of_its_own_it_keeps_to_its_own_too(server: Server) -> None:
    assert said(server, operator("team-a", *TO_ITS_OWN)) == (
        "kuberay:operator: it would work on namespace team-a too, where KubeRay's operator 1.3.0 in namespace"
        " team-a does: set operator.singleNamespaceInstall to true"
    )
    assert said(server, operator("team-a", *TO_ITS_OWN), **KEPT) is None


def test_one_that_is_scaled_to_nothing_is_in_nobodys_way(server: Server) -> None:
    gone = operator()
    gone["spec"]["replicas"] = 0
    assert said(server, gone) is None


def test_where_it_may_not_look_nothing_is_said(server: Server) -> None:
    server.code = 403
    assert said(server, operator()) is None
