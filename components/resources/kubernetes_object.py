"""A Kubernetes object of any kind, without the typed classes."""

import re
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import pulumi


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


def of_the_pinned_plugin(opts: pulumi.ResourceOptions | None) -> pulumi.ResourceOptions:
    """With the plugin's version that the SDK's own classes ask for: without one a
    second plugin would run beside theirs.
    """
    return pulumi.ResourceOptions.merge(pulumi.ResourceOptions(version=version("pulumi-kubernetes")), opts)


def of_this_stack(manifest: Mapping[str, Any], namespace: pulumi.Input[str]) -> dict[str, Any]:
    """An object of a plan with the stack's name added to its own: stacks that share a
    namespace have one each.
    """
    metadata = manifest["metadata"]
    named = {"name": f"{metadata['name']}-{_name_of_stack()}", "namespace": namespace}
    return {**manifest, "metadata": {**metadata, **named}}


def _name_of_stack() -> str:
    return re.sub(r"[^a-z0-9]+", "-", pulumi.get_stack().lower()).strip("-")
