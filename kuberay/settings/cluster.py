"""Settings of a Ray cluster: its head, its worker groups, its autoscaler, its fault
tolerance.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from kuberay.facts.phrases import did_you_mean
from kuberay.settings.adoption import AdoptedCluster
from kuberay.settings.base import (
    Accelerator,
    Cpu,
    Folder,
    ImageReference,
    Matching,
    Memory,
    Name,
    NodeArchitecture,
    PullPolicy,
    PythonVersion,
    RayMemory,
    RayVersion,
    Settings,
    number_as_text,
    of_its_keys,
)
from kuberay.settings.expose import ClusterExposeSettings
from kuberay.settings.history_server import HistoryServerSettings
from kuberay.settings.kubernetes import Env, PasswordSetting, Toleration, Volume, VolumeMount
from kuberay.settings.overrides import ChartOverrides, ResourceOverrides

#: Flags of `ray start` (Ray 2.46 and later), as KubeRay passes them on. A flag it does
#: not know ends Ray at once.
RAY_START_PARAMS = frozenset(
    """address autoscaling-config block cgroup-path dashboard-agent-grpc-port dashboard-agent-listen-port
    dashboard-grpc-port dashboard-host dashboard-port disable-usage-stats enable-resource-isolation
    gcs-server-port head include-dashboard include-log-monitor labels labels-file log-color log-style
    max-worker-port memory metrics-export-port min-worker-port no-monitor no-redirect-output node-ip-address
    node-manager-port node-name num-cpus num-gpus object-manager-port object-spilling-directory
    object-store-memory plasma-directory plasma-store-socket-name port proctitle ray-client-server-port
    ray-debugger-external raylet-socket-name redis-password redis-shard-ports redis-username resources
    runtime-env-agent-port storage system-config system-reserved-cpu system-reserved-memory temp-dir
    tracing-startup-hook verbose worker-port-list""".split()
)
#: Those that Ray reads as JSON.
JSON_PARAMS = ("resources", "system-config")


def _ray_start_param(value: object) -> object:
    # KubeRay's CRD has a map of strings; `true` is how a flag without a value is
    # written.
    if isinstance(value, dict):
        return json.dumps(value)
    return str(value).lower() if isinstance(value, bool) else number_as_text(value)


RayStartParam = Annotated[
    str, BeforeValidator(_ray_start_param, json_schema_input_type=str | int | float | bool | dict[str, Any])
]


class GroupSettings(Settings):
    """Pods of one shape: the head, or a group of workers."""

    cpu: Cpu = "1"
    """CPU limit of each pod, and its request unless cpuRequest is set."""
    memory: RayMemory = "2G"
    """Memory limit of each pod, and its request unless memoryRequest is set. `2G`
    (2,000,000,000 bytes) is not `2Gi`.
    """
    cpu_request: Cpu | None = None
    """CPU request, where it is to be less than the limit."""
    memory_request: Memory | None = None
    """Memory request, where it is to be less than the limit. Ray sizes itself by the
    limit.
    """
    gpus: Annotated[int, Field(ge=0, le=64)] = 0
    """GPUs of each pod. The image flavour is then `gpu` unless another is set, and the
    taint of GPU nodes is tolerated.
    """
    gpu_resource: Annotated[
        str,
        Matching(
            r"^[a-z0-9.-]+/[A-Za-z0-9._-]+$", "is not the name of a device resource, such as nvidia.com/gpu"
        ),
    ] = "nvidia.com/gpu"
    """What Kubernetes calls these GPUs: `nvidia.com/gpu`, `amd.com/gpu`, or a slice
    such as `nvidia.com/mig-1g.5gb`.
    """
    tpus: Annotated[int, Field(ge=0, le=64)] = 0
    """TPU chips of each pod (`google.com/tpu`). Their nodes are picked by nodeSelector,
    as the cloud labels them.
    """
    architecture: NodeArchitecture | None = None
    """Architecture of these pods, where it is not the cluster's: `x86` or `aarch64`."""
    accelerator: Accelerator | None = None
    """Image flavour of these pods, where it is not the cluster's: `cpu`, `gpu` or
    `cu124`.
    """
    image: ImageReference | None = None
    """Image of these pods, where it is not the cluster's."""
    env: Env = {}
    """Environment variables of the Ray container: `NAME: text`, or `NAME: {valueFrom:
    …}`.
    """
    node_selector: dict[str, str] = {}
    """Labels that the pods' nodes must have. The architecture's label is added to them.
    """
    tolerations: list[Toleration] = []
    """Taints that the pods tolerate."""
    affinity: dict[str, Any] = {}
    """Kubernetes `Affinity` of the pods."""
    volumes: list[Volume] = []
    """Volumes of the pods, beside the one for Ray's logs."""
    volume_mounts: list[VolumeMount] = []
    """Where the Ray container sees the volumes."""
    storage: dict[Name, Folder] = {}
    """Claims of the stack's `storage` that the Ray container sees, and where:
    `{datasets: /data}`.
    """
    service_account_name: Name | None = None
    """Service account of the pods; it must exist."""
    labels: dict[str, str] = {}
    """Labels of the pods."""
    annotations: dict[str, str] = {}
    """Annotations of the pods."""
    ray_start_params: dict[str, RayStartParam] = {}
    """Flags of `ray start`, without the dashes: `num-cpus: 0`, `resources: {NPU: 1}`.
    """
    ray_labels: dict[str, str] = {}
    """Labels of Ray's own nodes, by which Ray places tasks and actors; KubeRay 1.5.0 or
    later.
    """
    image_pull_policy: PullPolicy | None = None
    """When nodes pull the image of these pods, where it is not the stack's
    `imagePullPolicy`.
    """
    env_from: list[dict[str, Any]] = []
    """ConfigMaps and Secrets whose keys become environment variables of the Ray
    container (Kubernetes `EnvFromSource`).
    """
    init_containers: list[dict[str, Any]] = []
    """Containers that run before Ray starts (Kubernetes `Container`)."""
    sidecars: list[dict[str, Any]] = []
    """Containers beside the Ray container (Kubernetes `Container`)."""
    priority_class_name: Name | None = None
    """Priority class of the pods; it must exist."""
    topology_spread_constraints: list[dict[str, Any]] = []
    """How the pods are spread over nodes and zones (Kubernetes
    `TopologySpreadConstraint`).
    """

    @field_validator("ray_start_params", mode="before")
    @classmethod
    def _maps_where_ray_reads_them(cls, params: object) -> object:
        for flag, value in params.items() if isinstance(params, dict) else ():  # pyright: ignore[reportUnknownVariableType]
            if isinstance(value, dict) and flag not in JSON_PARAMS:
                raise ValueError(
                    f"has a map for {flag!r}, where `ray start` takes text; it takes one for"
                    f" {' and '.join(JSON_PARAMS)}"
                )
        return params  # pyright: ignore[reportUnknownVariableType]

    @field_validator("ray_start_params")
    @classmethod
    def _known_flags(cls, params: dict[str, str]) -> dict[str, str]:
        for flag in params:
            if flag not in RAY_START_PARAMS:
                raise ValueError(
                    f"has no flag {flag!r}: `ray start` does not know"
                    f" it{did_you_mean(flag, RAY_START_PARAMS)}"
                )
        return params


