"""Settings of workloads: a job (RayJob), a service (RayService)."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, field_validator

from kuberay.facts.phrases import did_you_mean
from kuberay.settings.base import (
    Cpu,
    Matching,
    Memory,
    Name,
    QuotingError,
    Settings,
    number_as_text,
    of_its_keys,
)
from kuberay.settings.cluster import RayClusterSettings
from kuberay.settings.expose import ServiceExposeSettings
from kuberay.settings.overrides import ResourceOverrides
from kuberay.settings.schedule import Schedule, TimeZone

#: The strategy that leads requests over to a new cluster step by step.
INCREMENTAL: Final = "NewClusterWithIncrementalUpgrade"
#: Where the spec of a job or a service has that of its cluster.
CLUSTER_FIELD: Final = {"jobs": "rayClusterSpec", "services": "rayClusterConfig"}

Metadata = dict[str, Annotated[str, BeforeValidator(number_as_text)]]


class SubmitterSettings(Settings):
    """The pod that submits a job to Ray and follows its log (`submissionMode:
    K8sJobMode`).
    """

    cpu: Cpu = "1"
    """CPU limit."""
    memory: Memory = "1Gi"
    """Memory limit."""
    cpu_request: Cpu | None = None
    """CPU request; `500m` where not set, or the limit where that is less."""
    memory_request: Memory | None = None
    """Memory request; `200Mi` where not set, or the limit where that is less."""
    service_account_name: Name | None = None
    """Service account of the pod; it must exist."""
    backoff_limit: Annotated[int, Field(ge=0)] | None = None
    """How often the pod is tried again; twice where not set. It submits a job once: a
    new pod follows the job that runs.
    """


class DeletionRuleSettings(Settings):
    """What KubeRay deletes when a job is over, and when."""

    policy: Literal["DeleteWorkers", "DeleteCluster", "DeleteSelf", "DeleteNone"]
    """What goes: the workers, the job's whole cluster, or the RayJob with all that
    hangs on it; `DeleteNone` keeps everything.
    """
    job_status: Literal["SUCCEEDED", "FAILED"] | None = None
    """How the job has ended; however it has, where not set."""
    ttl_seconds: Annotated[int, Field(ge=0)] = 0
    """How long after the job's end, in seconds."""


class JobSettings(ResourceOverrides):
    """A job: one RayJob. KubeRay runs it once; a change of what it runs, or on which
    cluster, replaces it, so that it runs again.

    With a schedule it is a RayCronJob, of which KubeRay makes a RayJob at each time; a
    change is for the runs after it.
    """

    entrypoint: Annotated[str, Matching(r"^[\s\S]*\S[\s\S]*$", "must not be empty")]
    """The command that Ray runs: `python -m train`."""
    runtime_env: dict[str, Any] = {}
    """Ray's runtime environment of the job, with Ray's own keys: `working_dir`, `pip`,
    `env_vars` …
    """
    cluster: Name | None = None
    """Cluster of this stack that the job runs on, by its key in `clusters`. Without it
    KubeRay makes a cluster for the job alone.
    """
    ray_cluster: RayClusterSettings | None = None
    """The cluster that KubeRay makes for the job alone, where it is to differ from the
    stack's defaults.
    """
    schedule: Schedule | None = None
    """When the job runs, as a cron line: `0 2 * * *`. `up` waits for no run. A run
    starts also while the one before it runs. Needs KubeRay 1.6.0.
    """
    time_zone: TimeZone | None = None
    """Time zone of the schedule: `Europe/Berlin`; where not set, that of the operator's
    pod, mostly UTC.
    """
    suspend: bool = False
    """Whether the job waits: it has no cluster and runs when this is `false` again.
    With a schedule: whether no more runs are made.
    """
    shutdown_after_job_finishes: bool = True
    """Whether the job's own cluster goes when the job is over."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0)] = 0
    """How long the job's own cluster stays after the job, in seconds."""
    deletion_rules: list[DeletionRuleSettings] = []
    """What goes when the job is over, in place of `shutdownAfterJobFinishes` and
    `ttlSecondsAfterFinished`: the workers at once and the cluster after an hour, for
    one. Before KubeRay 1.5.0 one rule alone, for every end and at once.
    """
    backoff_limit: Annotated[int, Field(ge=0)] = 0
    """How often a failed job is tried again, each time on a new cluster of its own."""
    active_deadline_seconds: Annotated[int, Field(gt=0)] | None = None
    """How long the job may take, its cluster's start included, before KubeRay ends it,
    in seconds.
    """
    pre_running_deadline_seconds: Annotated[int, Field(gt=0)] | None = None
    """How long the job may take until it runs, before KubeRay ends it, in seconds.
    Needs KubeRay 1.6.0.
    """
    submission_mode: Literal["K8sJobMode", "SidecarMode", "HTTPMode"] = "K8sJobMode"
    """Who submits the job to Ray: a Kubernetes Job whose pod follows its log
    (`K8sJobMode`), a container beside Ray's in the head of a cluster of the job's own
    (`SidecarMode`, KubeRay 1.5.0), or the operator itself (`HTTPMode`).
    """
    submitter: SubmitterSettings = of_its_keys()
    """The pod that submits the job."""
    own_token: bool = False
    """Whether the token that the job's own cluster asks for is the stack's `authToken`,
    or a random one that stays; else KubeRay makes another one for each cluster. Needs
    KubeRay 1.6.0.
    """
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
    """How long `up` waits for the job, in seconds, where it is not the stack's
    `timeoutSeconds`.
    """

    @property
    def run_spec(self) -> dict[str, Any]:
        """What is merged over the spec of each run: with a schedule, below the
        RayCronJob's `jobTemplate`.
        """
        return (self.spec.get("jobTemplate") or {}) if self.schedule else self.spec


