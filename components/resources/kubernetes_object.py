"""A Kubernetes object of any kind, without the typed classes."""

import re
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import pulumi

from components.stack import conceal_texts, secret_where_encrypted
from kuberay.plan.workload_clusters import WorkloadPlan

#: The annotation by which the plugin takes over fields that something else owns.
BY_FORCE = {"pulumi.com/patchForce": "true"}
#: And that by which it waits for nothing of an object.
NOT_WAITED_FOR = {"pulumi.com/skipAwait": "true"}


class KubernetesObject(pulumi.CustomResource):
    """An object by its API version and kind, as a manifest has it.

    Importing ``pulumi_kubernetes.core.v1`` for typed classes costs every preview 0.25
    s, and the provider takes no ``apiextensions.CustomResource`` of the core group
    ("apiVersion does not have both a group and a version").
    """

    def __init__(
        self,
        name: str,
        manifest: Mapping[str, Any],
        opts: pulumi.ResourceOptions | None = None,
        *,
        is_patch: bool = False,
    ) -> None:
        """``is_patch``: of an object of someone else's, whose other fields stay."""
        api_version, kind = str(manifest["apiVersion"]), str(manifest["kind"]) + ("Patch" if is_patch else "")
        token = f"kubernetes:{api_version if '/' in api_version else f'core/{api_version}'}:{kind}"
        super().__init__(token, name, dict(manifest), of_the_pinned_plugin(opts))


def workload_manifest(plan: WorkloadPlan, key: str, namespace: pulumi.Input[str]) -> dict[str, Any]:
    """A job or a service. ``key``: of the config, below which its settings are.

    By force: with its finalizer the operator writes the whole object, and owns what it
    wrote in another form (0.5 CPU as 500m).
    """
    labels = {"labels": conceal_texts(plan.labels, key)} if plan.labels else {}
    annotations = {**conceal_texts(plan.annotations, key), **BY_FORCE}
    return {
        "apiVersion": "ray.io/v1",
        "kind": plan.kind,
        "metadata": {"name": plan.name, "namespace": namespace, **labels, "annotations": annotations},
        "spec": secret_where_encrypted(plan.spec, key),
    }


def of_the_pinned_plugin(opts: pulumi.ResourceOptions | None) -> pulumi.ResourceOptions:
    """With the plugin's version that the SDK's own classes ask for: without one a
    second plugin would run beside theirs.
    """
    return pulumi.ResourceOptions.merge(pulumi.ResourceOptions(version=version("pulumi-kubernetes")), opts)


def in_namespace(
    manifest: Mapping[str, Any], namespace: pulumi.Input[str], **metadata: Any
) -> dict[str, Any]:
    """An object of a plan in the namespace that Pulumi makes. ``metadata``: in place of
    the plan's.
    """
    return {**manifest, "metadata": {**manifest["metadata"], "namespace": namespace, **metadata}}


def of_this_stack(manifest: Mapping[str, Any], namespace: pulumi.Input[str]) -> dict[str, Any]:
    """An object of a plan with the stack's name added to its own: stacks that share a
    namespace have one each.
    """
    stack = re.sub(r"[^a-z0-9]+", "-", pulumi.get_stack().lower()).strip("-")
    return in_namespace(manifest, namespace, name=f"{manifest['metadata']['name']}-{stack}")