class HeadSettings(GroupSettings):
    """The head pod."""


class WorkerGroupSettings(GroupSettings):
    """A group of worker pods."""

    replicas: Annotated[int, Field(ge=0, le=10_000)] = 1
    """How many worker pods."""
    min_replicas: Annotated[int, Field(ge=0)] = 0
    """The fewest an autoscaler may leave."""
    max_replicas: Annotated[int, Field(ge=0, le=10_000)] | None = None
    """The most an autoscaler may make; `replicas` where not set."""
    num_of_hosts: Annotated[int, Field(ge=1, le=256)] = 1
    """Pods of each replica: more than one for a TPU slice or another unit that spans
    hosts.
    """
    idle_timeout_seconds: Annotated[int, Field(ge=0)] | None = None
    """How long a worker of this group is idle before the autoscaler takes it away, in
    seconds; `autoscaling.version: v2` alone knows it.
    """


class DefaultWorkerGroupSettings(WorkerGroupSettings):
    """The default worker group."""

    enabled: bool = True
    """`false` leaves the default group out."""
    group_name: Name = "workergroup"
    """Name of the group, as Ray and the pods' labels show it."""


class AutoscalingSettings(Settings):
    """Ray's in-tree autoscaler; naming it, even as `{}`, turns it on. Each worker group
    then needs maxReplicas.
    """

    version: Literal["v1", "v2"] = "v1"
    """Which autoscaler: `v2` needs Ray 2.10 and never restarts a pod in place."""
    idle_timeout_seconds: Annotated[int, Field(ge=1)] = 60
    """How long a worker is idle before it goes, in seconds."""
    upscaling_mode: Literal["Default", "Aggressive", "Conservative"] = "Default"
    """How eagerly workers are added: `Conservative` adds no more at once than there
    are.
    """
    cpu: Cpu = "500m"
    """CPU of the sidecar, request and limit."""
    memory: Memory = "512Mi"
    """Memory of the sidecar, request and limit."""


