"""Kubernetes' pod security standard `restricted`, as Ray's images can live with it."""

from typing import Any, Final

from kuberay.facts.images import is_ray_image
from kuberay.settings.protection import ProtectionSettings

#: Of the container. KubeRay copies it to the init container `wait-gcs-ready`; Ray's autoscaler takes it as its own.
CONTAINER_CONTEXT: Final[dict[str, Any]] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}

#: Of the pod. Ray's images run as the user `ray`, by name: the kubelet can tell that it is not root by its number only.
POD_CONTEXT: Final[dict[str, Any]] = {
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "runAsGroup": 100,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def is_restricted(protection: ProtectionSettings, own_image: str | None) -> bool:
    """Whether pods of this image get the restricted context; what user an own image runs as is not known."""
    return protection.pod_security == "restricted" or (protection.pod_security == "auto" and is_ray_image(own_image))


def security_context(protection: ProtectionSettings, own_image: str | None) -> dict[str, Any]:
    """The chart values of a group that hold its security contexts."""
    restricted = is_restricted(protection, own_image)
    return {"securityContext": CONTAINER_CONTEXT if restricted else {}, "podSecurityContext": POD_CONTEXT if restricted else {}}
