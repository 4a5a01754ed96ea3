"""Declares whatever the stack's config lists: the program that test_provider.py runs."""

from typing import Any

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource, CustomResourcePatch
from pulumi_kubernetes.helm.v3 import Release, RepositoryOptsArgs

from components.resources.kubernetes_object import KubernetesObject


def with_secrets(value: Any) -> Any:
    """Text after ``secret:`` becomes a secret."""
    if isinstance(value, dict):
        return {key: with_secrets(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_secrets(item) for item in value]
    if isinstance(value, str) and value.startswith("secret:"):
        return pulumi.Output.secret(value.removeprefix("secret:"))
    return value


def declare(kind: str, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions) -> pulumi.Resource:
    match kind:
        case "object":
            return KubernetesObject(name, inputs, opts)
        case "custom":
            api_version, known_kind = inputs.pop("apiVersion"), inputs.pop("kind")
            return CustomResource(name, api_version=api_version, kind=known_kind, **inputs, opts=opts)
        case "patch":
            api_version, known_kind = inputs.pop("apiVersion"), inputs.pop("kind")
            return CustomResourcePatch(name, api_version=api_version, kind=known_kind, **inputs, opts=opts)
        case "release":
            repository = RepositoryOptsArgs(repo=inputs.pop("repository")) if "repository" in inputs else None
            return Release(name, name=inputs.pop("name", name), repository_opts=repository, **inputs, opts=opts)
        case _:
            raise ValueError(kind)


made: dict[str, pulumi.Resource] = {}
for each in pulumi.Config("kuberay").require_object("resources"):
    after = [made[other] for other in each.get("after", [])]
    made[each["name"]] = declare(each["is"], each["name"], with_secrets(each["inputs"]), pulumi.ResourceOptions(depends_on=after))
for name, resource in made.items():
    if isinstance(resource, Release):
        pulumi.export(name, resource.status)
