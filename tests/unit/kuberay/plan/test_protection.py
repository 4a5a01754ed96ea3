"""What protects Ray's pods: the token, and the security context."""

from typing import Any

import pytest

from kuberay.plan.cluster import plan_cluster
from tests.stack_config import load

TOKEN = "a-token-of-the-owner-that-is-long-enough"


def values(**settings: Any) -> dict[str, Any]:
    return plan_cluster(load(**settings), "raycluster").values


def names(environment: list[dict[str, Any]]) -> list[str]:
    return [variable["name"] for variable in environment]


def test_ray_asks_for_a_token_as_soon_as_it_can() -> None:
    assert values(rayVersion="2.51.1")["common"]["containerEnv"] == []
    assert names(values(rayVersion="2.52.0")["common"]["containerEnv"]) == ["RAY_AUTH_MODE", "RAY_AUTH_TOKEN"]


def test_an_owners_own_variables_do_not_take_the_token_away() -> None:
    own = {"values": {"common": {"containerEnv": [{"name": "A", "value": "b"}]}}}
    made = values(rayVersion="2.52.0", clusters={"raycluster": own})
    assert names(made["common"]["containerEnv"]) == ["A", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"]


def test_the_autoscaler_has_the_token_and_the_restricted_context() -> None:
    cluster = {"autoscaling": {}, "worker": {"maxReplicas": 3}}
    options = values(rayVersion="2.52.0", clusters={"raycluster": cluster})["head"]["autoscalerOptions"]
    assert names(options["env"]) == ["RAY_AUTH_MODE", "RAY_AUTH_TOKEN"]
    assert options["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_another_token_restarts_every_pod_and_stands_in_no_value() -> None:
    plans = [
        plan_cluster(load(("authToken",), rayVersion="2.52.0", authToken=token), "raycluster")
        for token in (TOKEN, TOKEN[::-1], TOKEN)
    ]
    fingerprints = [[group.fingerprint for group in plan.groups] for plan in plans]
    assert fingerprints[0] == fingerprints[2]
    assert not set(fingerprints[0]) & set(fingerprints[1])
    assert TOKEN not in repr(plans[0])


def test_a_token_is_in_no_text_that_is_made_of_the_settings() -> None:
    settings = load(("authToken",), rayVersion="2.52.0", authToken=TOKEN)
    assert TOKEN not in repr(settings) + str(settings) + settings.model_dump_json()


@pytest.mark.parametrize(
    ("image", "mode", "restricted"),
    [
        (None, "auto", True),
        ("registry.example/mirror", "auto", True),
        ("registry.example/rayproject/ray:2.46.0", "auto", True),
        ("registry.example/team/ray:1", "auto", False),
        ("registry.example/team/ray:1", "restricted", True),
        (None, "none", False),
    ],
)
def test_pods_of_rays_images_are_restricted_and_of_own_ones_when_asked(
    image: str | None, mode: str, restricted: bool
) -> None:
    own = {"image": image} if image else {}
    made = values(protection={"podSecurity": mode}, **own)
    for group in ("head", "worker"):
        assert bool(made[group]["securityContext"]) == bool(made[group]["podSecurityContext"]) == restricted


def test_an_owner_can_add_to_the_context() -> None:
    own = {"values": {"head": {"securityContext": {"readOnlyRootFilesystem": True}}}}
    context = values(clusters={"raycluster": own})["head"]["securityContext"]
    assert context["readOnlyRootFilesystem"] is True
    assert context["allowPrivilegeEscalation"] is False


OFF = {"tokenAuthentication": "disabled"}
NONE = [{"name": "RAY_AUTH_MODE", "value": "disabled"}]


def test_a_ray_that_would_ask_for_a_token_by_itself_is_told_to_ask_for_none_and_no_other_is() -> None:
    assert values(rayVersion="2.60.0", protection=OFF)["common"]["containerEnv"] == []
    assert values(rayVersion="2.61.0", protection=OFF)["common"]["containerEnv"] == NONE
    cluster = {"autoscaling": {}, "worker": {"maxReplicas": 3}}
    made = values(rayVersion="2.61.0", protection=OFF, clusters={"raycluster": cluster})
    assert made["head"]["autoscalerOptions"]["env"] == NONE


def test_an_owner_who_says_what_ray_asks_for_is_not_contradicted() -> None:
    own = {"values": {"common": {"containerEnv": [{"name": "RAY_AUTH_MODE", "value": "token"}]}}}
    made = values(rayVersion="2.61.0", protection=OFF, clusters={"raycluster": own})
    assert made["common"]["containerEnv"] == [{"name": "RAY_AUTH_MODE", "value": "token"}]


@pytest.mark.parametrize(
    ("keep", "head", "worker"), [("none", False, False), ("heads", True, False), ("all", True, True)]
)
def test_node_autoscalers_are_told_which_pods_stay_on_their_node(keep: str, head: bool, worker: bool) -> None:
    values = plan_cluster(
        load(protection={"keepNodesOf": keep}, clusters={"ray": {"head": {"annotations": {"a": "b"}}}}), "ray"
    ).values
    told = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false", "karpenter.sh/do-not-disrupt": "true"}
    for group, is_told, own in (("head", head, {"a": "b"}), ("worker", worker, {})):
        annotations = {
            key: text
            for key, text in values[group]["annotations"].items()
            if key != "kuberay.pulumi/template"
        }
        assert annotations == (told if is_told else {}) | own
