"""Settings of a service: a RayService."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from kuberay.facts.phrases import did_you_mean
from kuberay.settings.base import Settings
from kuberay.settings.cluster import RayClusterSettings


class ServiceSettings(Settings):
    """A service: one RayService, Ray Serve applications on a cluster that KubeRay makes for them. Changes reach it without downtime."""

    serve_config: dict[str, Any]
    """Serve config as Ray has it (`applications`, `http_options` …); each application needs an `import_path`."""
    ray_cluster: RayClusterSettings = RayClusterSettings()
    """The cluster that KubeRay makes for the service."""
    upgrade_strategy: Literal["NewCluster", "None"] = "NewCluster"
    """What a change of the cluster does: `NewCluster` brings up a second one and switches over to it when its applications run, `None`
    keeps the running cluster as it is."""
    exclude_head_pod_from_serve_svc: bool = False
    """Whether requests go to the worker pods alone."""
    timeout_seconds: Annotated[int, Field(ge=10)] | None = None
    """How long `up` waits for the service, in seconds, where it is not the stack's `timeoutSeconds`."""

    @field_validator("serve_config")
    @classmethod
    def _applications(cls, config: dict[str, Any]) -> dict[str, Any]:
        # Ray checks the rest, by the schema of its own version.
        if "applications" not in config:
            misspelt = next((hint for key in config if (hint := did_you_mean(key, ["applications"]))), "")
            raise ValueError(f"needs a list of applications{misspelt}")
        applications: Any = config["applications"]
        if not isinstance(applications, list) or not applications:
            raise ValueError("needs a list of applications with at least one")
        names: set[str] = set()
        for application in applications:  # pyright: ignore[reportUnknownVariableType]
            if not isinstance(application, Mapping) or not isinstance(application.get("import_path"), str):
                raise ValueError("has an application without import_path, such as import_path: my_module:app")
            name = application_name(application)  # pyright: ignore[reportUnknownArgumentType]
            if name in names:
                raise ValueError(f"has two applications of the name {name!r}")
            names.add(name)
        return config


def application_name(application: Mapping[str, Any]) -> str:
    """Ray calls an application without a name `default`."""
    return str(application.get("name") or "default")
