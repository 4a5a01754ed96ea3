"""Settings of workloads: a job (RayJob), a service (RayService)."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from kuberay.facts.phrases import did_you_mean
from kuberay.settings.base import Name, QuotingError, Settings, number_as_text
from kuberay.settings.cluster import RayClusterSettings

Metadata = dict[str, Annotated[str, BeforeValidator(number_as_text)]]


class JobSettings(Settings):
    """A job: one RayJob. KubeRay runs it once; a change of what it runs, or on which cluster, replaces it, so that it runs again."""

    entrypoint: Annotated[str, Field(min_length=1)]
    """The command that Ray runs: `python -m train`."""
    runtime_env: dict[str, Any] = {}
    """Ray's runtime environment of the job, with Ray's own keys: `working_dir`, `pip`, `env_vars` …"""
    cluster: Name | None = None
    """Cluster of this stack that the job runs on, by its key in `clusters`. Without it KubeRay makes a cluster for the job alone."""
    ray_cluster: RayClusterSettings | None = None
    """The cluster that KubeRay makes for the job alone, where it is to differ from the stack's defaults."""
    shutdown_after_job_finishes: bool = True
    """Whether the job's own cluster goes when the job is over."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0)] = 0
    """How long the job's own cluster stays after the job, in seconds."""
    backoff_limit: Annotated[int, Field(ge=0)] = 0
    """How often a failed job is tried again, each time on a new cluster of its own."""
    active_deadline_seconds: Annotated[int, Field(gt=0)] | None = None
    """How long the job may take, its cluster's start included, before KubeRay ends it, in seconds."""
    submission_mode: Literal["K8sJobMode", "HTTPMode"] = "K8sJobMode"
    """Who submits the job to Ray: a Kubernetes Job whose pod follows its log (`K8sJobMode`), or the operator itself (`HTTPMode`)."""
    metadata: Metadata = {}
    """Metadata that Ray keeps with the job."""
    entrypoint_num_cpus: Annotated[float, Field(ge=0)] | None = None
    """CPUs reserved for the entrypoint."""
    entrypoint_num_gpus: Annotated[float, Field(ge=0)] | None = None
    """GPUs reserved for the entrypoint."""
    entrypoint_resources: dict[str, Annotated[float, Field(ge=0)]] = {}
    """Custom Ray resources reserved for the entrypoint, by name."""
    wait: bool = True
    """Whether `up` waits until the job has succeeded, and fails when the job does."""
    timeout_seconds: Annotated[int, Field(ge=10)] | None = None
    """How long `up` waits for the job, in seconds, where it is not the stack's `timeoutSeconds`."""


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
        routes: dict[str, str] = {}
        for application in applications:  # pyright: ignore[reportUnknownVariableType]
            if not isinstance(application, Mapping) or not isinstance(application.get("import_path"), str):
                raise ValueError("has an application without import_path, such as import_path: my_module:app")
            _check_import_path(str(application["import_path"]))  # pyright: ignore[reportUnknownArgumentType]
            name = application_name(application)  # pyright: ignore[reportUnknownArgumentType]
            if name in names:
                raise QuotingError(f"has two applications of the name {name!r}", "has two applications of one name")
            names.add(name)
            route: Any = application.get("route_prefix", "/")
            if not isinstance(route, str | None):
                raise ValueError("has an application whose route_prefix is no text, such as route_prefix: /chat")
            if route in routes:
                apart = f"give one of them another route_prefix, such as /{name}"
                said = f"has two applications on the route {route!r}, {routes[route]!r} and {name!r}; {apart}"
                raise QuotingError(said, "has two applications on one route; give one of them another route_prefix")
            if route is not None:
                routes[route] = name
        return config


def _check_import_path(path: str) -> None:
    """As Ray reads it: what comes after the colon, or else after the last dot, is the application in that module."""
    module, _, application = path.partition(":") if ":" in path else path.rpartition(".")
    if not (module and application) or ":" in application:
        module, _, application = path.strip(".").partition(":")
        meant = f"{module or 'my_module'}:{application.partition(':')[0] or 'app'}"
        why = "has an import_path that names no application in a module"
        raise QuotingError(f"{why}: {path!r}; did you mean {meant!r}?", f"{why}, such as my_module:app")


def application_name(application: Mapping[str, Any]) -> str:
    """Ray calls an application without a name `default`."""
    return str(application.get("name") or "default")
