"""Ray's token authentication: jobs, dashboard, clients and Ray's own processes show one token.

No chart up to 1.7.0 writes `authOptions`, and operators before 1.5.1 know none; the variables that `authOptions` would set work with all.
"""

from typing import Any, Final

from kuberay.facts.versions import NEEDS, at_least
from kuberay.settings.protection import ProtectionSettings

#: The key of the Secret, as KubeRay names it.
TOKEN_KEY: Final = "auth_token"
FIRST_RAY: Final = NEEDS["token authentication"].ray


def uses_token(protection: ProtectionSettings, ray_version: str) -> bool:
    """Whether a cluster of this Ray version asks for a token."""
    return protection.token_authentication != "disabled" and at_least(ray_version, FIRST_RAY)


def token_environment(secret: str) -> list[dict[str, Any]]:
    """What each container that runs Ray needs to have in its environment."""
    return [
        {"name": "RAY_AUTH_MODE", "value": "token"},
        {"name": "RAY_AUTH_TOKEN", "valueFrom": {"secretKeyRef": {"name": secret, "key": TOKEN_KEY}}},
    ]


def token_command(secret: str, namespace: str) -> str:
    """How a person gets the token."""
    return f"kubectl get secret {secret} --namespace {namespace} --output jsonpath='{{.data.{TOKEN_KEY}}}' | base64 --decode"


def auth_options(kuberay_version: str) -> dict[str, Any]:
    """What in the spec of a RayCluster tells the operator that it asks for a token; empty where the operator knows none."""
    return {"authOptions": {"mode": "token"}} if at_least(kuberay_version, NEEDS["token authentication"].kuberay) else {}
