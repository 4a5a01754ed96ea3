"""What protects Ray's pods: the security context, and the token that jobs, dashboard
and clients show. Pure.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from kuberay.facts.images import is_ray_image
from kuberay.facts.versions import NEEDS, at_least
from kuberay.settings.protection import ProtectionSettings

# --- Kubernetes' pod security standard `restricted`, as Ray's images can live with it -

#: Of the container. KubeRay copies it to the init container `wait-gcs-ready`; Ray's
#: autoscaler takes it as its own.
CONTAINER_CONTEXT: Final[dict[str, Any]] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
}

#: Of the pod. Ray's images run as the user `ray`, by name: the kubelet can tell that it
#: is not root by its number only.
POD_CONTEXT: Final[dict[str, Any]] = {
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "runAsGroup": 100,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def is_restricted(protection: ProtectionSettings, custom_image: str | None) -> bool:
    """Whether pods of this image get the restricted context; what user an own image
    runs as is not known.
    """
    return protection.pod_security == "restricted" or (
        protection.pod_security == "auto" and is_ray_image(custom_image)
    )


def security_context(protection: ProtectionSettings, custom_image: str | None) -> dict[str, Any]:
    """The chart values of a group that hold its security contexts."""
    restricted = is_restricted(protection, custom_image)
    return {
        "securityContext": CONTAINER_CONTEXT if restricted else {},
        "podSecurityContext": POD_CONTEXT if restricted else {},
    }


# --- Node autoscalers -----------------------------------------------------------------


def stays_on_its_node(protection: ProtectionSettings, *, is_head: bool) -> dict[str, str]:
    """The annotations by which node autoscalers leave a pod where it is to stay."""
    if protection.keep_nodes_of == "none" or (protection.keep_nodes_of == "heads" and not is_head):
        return {}
    return {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false", "karpenter.sh/do-not-disrupt": "true"}


# --- Ray's token authentication -------------------------------------------------------
# No chart up to 1.7.0 writes `authOptions`, and operators before 1.5.1 know none; the
# variables that it would set work with all.

#: The key of the Secret, as KubeRay names it.
TOKEN_KEY: Final = "auth_token"
FIRST_RAY: Final = NEEDS["token authentication"].ray
#: The first Ray that asks for a token unless told otherwise.
_ASKS_UNASKED: Final = "2.61.0"
_MODE: Final = "RAY_AUTH_MODE"


def uses_token(protection: ProtectionSettings, ray_version: str) -> bool:
    """Whether a cluster of this Ray version asks for a token."""
    return protection.token_authentication != "disabled" and at_least(ray_version, FIRST_RAY)


def token_environment(secret: str) -> list[dict[str, Any]]:
    """What each container that runs Ray needs to have in its environment."""
    return [
        {"name": _MODE, "value": "token"},
        {"name": "RAY_AUTH_TOKEN", "valueFrom": {"secretKeyRef": {"name": secret, "key": TOKEN_KEY}}},
    ]


def no_token_environment(protection: ProtectionSettings, ray_version: str) -> list[dict[str, Any]]:
    """What tells a Ray that would ask for a token by itself to ask for none; nothing
    for the earlier ones, whose pods would restart.
    """
    asks = at_least(ray_version, _ASKS_UNASKED) and not uses_token(protection, ray_version)
    return [{"name": _MODE, "value": "disabled"}] if asks else []


def mode_of(environment: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The variables among these that say whether Ray asks for a token."""
    return [variable for variable in environment if variable["name"] == _MODE]


def token_output(secret: str | None, namespace: str) -> dict[str, str]:
    """How a person gets the token, for the outputs; empty without one."""
    path = f"jsonpath='{{.data.{TOKEN_KEY}}}'"
    command = f"kubectl get secret {secret} --namespace {namespace} --output {path} | base64 --decode"
    return {"getToken": command} if secret else {}


def auth_options(kuberay_version: str, secret: str | None = None) -> dict[str, Any]:
    """What in the spec of a RayCluster tells the operator that it asks for a token;
    empty where the operator knows none.

    ``secret``: the Secret with the token, where it is not the one that is named like
    the RayCluster.
    """
    if not at_least(kuberay_version, NEEDS["token authentication"].kuberay):
        return {}
    return {"authOptions": {"mode": "token", **({"secretName": secret} if secret else {})}}
