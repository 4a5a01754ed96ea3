"""The CRDs of the Gateway API, as its project gives them."""

from dataclasses import replace
from pathlib import Path

from local import tools

#: As Traefik's module pins it.
_MODULE = replace(tools.TRAEFIK, name="gateway-api", source="sigs.k8s.io/gateway-api")


def gateway_api_crds() -> list[Path]:
    """A file for each kind."""
    folder = tools.module_folder(_MODULE, tools.find_go())
    return sorted((folder / "config/crd/standard").glob("*.yaml"))
