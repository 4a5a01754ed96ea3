"""The Secrets that Ray pods read, encrypted in Pulumi's state."""

import base64
import secrets

import pulumi

from components.resources.kubernetes_object import KubernetesObject
from kuberay.plan.cluster import ClusterPlan
from kuberay.plan.fault_tolerance import PASSWORD_KEY, password_secret
from kuberay.plan.protection import TOKEN_KEY


def pod_secrets(
    plan: ClusterPlan, namespace: pulumi.Input[str], parent: pulumi.Resource
) -> list[pulumi.Resource]:
    """The token that a cluster asks for, and the password of its Redis where the
    stack's config holds it.
    """
    made: list[pulumi.Resource] = []
    if plan.token_secret:
        token = plan.auth_token.get_secret_value() if plan.auth_token else secrets.token_urlsafe(32)
        # A random token is made once: each later run brings another one, which is
        # ignored.
        opts = pulumi.ResourceOptions(parent=parent, ignore_changes=[] if plan.auth_token else ["data"])
        made.append(_secret(plan.token_secret, TOKEN_KEY, token, namespace, opts))
    redis = plan.settings.gcs_fault_tolerance
    if redis and redis.redis_password and redis.redis_password.value:
        password = redis.redis_password.value.get_secret_value()
        opts = pulumi.ResourceOptions(parent=parent)
        made.append(_secret(password_secret(plan.name), PASSWORD_KEY, password, namespace, opts))
    return made


def _secret(
    name: str, key: str, text: str, namespace: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> pulumi.Resource:
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "type": "Opaque",
        "data": {key: pulumi.Output.secret(base64.b64encode(text.encode()).decode())},
    }
    hidden = pulumi.ResourceOptions(additional_secret_outputs=["data"])
    return KubernetesObject(name, manifest, pulumi.ResourceOptions.merge(opts, hidden))