class ServeServiceSettings(Settings):
    """The Kubernetes Service of a service's applications: `<name>-serve-svc`."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"
    """Its type."""
    annotations: dict[str, str] = {}
    """Its annotations, by which clouds choose a load balancer."""


class ClusterUpgradeSettings(Settings):
    """How an incremental upgrade goes on."""

    gateway_class_name: Annotated[str, Field(min_length=1, max_length=253)]
    """GatewayClass of the Gateway that KubeRay makes, `<name>-gateway`; requests to it
    go to both clusters.
    """
    step_size_percent: Annotated[int, Field(ge=1, le=100)] = 10
    """Which part of the requests goes over to the new cluster at a time, in percent."""
    interval_seconds: Annotated[int, Field(ge=1)] = 60
    """How long it is from one such step to the next, in seconds."""
    max_surge_percent: Annotated[int, Field(ge=1, le=100)] = 100
    """How much of its full capacity the new cluster gains at a time, in percent."""


class ServiceSettings(ResourceOverrides):
    """A service: one RayService, Ray Serve applications on a cluster that KubeRay makes
    for them. Changes reach it without downtime.
    """

    serve_config: dict[str, Any]
    """Serve config as Ray has it (`applications`, `http_options` …); each application
    needs an `import_path`.
    """
    ray_cluster: RayClusterSettings = of_its_keys()
    """The cluster that KubeRay makes for the service."""
    upgrade_strategy: Literal["NewCluster", "NewClusterWithIncrementalUpgrade", "None"] = "NewCluster"
    """What a change of the cluster does: `NewCluster` brings up a second one and
    switches over to it when its applications run, `NewClusterWithIncrementalUpgrade`
    leads requests over to it step by step (KubeRay 1.5.1, autoscaling, a Gateway),
    `None` keeps the running cluster as it is.
    """
    cluster_upgrade_options: ClusterUpgradeSettings | None = None
    """How an incremental upgrade goes on."""
    serve_service: ServeServiceSettings | None = None
    """Type and annotations of the applications' Service, where it is not to be a
    ClusterIP alone.
    """
    own_token: bool = False
    """Whether the token that the cluster asks for is the stack's `authToken`, or a
    random one that stays; else KubeRay makes another one for each cluster. Needs
    KubeRay 1.6.0.
    """
    exclude_head_pod_from_serve_svc: bool = False
    """Whether requests go to the worker pods alone."""
    expose: ServiceExposeSettings = of_its_keys()
    """A way in from outside the Kubernetes cluster."""
    timeout_seconds: Annotated[int, Field(ge=10)] | None = None
    """How long `up` waits for the service, in seconds, where it is not the stack's
    `timeoutSeconds`.
    """

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
                raise QuotingError(
                    f"has two applications of the name {name!r}", "has two applications of one name"
                )
            names.add(name)
            route: Any = application.get("route_prefix", "/")
            if not isinstance(route, str | None):
                raise ValueError(
                    "has an application whose route_prefix is no text, such as route_prefix: /chat"
                )
            if route in routes:
                apart = f"give one of them another route_prefix, such as /{name}"
                said = f"has two applications on the route {route!r}, {routes[route]!r} and {name!r}; {apart}"
                raise QuotingError(
                    said, "has two applications on one route; give one of them another route_prefix"
                )
            if route is not None:
                routes[route] = name
        return config


def _check_import_path(path: str) -> None:
    """As Ray reads it: what comes after the colon, or else after the last dot, is the
    application in that module.
    """
    module, _, application = path.partition(":") if ":" in path else path.rpartition(".")
    if not (module and application) or ":" in application:
        module, _, application = path.strip(".").partition(":")
        meant = f"{module or 'my_module'}:{application.partition(':')[0] or 'app'}"
        why = "has an import_path that names no application in a module"
        raise QuotingError(f"{why}: {path!r}; did you mean {meant!r}?", f"{why}, such as my_module:app")


def application_name(application: Mapping[str, Any]) -> str:
    """Ray calls an application without a name `default`."""
    return str(application.get("name") or "default")
