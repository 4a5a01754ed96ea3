"""What a stack has made is read from its state."""

from typing import Any

from commands.stack.state import read_seal, read_state
from kuberay.facts.digests import Seal

PREFIX = "urn:pulumi:dev::kuberay::kuberay:components:Operator$"


def resource(kind: str, name: str, /, **inputs: Any) -> dict[str, Any]:
    return {"urn": f"{PREFIX}{kind}::{name}", "inputs": inputs}


RELEASE = resource("kubernetes:helm.sh/v3:Release", "ray", name="ray", namespace="team")
NAMESPACE = resource("kubernetes:core/v1:Namespace", "team", kind="Namespace", metadata={"name": "team"})
PATCH = resource(
    "kubernetes:apps/v1:DeploymentPatch",
    "operator.deployment",
    kind="Deployment",
    metadata={"name": "operator"},
)
PROVIDER = resource("pulumi:providers:kubernetes", "default")


def test_a_stack_has_made_objects_and_releases_and_no_patches() -> None:
    state = read_state({"resources": [PROVIDER, NAMESPACE, RELEASE, PATCH]})
    assert [made.name for made in state.made] == ["team", "ray"]
    assert (state.size, state.interrupted) == (4, ())
    assert state.releases == {("team", "ray")}
    assert state.namespaces == {"team"}


def test_a_release_consists_of_what_it_rendered() -> None:
    names = {
        "ClusterRole.rbac.authorization.k8s.io/rbac.authorization.k8s.io/v1": ["operator"],
        "Service/v1": ["team/operator"],
    }
    (release,) = read_state({"resources": [RELEASE | {"outputs": {"resourceNames": names}}]}).made
    assert release.rendered == (
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "operator"},
        },
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "operator"}},
    )


def test_a_stack_without_resources_has_nothing() -> None:
    state = read_state({})
    assert (state.size, state.made, state.interrupted) == (0, (), ())


def test_what_a_killed_run_was_making_is_known_by_its_pending_operation() -> None:
    state = read_state(
        {"resources": [PROVIDER], "pending_operations": [{"type": "creating", "resource": RELEASE}]}
    )
    assert [made.name for made in state.interrupted] == ["ray"]
    assert state.releases == {("team", "ray")}


def test_a_claim_that_is_kept_is_known_as_such_also_while_it_was_being_made() -> None:
    claim = resource(
        "kubernetes:core/v1:PersistentVolumeClaim",
        "data.storage",
        metadata={"name": "data", "namespace": "team"},
    )
    creating = {"type": "creating", "resource": claim | {"retainOnDelete": True}}
    state = read_state({"resources": [RELEASE], "pending_operations": [creating]})
    assert [(made.name, made.is_kept) for made in (*state.made, *state.interrupted)] == [
        ("ray", False),
        ("data", True),
    ]


def test_what_a_later_run_has_made_good_is_not_interrupted() -> None:
    state = read_state(
        {"resources": [RELEASE], "pending_operations": [{"type": "creating", "resource": RELEASE}]}
    )
    assert state.interrupted == ()


def test_an_interrupted_update_has_made_nothing() -> None:
    assert read_state({"pending_operations": [{"type": "updating", "resource": RELEASE}]}).interrupted == ()


def stash(name: str, value: str) -> dict[str, Any]:
    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "plaintext": value}
    return {"urn": f"urn:pulumi:dev::kuberay::pulumi:index:Stash::{name}", "outputs": {"output": secret}}


def test_a_stack_that_holds_secrets_has_a_key_for_its_fingerprints() -> None:
    resources = [RELEASE, stash("fingerprint-key", '{"key": "k3y", "kept": ["abc"]}')]
    assert read_state({"resources": resources}).has_key
    assert not read_state({"resources": resources[:1]}).has_key
    assert read_seal({"resources": resources}) == Seal("k3y", frozenset(["abc"]))
