"""Who else goes on writing what a Helm release consists of. Pure."""

from collections.abc import Mapping
from typing import Final

from kuberay.facts.objects import Object

#: Labels and annotations that tools write on what they keep as they want it.
_TOOLS: Final[Mapping[str, str]] = {
    "argocd.argoproj.io/instance": "Argo CD",
    "argocd.argoproj.io/tracking-id": "Argo CD",
    "helm.toolkit.fluxcd.io/name": "Flux",
    "kustomize.toolkit.fluxcd.io/name": "Flux",
    "fluxcd.io/sync-checksum": "Flux",
    "objectset.rio.cattle.io/id": "Rancher's Fleet",
}
#: What calls itself so to the API server, by the beginning of its name.
_MANAGERS: Final[Mapping[str, str]] = {
    "argocd": "Argo CD",
    "helm-controller": "Flux",
    "kustomize-controller": "Flux",
    "fleet": "Rancher's Fleet",
    "terraform-provider-helm": "Terraform",
    "pulumi": "another Pulumi program",
}


def other_owner(obj: Object) -> str | None:
    """The tool that would write an object anew after a stack has changed it; None for
    Helm by hand.
    """
    metadata = obj["metadata"]
    for key in (*(metadata.get("labels") or {}), *(metadata.get("annotations") or {})):
        if key in _TOOLS:
            return _TOOLS[key]
    for entry in metadata.get("managedFields") or []:
        for beginning, tool in _MANAGERS.items():
            if str(entry.get("manager", "")).startswith(beginning):
                return tool
    return None
