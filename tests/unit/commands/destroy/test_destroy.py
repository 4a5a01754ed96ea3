"""Nothing is destroyed unasked, and a cluster that falls silent is told in a line."""

import io
from typing import Any, cast

import httpx2
import pytest
from lightkube import ApiError

from commands.destroy import __main__ as command
from commands.destroy.__main__ import Destruction
from commands.stack.cli import Pulumi, StackConfig, StackError

PREFIX = "urn:pulumi:dev::kuberay::kuberay:components:Operator$"


def resource(kind: str, name: str, /, **inputs: Any) -> dict[str, Any]:
    return {"urn": f"{PREFIX}{kind}::{name}", "inputs": inputs}


RELEASE = resource("kubernetes:helm.sh/v3:Release", "ray", name="ray", namespace="team")


class OneRelease:
    """The CLI, for a stack with one release."""

    stack, mark = "dev", "kuberay/dev"

    def ask(self, *_: str) -> Any:
        return {"deployment": {"resources": [RELEASE]}}

    def config(self) -> StackConfig:
        return StackConfig({}, frozenset())


class Silent:
    """A cluster that answers once."""

    def has_mark(self, *_: str) -> bool:
        return True

    def ray_objects(self, _: str) -> Any:
        raise httpx2.ReadTimeout("timed out")


class Denying(Silent):
    """A cluster whose webhook repeats what it was shown, or that calls an
    object invalid.
    """

    def __init__(self, code: int, message: str) -> None:
        self._code, self._message = code, message

    def ray_objects(self, _: str) -> Any:
        status = {"code": self._code, "reason": "Invalid", "message": self._message}
        raise ApiError(httpx2.Request("PATCH", "https://it"), httpx2.Response(self._code, json=status))


@pytest.fixture
def destruction(monkeypatch: pytest.MonkeyPatch) -> Destruction:
    monkeypatch.setattr(command, "_connect", lambda *_: Silent())
    return Destruction(cast("Pulumi", OneRelease()))


def test_without_anyone_to_ask_nothing_is_destroyed(
    destruction: Destruction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(
        StackError, match="not destroyed: nobody can be asked here; --yes destroys without asking"
    ):
        destruction.run(ask=True)


def test_a_cluster_that_stops_answering_is_one_line(destruction: Destruction) -> None:
    with pytest.raises(
        StackError, match=r"^the cluster stopped answering \(timed out\); the same command goes on from here$"
    ):
        destruction.run(ask=False)


@pytest.mark.parametrize(
    ("code", "message", "told"),
    [
        (422, 'RayCluster "ray" is invalid: spec.env: Invalid value: "hunter2"', "Invalid"),
        (
            403,
            'admission webhook "env.corp" denied the request: \n\nPASSWORD is hunter2',
            'admission webhook "env.corp" denied the request: [secret]',
        ),
        (403, 'rayclusters.ray.io is forbidden: User "me" cannot list', None),
        (500, 'Internal error occurred: failed calling webhook "it": no endpoints available', None),
    ],
)
def test_a_refusal_is_told_without_what_it_quotes_of_an_object(
    monkeypatch: pytest.MonkeyPatch, code: int, message: str, told: str | None
) -> None:
    monkeypatch.setattr(command, "_connect", lambda *_: Denying(code, message))
    with pytest.raises(StackError) as refused:
        Destruction(cast("Pulumi", OneRelease())).run(ask=False)
    assert str(refused.value) == f"the Kubernetes API server refuses: {told or message}"