class GcsFaultToleranceSettings(Settings):
    """Keeps the head's state in a Redis of your own, so that the workers outlive a head
    that fails.
    """

    redis_address: Annotated[
        str,
        Field(examples=["redis.team.svc:6379"], max_length=300),
        Matching(
            r"^((redis|rediss)://)?[A-Za-z0-9.-]+:[0-9]{1,5}$",
            "is not the address of a Redis: host and port, such as redis.team.svc:6379",
        ),
    ]
    """Address and port: `redis.team.svc:6379`, or `rediss://…` for TLS."""
    redis_password: PasswordSetting | None = None
    """Password: `{secretKeyRef: {name, key}}` of a Secret in the namespace, or a text,
    which has to be encrypted: `pulumi config set --secret --path
    'kuberay:clusters.<name>.gcsFaultTolerance.redisPassword'`.
    """
    redis_username: str | None = None
    """User, where it is not Redis' default one."""
    external_storage_namespace: (
        Annotated[
            str,
            Field(max_length=200),
            Matching(r"^[A-Za-z0-9._-]+$", "is not a prefix of keys: letters, digits and . _ -"),
        ]
        | None
    ) = None
    """Prefix of the keys in Redis; the RayCluster's UID where not set.
    With one of your own, a cluster that is made anew finds its state."""


class RayClusterSettings(ChartOverrides):
    """A Ray cluster: one of the stack's own, or the one that KubeRay makes for a job or
    a service.
    """

    chart = "ray-cluster"

    ray_version: RayVersion | None = None
    """Ray version, where it is not the stack's."""
    python_version: PythonVersion | None = None
    """Python version, where it is not the stack's."""
    architecture: NodeArchitecture | None = None
    """Architecture, where it is not the stack's: `x86` or `aarch64`."""
    accelerator: Accelerator | None = None
    """Image flavour, where it is not the stack's: `cpu`, `gpu` or `cu124`."""
    image: ImageReference | None = None
    """Image, where it is not the stack's."""
    autoscaling: AutoscalingSettings | None = None
    """Ray's autoscaler: `{}` turns it on. `up` never resets the replicas it has set."""
    head: HeadSettings = of_its_keys()
    """The head pod."""
    worker: DefaultWorkerGroupSettings = of_its_keys()
    """The default worker group."""
    additional_worker_groups: dict[Name, WorkerGroupSettings] = {}
    """Further worker groups by name."""
    gcs_fault_tolerance: GcsFaultToleranceSettings | None = None
    """Keeps the head's state in a Redis of your own, so that the workers outlive a head
    that fails.
    """
    history_server: HistoryServerSettings | None = None
    """Copies logs and events to an object store, for KubeRay's history server; KubeRay
    1.7.0 or later.
    """


class ClusterSettings(RayClusterSettings, ResourceOverrides):
    """A Ray cluster of the stack's own: one Helm release."""

    upgrade_strategy: Literal["Recreate", "None"] = "Recreate"
    """What becomes of running pods when their template changes: `Recreate` replaces
    them, `None` keeps them as they are.
    """
    expose: ClusterExposeSettings = of_its_keys()
    """A way in from outside the Kubernetes cluster."""
    adopted: AdoptedCluster | None = None
    """The Helm release of this name that was made by hand, for `up` to take over: `make
    adopt` writes it.
    """
