"""Whoever goes on writing an object is named, lest two write it in turn."""

from typing import Any

import pytest

from commands.adopt.owners import other_owner


@pytest.mark.parametrize(
    ("metadata", "owner"),
    [
        ({"labels": {"argocd.argoproj.io/instance": "ray"}}, "Argo CD"),
        ({"annotations": {"argocd.argoproj.io/tracking-id": "ray:…"}}, "Argo CD"),
        ({"labels": {"helm.toolkit.fluxcd.io/name": "ray"}}, "Flux"),
        ({"managedFields": [{"manager": "terraform-provider-helm_v2.17.0_x5"}]}, "Terraform"),
        ({"managedFields": [{"manager": "pulumi-resource-kubernetes"}]}, "another Pulumi program"),
        (
            {
                "managedFields": [
                    {"manager": "helm"},
                    {"manager": "kuberay-operator"},
                    {"manager": "kubectl-edit"},
                ]
            },
            None,
        ),
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, None),
    ],
)
def test_a_tool_is_known_by_what_it_writes(metadata: dict[str, Any], owner: str | None) -> None:
    assert other_owner({"metadata": metadata}) == owner
