"""What is made of the API server's answers to a dry run."""

import asyncio
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from kuberay.live.dry_run import NotAskedError, RefusedError, ask
from kuberay.plan.dry_run import Question
from tests.unit.kuberay.live.api_server import Answering, ApiServer, serving, status


class Server(ApiServer):
    """Answers every dry run alike, and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(Handler)
        self.code, self.message = 201, ""
        self.changed: tuple[int, str] | None = None
        """The answer to a change, where it is another one."""
        self.asked: list[tuple[str, dict[str, Any]]] = []


class Handler(Answering, BaseHTTPRequestHandler):
    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_PATCH(self) -> None:
        if self.server.changed:
            self.server.code, self.server.message = self.server.changed
        self.do_POST()

    def do_POST(self) -> None:
        self.server.asked.append(
            (self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        )
        if self.server.code == 404 and not self.server.message.startswith("namespaces"):
            self.answer(b"404 page not found\n", 404, "text/plain; charset=utf-8")
        else:
            self.answer(
                status(self.server.code, self.server.message, details={"name": "ray-head-x7k2p"}),
                self.server.code,
            )


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server()) as server:
        yield server


def question(
    name: str = "ray-head", *, hides_values: bool = False, kind: str = "Pod", version: str = "v1"
) -> Question:
    manifest = {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"generateName": f"{name}-", "namespace": "kuberay"},
        "spec": {},
    }
    return Question(f"clusters.{name}, a pod of the head", manifest, name, hides_values)


def answer(
    server: Server, code: int, message: str, asked: Question | None = None, *, in_preview: bool = True
) -> None:
    server.code, server.message = code, message
    asyncio.run(ask(server.connection(), [asked or question()], in_preview=in_preview))


def test_an_object_is_asked_about_strictly_and_never_made(server: Server) -> None:
    answer(server, 201, "")
    answer(server, 201, "", question("ray", kind="RayCluster", version="ray.io/v1"))
    query = "?dryRun=All&fieldValidation=Strict&fieldManager=pulumi-kuberay"
    assert [path for path, _ in server.asked] == [
        f"/api/v1/namespaces/kuberay/pods{query}",
        f"/apis/ray.io/v1/namespaces/kuberay/rayclusters{query}",
    ]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (400, 'strict decoding error: unknown field "spec.affinity.nodeAfinity"'),
        (403, 'pods "it" is forbidden: violates PodSecurity "restricted:latest": privileged'),
        (422, 'Pod "it" is invalid: metadata.labels: Invalid value: "data science!"'),
        (403, 'admission webhook "images.corp" denied the request: not from our registry'),
        # In a policy's own words, whatever they are like.
        (403, 'admission webhook "a.corp" denied the request: you cannot create pods without a team'),
        (403, 'pods "it" is forbidden: policy \'p\' denied request: User "ci" cannot create resource "pods"'),
        (403, 'admission webhook "a.corp" denied the request: exceeded quota: of our team'),
        (403, 'admission webhook "a.corp" denied the request: "b" does not support dry run'),
        # More than the quota has when nothing else runs.
        (
            403,
            'pods "it" is forbidden: exceeded quota: mem, requested: limits.memory=30G,pods=1,'
            " used: limits.memory=2G,pods=1, limited: limits.memory=20Gi,pods=4",
        ),
        (
            403,
            'services "it" is forbidden: exceeded quota: nolb, requested: services.loadbalancers=1,'
            " used: services.loadbalancers=0, limited: services.loadbalancers=0",
        ),
    ],
)
def test_a_refusal_is_told_in_the_servers_own_words(server: Server, code: int, message: str) -> None:
    with pytest.raises(RefusedError) as error:
        answer(server, code, message, in_preview=False)
    assert (
        str(error.value)
        == "kuberay:clusters.ray-head, a pod of the head: the Kubernetes API server would refuse it:"
        f" {message}"
    )


@pytest.mark.parametrize(
    "message",
    [
        'pods "it" is forbidden: violates PodSecurity "baseline:latest": hostPath volumes (volume "h")',
        'pods "it" is forbidden: maximum memory usage per Container is 4G, but limit is 6G',
        "pods is forbidden: [maximum cpu usage per Pod is 4, but limit is 6, minimum cpu usage per Pod is 1]",
        "pods is forbidden: exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0",
    ],
)
def test_a_preview_only_warns_of_rules_of_the_namespace_that_the_run_itself_may_change(
    server: Server, message: str
) -> None:
    with pytest.raises(NotAskedError) as error:
        answer(server, 403, message)
    assert (
        str(error.value)
        == "by the namespace's rules as they are now, kuberay:clusters.ray-head, a pod of the head: the"
        f" Kubernetes API server would refuse it: {message}"
    )
    with pytest.raises(RefusedError):
        answer(server, 403, message, in_preview=False)


PORT_TAKEN = "spec.ports[0].nodePort: Invalid value: 30555: provided port is already allocated"


@pytest.mark.parametrize(
    "changed", [(200, ""), (422, "spec.ports[1].nodePort: Duplicate value: 30555"), (422, PORT_TAKEN)]
)
def test_what_the_object_itself_has_is_not_taken(server: Server, changed: tuple[int, str]) -> None:
    server.changed = changed
    if changed[1] == PORT_TAKEN:
        with pytest.raises(RefusedError):
            answer(server, 422, PORT_TAKEN)
    else:
        answer(server, 422, PORT_TAKEN)
    (_, made), (path, change) = server.asked
    assert path.startswith("/api/v1/namespaces/kuberay/pods/ray-head?dryRun=All&")
    assert (made["metadata"]["generateName"], change["metadata"]) == (
        "ray-head-",
        {"namespace": "kuberay", "name": "ray-head"},
    )


def test_a_name_that_was_made_up_for_asking_is_told_as_the_name_that_is_meant(server: Server) -> None:
    with pytest.raises(RefusedError, match=r'would refuse it: Pod "ray-head" is invalid$'):
        answer(server, 422, 'Pod "ray-head-x7k2p" is invalid')


def test_no_value_is_shown_of_settings_that_are_encrypted(server: Server) -> None:
    said = 'Pod "x" is invalid: metadata.labels: Invalid value: "hunter2": a valid label must be'
    with pytest.raises(RefusedError, match=r"metadata\.labels: Invalid value: \[secret\]$"):
        answer(server, 422, said, question(hides_values=True))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            'admission webhook "env.corp" denied the request: PASSWORD=hunter2 is no name',
            'admission webhook "env.corp" denied the request: [secret]',
        ),
        (
            "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'p' denied request: hunter2",
            "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'p' denied request: [secret]",
        ),
        ('Pod "x" is invalid: spec.volumeMounts[0].name: Not found: "hunter2"', None),
    ],
)
def test_nor_of_what_a_policy_says_of_them(server: Server, said: str, told: str | None) -> None:
    with pytest.raises(RefusedError) as error:
        answer(server, 403, said, question(hides_values=True))
    assert "hunter2" not in str(error.value)
    assert str(error.value).endswith(told or "Not found: [secret]")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (403, 'pods "x" is forbidden: exceeded quota: tight'),
        (
            403,
            "pods is forbidden: exceeded quota: tight, requested: limits.cpu=500m,pods=1,"
            " used: limits.cpu=4,pods=3, limited: limits.cpu=4,pods=3",
        ),
        (404, 'namespaces "kuberay" not found'),
    ],
)
def test_what_may_change_while_up_goes_on_is_no_refusal(server: Server, code: int, message: str) -> None:
    answer(server, code, message)


@pytest.mark.parametrize(
    ("code", "message", "for_now"),
    [
        (403, 'pods is forbidden: User "ci" cannot create resource "pods" in API group ""', False),
        (403, 'pods "ray-head" is forbidden: User "a b" cannot patch resource "pods" in API group ""', False),
        (400, 'admission webhook "old.corp" does not support dry run', False),
        (401, "Unauthorized", False),
        (503, "the server is currently unable to handle the request", True),
    ],
)
def test_who_cannot_be_asked_is_told(server: Server, code: int, message: str, for_now: bool) -> None:
    with pytest.raises(NotAskedError) as error:
        answer(server, code, message)
    assert (str(error.value), error.value.for_now) == (
        f"clusters.ray-head, a pod of the head: {message}",
        for_now,
    )


def test_several_that_are_alike_are_asked_about_once(server: Server) -> None:
    asyncio.run(ask(server.connection(), [question("one"), question("two")], in_preview=True))
    assert len(server.asked) == 1
    server.code, server.message = 422, "no"
    with pytest.raises(RefusedError) as error:
        asyncio.run(ask(server.connection(), [question("one"), question("two")], in_preview=True))
    both = "clusters.one, a pod of the head, clusters.two, a pod of the head"
    assert str(error.value) == f"kuberay:{both}: the Kubernetes API server would refuse it: no"


def route() -> Question:
    manifest = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "ray", "namespace": "kuberay"},
    }
    return Question(
        "clusters.ray.expose.dashboard, its HTTPRoute", manifest, brought_by="the Gateway API's CRDs"
    )


def test_what_is_there_by_its_name_is_asked_about_as_a_change_of_it(server: Server) -> None:
    answer(server, 200, "", route())
    ((path, _),) = server.asked
    query = "?dryRun=All&fieldValidation=Strict&fieldManager=pulumi-kuberay&force=true"
    assert path == f"/apis/gateway.networking.k8s.io/v1/namespaces/kuberay/httproutes/ray{query}"


def test_a_kind_that_somebody_else_has_to_bring_is_named_with_the_servers_own_answer(server: Server) -> None:
    with pytest.raises(RefusedError) as error:
        answer(server, 404, "", route())
    assert (
        str(error.value)
        == "kuberay:clusters.ray.expose.dashboard, its HTTPRoute: the Kubernetes API server would refuse it:"
        " 404 page not found: it knows no HTTPRoute of gateway.networking.k8s.io/v1, which come with the"
        " Gateway API's CRDs"
    )
    # A namespace that is yet to come is no refusal.
    answer(server, 404, 'namespaces "kuberay" not found', route())
