"""What a stack has made is read from its state, and told from what others have put beside it."""

import io
from typing import Any, cast

import httpx2
import pytest

from commands.destroy import __main__ as command
from commands.destroy.__main__ import Destruction
from commands.stack.cli import Pulumi, StackConfig, StackError
from commands.stack.inventory import is_put_there, of_stack, watches
from commands.stack.state import read_state

PREFIX = "urn:pulumi:dev::kuberay::kuberay:components:Operator$"


def resource(kind: str, name: str, /, **inputs: Any) -> dict[str, Any]:
    return {"urn": f"{PREFIX}{kind}::{name}", "inputs": inputs}


RELEASE = resource("kubernetes:helm.sh/v3:Release", "ray", name="ray", namespace="team")
NAMESPACE = resource("kubernetes:core/v1:Namespace", "team", kind="Namespace", metadata={"name": "team"})
PATCH = resource("kubernetes:apps/v1:DeploymentPatch", "operator.deployment", kind="Deployment", metadata={"name": "operator"})
PROVIDER = resource("pulumi:providers:kubernetes", "default")


def thing(kind: str = "RayCluster", name: str = "ray", uid: str = "1", **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "ray.io/v1", "kind": kind, "metadata": {"name": name, "uid": uid, **metadata}}


def test_a_stack_has_made_objects_and_releases_and_no_patches() -> None:
    state = read_state({"resources": [PROVIDER, NAMESPACE, RELEASE, PATCH]})
    assert [made.name for made in state.made] == ["team", "ray"]
    assert (state.size, state.interrupted) == (4, ())
    assert state.releases == {("team", "ray")}
    assert state.namespaces == {"team"}


def test_a_release_consists_of_what_it_rendered() -> None:
    names = {"ClusterRole.rbac.authorization.k8s.io/rbac.authorization.k8s.io/v1": ["operator"], "Service/v1": ["team/operator"]}
    (release,) = read_state({"resources": [RELEASE | {"outputs": {"resourceNames": names}}]}).made
    assert release.rendered == (
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "operator"}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "operator"}},
    )


def test_a_stack_without_resources_has_nothing() -> None:
    state = read_state({})
    assert (state.size, state.made, state.interrupted) == (0, (), ())


def test_what_a_killed_run_was_making_is_known_by_its_pending_operation() -> None:
    state = read_state({"resources": [PROVIDER], "pending_operations": [{"type": "creating", "resource": RELEASE}]})
    assert [made.name for made in state.interrupted] == ["ray"]
    assert state.releases == {("team", "ray")}


def test_what_a_later_run_has_made_good_is_not_interrupted() -> None:
    state = read_state({"resources": [RELEASE], "pending_operations": [{"type": "creating", "resource": RELEASE}]})
    assert state.interrupted == ()


def test_an_interrupted_update_has_made_nothing() -> None:
    assert read_state({"pending_operations": [{"type": "updating", "resource": RELEASE}]}).interrupted == ()


def test_objects_are_the_stacks_by_mark_by_release_and_by_owner() -> None:
    marked = thing("RayJob", "job", "1", annotations={"kuberay.pulumi/stack": "kuberay/dev"})
    of_job = thing("RayCluster", "job-x", "2", ownerReferences=[{"uid": "1"}])
    helms = {"meta.helm.sh/release-name": "ray", "meta.helm.sh/release-namespace": "team"}
    released = thing(name="ray", uid="3", annotations=helms)
    by_hand = thing(name="other", uid="4")
    other_release = thing(name="other2", uid="5", annotations=helms | {"meta.helm.sh/release-name": "theirs"})
    found = of_stack([marked, of_job, released, by_hand, other_release], "kuberay/dev", {("team", "ray")})
    assert [one["metadata"]["name"] for one in found] == ["job", "job-x", "ray"]


def test_what_comes_with_each_namespace_or_goes_by_itself_was_not_put_there() -> None:
    assert is_put_there(thing("ConfigMap", "notes"))
    assert not is_put_there(thing("ConfigMap", "kube-root-ca.crt"))
    assert not is_put_there(thing("ServiceAccount", "default"))
    assert not is_put_there(thing("Pod", "ray-head", ownerReferences=[{"uid": "1"}]))
    assert not is_put_there(thing("Pod", "going", deletionTimestamp="2026-01-01T00:00:00Z"))


@pytest.mark.parametrize(
    ("arguments", "is_for_it"),
    [
        ([], True),
        (["--enable-leader-election=true"], True),
        (["--watch-namespace", "team"], True),
        (["--watch-namespace=other,team"], True),
        (["-watch-namespace=other"], False),
        (["--watch-namespace", "other,teams"], False),
    ],
)
def test_an_operator_takes_care_of_the_namespaces_that_it_watches(arguments: list[str], is_for_it: bool) -> None:
    pod = {"spec": {"containers": [{"name": "sidecar"}, {"name": "kuberay-operator", "command": ["/manager"], "args": arguments}]}}
    assert watches(pod, "team") == is_for_it


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


@pytest.fixture
def destruction(monkeypatch: pytest.MonkeyPatch) -> Destruction:
    monkeypatch.setattr(command, "_connect", lambda *_: Silent())
    return Destruction(cast("Pulumi", OneRelease()))


def test_without_anyone_to_ask_nothing_is_destroyed(destruction: Destruction, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(StackError, match="not destroyed: nobody can be asked here; --yes destroys without asking"):
        destruction.run(ask=True)


def test_a_cluster_that_stops_answering_is_one_line(destruction: Destruction) -> None:
    with pytest.raises(StackError, match=r"^the cluster stopped answering \(timed out\); the same command goes on from here$"):
        destruction.run(ask=False)
