"""Before pods go, the operator that is to bring others is looked at."""

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from kuberay.live.operator_at_work import wait_for_an_operator, why_no_pods_would_come
from kuberay.live.takeover.rules import how_to_make_anew
from kuberay.live.wait_loop import NotUpError
from kuberay.plan.stack import plan_stack
from tests.stack_config import load
from tests.unit.kuberay.live.api_server import Answering, ApiServer, serving, status

NAMED = "Deployment kuberay-operator in namespace"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal counts from the first."""
    monkeypatch.setattr("kuberay.live.operator_at_work._SETTLES", 0.0)


class Server(ApiServer):
    """Has Deployments of operators, and knows what each account may do."""

    def __init__(self) -> None:
        super().__init__(Handler)
        self.deployments = [deployment()]
        self.may: dict[str, list[str]] = {
            "system:serviceaccount:kuberay:kuberay-operator": ["rayclusters", "pods"]
        }
        self.asked: list[dict[str, Any]] = []
        self.accounts = ["kuberay-operator"]
        self.code = 200
        self.lease: dict[str, Any] | int = 404
        self.pods: list[dict[str, Any]] = []


class Handler(Answering, BaseHTTPRequestHandler):
    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        if self.server.code != 200:
            self.answer(status(self.server.code, "no"), self.server.code)
        elif asked.path == "/apis/apps/v1/deployments":
            (selected,) = parse_qs(asked.query)["labelSelector"]
            assert selected == "app.kubernetes.io/name in (kuberay,kuberay-operator)"
            self.answer({"kind": "DeploymentList", "metadata": {}, "items": self.server.deployments})
        elif asked.path.partition("/serviceaccounts/")[2] in self.server.accounts:
            self.answer({"kind": "ServiceAccount", "metadata": {"name": "kuberay-operator"}})
        elif asked.path == "/apis/coordination.k8s.io/v1/namespaces/kuberay/leases/ray-operator-leader":
            if isinstance(self.server.lease, int):
                self.answer(status(self.server.lease, "no"), self.server.lease)
            else:
                self.answer({"kind": "Lease", "spec": self.server.lease or None})
        elif asked.path == "/api/v1/namespaces/kuberay/pods":
            assert parse_qs(asked.query)["labelSelector"] == ["app=operator"]
            self.answer({"kind": "PodList", "metadata": {}, "items": self.server.pods})
        elif "/serviceaccounts/" in asked.path or "/leases/" in asked.path:
            self.answer(status(404, "not found"), 404)
        else:
            assert self.path == "/apis/apps/v1/namespaces/kuberay/deployments/kuberay-operator"
            self.answer(self.server.deployments[0])

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["spec"]
        self.server.asked.append(asked)
        attributes = asked["resourceAttributes"]
        allowed = attributes["resource"] in self.server.may.get(asked["user"], [])
        self.answer({"kind": "SubjectAccessReview", "spec": asked, "status": {"allowed": allowed}}, 201)


def deployment(
    namespace: str = "kuberay",
    *,
    replicas: int = 1,
    available: int = 1,
    arguments: Sequence[str] = (),
    name: str = "kuberay-operator",
    component: str = "kuberay-operator",
) -> dict[str, Any]:
    template = {
        "metadata": {"labels": {"app.kubernetes.io/component": component}},
        "spec": {
            "serviceAccountName": "kuberay-operator",
            "containers": [{"name": "kuberay-operator", "args": list(arguments)}],
        },
    }
    return {
        "metadata": {
            "name": "kuberay-operator",
            "namespace": namespace,
            "labels": {"app.kubernetes.io/name": name},
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "operator"}},
            "template": template,
        },
        "status": {"availableReplicas": available} if available else {},
    }


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server()) as server:
        yield server


def previewed(server: Server, **settings: Any) -> str | None:
    plan = plan_stack(load(**settings))
    return asyncio.run(why_no_pods_would_come(server.connection(), plan.operator, plan.namespace.name))


def waited(server: Server, **settings: Any) -> list[str]:
    plan, said = plan_stack(load(**settings)), list[str]()
    asyncio.run(wait_for_an_operator(server.connection(), plan.operator, plan.namespace.name, said.append))
    return said


def test_one_that_runs_and_may_is_fine(server: Server) -> None:
    assert previewed(server) is None
    assert waited(server) == []
    assert server.asked[1] == {
        "user": "system:serviceaccount:kuberay:kuberay-operator",
        "groups": ["system:serviceaccounts", "system:serviceaccounts:kuberay", "system:authenticated"],
        "resourceAttributes": {"namespace": "kuberay", "verb": "create", "group": "", "resource": "pods"},
    }


def test_one_without_rights_is_named_at_once(server: Server) -> None:
    server.may = {"system:serviceaccount:kuberay:kuberay-operator": ["rayclusters"]}
    why = (
        f"KubeRay's operator, {NAMED} kuberay, would make no pods here: its service account kuberay-operator"
        " may not create pods in namespace kuberay"
    )
    assert previewed(server) == why
    with pytest.raises(NotUpError, match="may not create pods") as told:
        waited(server)
    assert str(told.value) == why


def test_one_that_does_not_run_for_want_of_rights_is_named_at_once(server: Server) -> None:
    server.may, server.deployments = {}, [deployment(available=0)]
    with pytest.raises(NotUpError, match="may not watch rayclusters"):
        waited(server)
    assert "may not watch rayclusters" in (previewed(server) or "")


def test_a_right_that_was_just_granted_is_waited_for(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kuberay.live.operator_at_work._SETTLES", 30.0)
    granted, server.may = server.may, {}
    threading.Timer(0.5, lambda: setattr(server, "may", granted)).start()
    waited(server)


def test_one_whose_account_is_gone_is_named_at_once(server: Server) -> None:
    server.accounts = []
    with pytest.raises(NotUpError) as told:
        waited(server)
    assert (
        str(told.value)
        == f"KubeRay's operator, {NAMED} kuberay, would make no pods here: its service account"
        " kuberay-operator is gone"
    )


def test_one_that_is_scaled_to_nothing_is_named_at_once(server: Server) -> None:
    server.deployments = [deployment(replicas=0, available=0)]
    with pytest.raises(NotUpError) as told:
        waited(server)
    assert str(told.value) == f"KubeRay's operator does not run: {NAMED} kuberay is scaled to 0"


def test_one_that_does_not_run_is_waited_for(server: Server) -> None:
    server.deployments = [deployment(available=0)]
    why = f"KubeRay's operator does not run: {NAMED} kuberay has no pod that is available"
    assert previewed(server) == why

    async def comes_soon() -> list[str]:
        said: list[str] = []

        def report(text: str) -> None:
            said.append(text)
            server.deployments = [deployment()]

        plan = plan_stack(load())
        await wait_for_an_operator(server.connection(), plan.operator, plan.namespace.name, report)
        return said

    assert asyncio.run(comes_soon()) == [why]


def operator_pod(started: str, *, going: bool = False) -> dict[str, Any]:
    metadata = {"name": "operator", "deletionTimestamp": started} if going else {"name": "operator"}
    container = {"name": "kuberay-operator", "image": "a", "imageID": "a", "ready": True, "restartCount": 0}
    running = container | {"state": {"running": {"startedAt": started}}}
    return {"metadata": metadata, "status": {"containerStatuses": [running]}}


def test_one_that_has_just_started_is_waited_for_until_it_has_the_lease(server: Server) -> None:
    before, after = "2026-11-30T10:00:00Z", "2026-11-30T10:05:00Z"
    server.pods = [operator_pod(before, going=True), operator_pod(after)]
    server.lease = {"holderIdentity": "one", "acquireTime": "2026-11-30T10:00:01.250000Z"}
    # It comes in seconds, and nobody who reviews a change can do anything about it.
    assert previewed(server) is None

    async def gets_it() -> list[str]:
        said: list[str] = []

        def report(text: str) -> None:
            said.append(text)
            server.lease = {"holderIdentity": "two", "acquireTime": "2026-11-30T10:05:00.900000Z"}

        plan = plan_stack(load())
        await wait_for_an_operator(server.connection(), plan.operator, plan.namespace.name, report)
        return said

    (why,) = asyncio.run(gets_it())
    assert why == f"KubeRay's operator, {NAMED} kuberay, waits for the lease of the one before it"


@pytest.mark.parametrize("lease", [403, 404, {}, {"holderIdentity": "one"}])
def test_one_whose_lease_cannot_be_read_is_not_waited_for(
    server: Server, lease: dict[str, Any] | int
) -> None:
    server.pods, server.lease = [operator_pod("2026-11-30T10:05:00Z")], lease
    assert waited(server) == []


def test_one_that_never_gets_a_lease_is_not_waited_for_for_ever(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kuberay.live.operator_at_work._GETS_THE_LEASE", 0.5)
    server.pods = [operator_pod("2026-11-30T10:05:00Z")]
    # Of another operator in the same namespace.
    server.lease = {"acquireTime": "2026-11-30T10:00:01Z"}
    assert len(waited(server)) == 1


def test_one_that_acts_without_a_lease_is_not_waited_for(server: Server) -> None:
    server.deployments = [deployment(arguments=["--enable-leader-election=false"])]
    server.pods = [operator_pod("2026-11-30T10:05:00Z")]
    # Left by one before.
    server.lease = {"acquireTime": "2026-11-30T10:00:01Z"}
    assert waited(server) == []


def test_where_none_may_be_seen_nothing_is_said(server: Server) -> None:
    server.code = 403
    assert previewed(server) is None
    assert waited(server) == []


def test_one_that_the_stack_has_installed_and_somebody_has_deleted_is_named_at_once(server: Server) -> None:
    server.code = 404
    with pytest.raises(NotUpError) as told:
        waited(server)
    assert str(told.value) == (
        f"{NAMED} kuberay: there is no such Deployment, though the state has its Helm release;"
        f" {how_to_make_anew('kuberay-operator')}"
    )
    # The first run that installs it has none before.
    assert previewed(server) is None


def test_one_that_watches_other_namespaces_is_named_at_once_whatever_it_may(server: Server) -> None:
    shared = {"operator": {"install": False}}
    server.deployments = [deployment(arguments=["--watch-namespace", "team-a,team-b"])]
    why = (
        f"KubeRay's operator, {NAMED} kuberay, would make no pods here: its --watch-namespace leaves out"
        " namespace kuberay"
    )
    assert previewed(server, **shared) == why
    with pytest.raises(NotUpError) as told:
        waited(server, **shared)
    assert str(told.value) == why
    server.deployments = [deployment(arguments=["--watch-namespace=team-a,kuberay"])]
    assert waited(server, **shared) == []


def test_one_of_kuberays_kustomize_base_counts_and_its_other_programs_do_not(server: Server) -> None:
    shared = {"operator": {"install": False}}
    by_kustomize = deployment(name="kuberay")
    unused = deployment("a", replicas=0, available=0)
    server.deployments = [unused, by_kustomize]
    assert waited(server, **shared) == []
    server.deployments = [deployment(name="kuberay", component="kuberay-apiserver", available=0)]
    assert previewed(server, **shared) is None


def test_of_operators_that_others_installed_one_is_enough(server: Server) -> None:
    shared = {"operator": {"install": False}}
    server.deployments = [deployment("a", replicas=0, available=0), deployment("b")]
    assert previewed(server, **shared) == f"KubeRay's operator does not run: {NAMED} a is scaled to 0"
    server.may = {"system:serviceaccount:b:kuberay-operator": ["rayclusters", "pods"]}
    assert previewed(server, **shared) is None
    server.deployments = []
    assert previewed(server, **shared) is None
