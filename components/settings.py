"""What a stack can be told: the one place where every setting is declared.

The settings reference (docs/settings.md), the editor schema (docs/stack.schema.json), the ``config`` block of Pulumi.yaml
and every error message are made from these types. Nothing here touches Pulumi or Kubernetes.
"""

import re
import typing
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel

from components.images import ARCHITECTURE_ALIASES, Architecture
from components.quantities import parse_quantity
from components.spelling import did_you_mean

#: Ray refuses an object store under 78,643,200 bytes and takes 30 % of the pod's memory for it, so less than this never starts.
SMALLEST_RAY_MEMORY = Decimal(262_144_000)

_ARCHITECTURES = (*typing.get_args(Architecture), *ARCHITECTURE_ALIASES)


class Settings(BaseModel):
    """Keys are camelCase as in Helm values and Kubernetes objects; unknown ones are refused."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, use_attribute_docstrings=True)


# --- Scalars ---------------------------------------------------------------------------------------------------------


def _number_as_text(value: object) -> object:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _check_cpu(cpu: str) -> str:
    cores = parse_quantity(cpu)
    if cores <= 0:
        raise ValueError("must be more than 0 cores")
    if cores > 1024:
        raise ValueError("is more cores than any node has; 1 is one core, 500m is half of one")
    return cpu


def _check_memory(memory: str) -> str:
    if 0 <= parse_quantity(memory) < 1_000_000:
        raise ValueError(f"is less than a megabyte; write the unit, such as {memory.rstrip('m')}G or {memory.rstrip('m')}Gi")
    return memory


def _check_ray_memory(memory: str) -> str:
    if parse_quantity(_check_memory(memory)) < SMALLEST_RAY_MEMORY:
        raise ValueError("is too small for Ray's object store (30 % of it, at least 78643200 bytes); Ray needs 250Mi, a head 2G")
    return memory


def _known_architecture(value: object) -> object:
    if value not in _ARCHITECTURES:
        raise ValueError(f"is not an architecture: x86 (or amd64, x86_64), aarch64 (or arm64){did_you_mean(str(value), _ARCHITECTURES)}")
    return ARCHITECTURE_ALIASES.get(str(value), value)


def _check_python_version(version: str) -> str:
    known = ("3.9", "3.10", "3.11", "3.12", "3.13")
    if version == "3.1":
        raise ValueError('is what YAML makes of an unquoted 3.10; write "3.10"')
    if version not in known:
        raise ValueError(f"is not a Python version that Ray has images for: {', '.join(known)}{did_you_mean(version, known)}")
    return version


def _check_name(name: str) -> str:
    if len(name) > 63 or re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name) is None:
        raise ValueError("is not a Kubernetes name: lower-case letters, digits and '-', a letter first, 63 characters at most")
    return name


def _env_var(value: object) -> object:
    if isinstance(value, bool) or value is None:
        raise ValueError(f'must be a string; quote it: "{"" if value is None else str(value).lower()}"')
    return {"value": str(value)} if isinstance(value, str | int | float) else value


def _ray_start_param(value: object) -> object:
    # KubeRay's CRD has a map of strings; `true` is how a flag without a value is written.
    return str(value).lower() if isinstance(value, bool) else _number_as_text(value)


Name = Annotated[str, AfterValidator(_check_name)]
Cpu = Annotated[str, BeforeValidator(_number_as_text, json_schema_input_type=str | int | float), AfterValidator(_check_cpu)]
Memory = Annotated[str, AfterValidator(_check_memory)]
RayMemory = Annotated[str, AfterValidator(_check_ray_memory)]
NodeArchitecture = Annotated[
    Architecture,
    BeforeValidator(_known_architecture, json_schema_input_type=Literal["x86", "aarch64", "x86_64", "amd64", "arm64"]),
]
RayVersion = Annotated[
    str, BeforeValidator(_number_as_text), Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+([.-]?[a-z0-9]+)?$", examples=["2.46.0"])
]
PythonVersion = Annotated[str, BeforeValidator(_number_as_text), AfterValidator(_check_python_version)]
Accelerator = Annotated[str, Field(pattern=r"^(cpu|gpu|cu[0-9]{3})$", examples=["cpu", "gpu", "cu124"])]
RayStartParam = Annotated[str, BeforeValidator(_ray_start_param, json_schema_input_type=str | int | float | bool)]
ImageReference = Annotated[
    str, Field(pattern=r"^[a-z0-9][A-Za-z0-9._/-]*(:[0-9]+/[A-Za-z0-9._/-]+)?(@sha256)?(:[A-Za-z0-9_.-]+)?$", max_length=500)
]

#: Flags of `ray start` (Ray 2.46 and later), as KubeRay passes them on. A flag it does not know ends Ray at once.
RAY_START_PARAMS = frozenset(
    """address autoscaling-config block cgroup-path dashboard-agent-grpc-port dashboard-agent-listen-port dashboard-grpc-port
    dashboard-host dashboard-port disable-usage-stats enable-resource-isolation gcs-server-port head include-dashboard
    include-log-monitor labels labels-file log-color log-style max-worker-port memory metrics-export-port min-worker-port
    no-monitor no-redirect-output node-ip-address node-manager-port node-name num-cpus num-gpus object-manager-port
    object-spilling-directory object-store-memory plasma-directory plasma-store-socket-name port proctitle
    ray-client-server-port ray-debugger-external raylet-socket-name redis-password redis-shard-ports redis-username
    resources runtime-env-agent-port storage system-config system-reserved-cpu system-reserved-memory temp-dir
    tracing-startup-hook verbose worker-port-list""".split()
)


# --- Kubernetes' own shapes --------------------------------------------------------------------------------------------


class EnvVarSource(Settings):
    """Where the value of an environment variable comes from (Kubernetes `EnvVarSource`)."""

    secret_key_ref: dict[str, Any] | None = None
    """A key of a Secret: `name` and `key`."""
    config_map_key_ref: dict[str, Any] | None = None
    """A key of a ConfigMap: `name` and `key`."""
    field_ref: dict[str, Any] | None = None
    """A field of the pod: `fieldPath`."""
    resource_field_ref: dict[str, Any] | None = None
    """A resource of the container: `resource`."""


class EnvVar(Settings):
    """The value of an environment variable: text, or where it comes from."""

    value: str | None = None
    """The text."""
    value_from: EnvVarSource | None = None
    """A Secret, ConfigMap or field that holds it."""

    @model_validator(mode="after")
    def _one_of_both(self) -> "EnvVar":
        if (self.value is None) == (self.value_from is None):
            raise ValueError("needs either value or valueFrom")
        return self


class Toleration(Settings):
    """A taint that the pods tolerate (Kubernetes `Toleration`)."""

    key: str | None = None
    """Key of the taint; none matches every taint."""
    operator: Literal["Equal", "Exists"] = "Equal"
    """How the taint's value is compared."""
    value: str | None = None
    """Value of the taint."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Effect of the taint; none matches every effect."""
    toleration_seconds: int | None = None
    """How long a NoExecute taint is tolerated, in seconds."""


class Volume(Settings):
    """A volume of the pods (Kubernetes `Volume`): a name and one source."""

    name: Name
    """What volumeMounts call it."""
    config_map: dict[str, Any] | None = None
    """Files from a ConfigMap."""
    csi: dict[str, Any] | None = None
    """An inline volume of a CSI driver."""
    downward_api: Annotated[dict[str, Any] | None, Field(alias="downwardAPI")] = None
    """Files from the pod's own fields."""
    empty_dir: dict[str, Any] | None = None
    """An empty folder that lives as long as the pod."""
    ephemeral: dict[str, Any] | None = None
    """A claim that lives as long as the pod."""
    host_path: dict[str, Any] | None = None
    """A folder of the node."""
    nfs: dict[str, Any] | None = None
    """An NFS share."""
    persistent_volume_claim: dict[str, Any] | None = None
    """A claim: `claimName`."""
    projected: dict[str, Any] | None = None
    """Several sources in one folder."""
    secret: dict[str, Any] | None = None
    """Files from a Secret: `secretName`."""

    @model_validator(mode="after")
    def _one_source(self) -> "Volume":
        if len(self.model_dump(exclude_none=True)) != 2:
            raise ValueError("needs a name and exactly one source, such as persistentVolumeClaim")
        return self


class VolumeMount(Settings):
    """Where a volume appears in the Ray container (Kubernetes `VolumeMount`)."""

    name: Name
    """Name of the volume."""
    mount_path: Annotated[str, Field(pattern="^/")]
    """Folder in the container."""
    sub_path: str | None = None
    """Folder in the volume."""
    read_only: bool | None = None
    """Whether Ray may not write to it."""


# --- The stack ----------------------------------------------------------------------------------------------------------


class ChartOverrides(Settings):
    """The way out: Helm values as the chart has them, merged last."""

    values_file: str | None = None
    """A YAML file of Helm values, relative to the project; merged over what the other settings make, below `values`."""
    values: Annotated[dict[str, Any], Field(validate_default=True)] = {}
    """Helm values as the chart has them, merged last. Keys that the chart does not know are refused."""

    @field_validator("values_file")
    @classmethod
    def _file_is_there(cls, name: str | None, info: ValidationInfo) -> str | None:
        if name is not None:
            _read_values(_project_folder(info) / name)
        return name

    @field_validator("values")
    @classmethod
    def _over_those_of_the_file(cls, values: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        name = info.data.get("values_file")
        return merge(_read_values(_project_folder(info) / name), values) if name else values


class OperatorSettings(ChartOverrides):
    """The KubeRay operator."""

    install: bool = True
    """Whether this stack installs the operator; `false` uses the one that the cluster has."""
    cpu: Cpu = "100m"
    """CPU limit of the operator's pod."""
    memory: Memory = "512Mi"
    """Memory limit of the operator's pod; about 500 MB for 500 Ray pods."""


class GroupSettings(Settings):
    """Pods of one shape: the head, or a group of workers."""

    cpu: Cpu = "1"
    """CPU limit of each pod, and its request unless cpuRequest is set."""
    memory: RayMemory = "2G"
    """Memory limit of each pod, and its request unless memoryRequest is set. `2G` (2,000,000,000 bytes) is not `2Gi`."""
    cpu_request: Cpu | None = None
    """CPU request, where it is to be less than the limit."""
    memory_request: Memory | None = None
    """Memory request, where it is to be less than the limit. Ray sizes itself by the limit."""
    architecture: NodeArchitecture | None = None
    """Architecture of these pods, where it is not the cluster's: `x86` or `aarch64`."""
    accelerator: Accelerator | None = None
    """Image flavour of these pods, where it is not the cluster's: `cpu`, `gpu` or `cu124`."""
    image: ImageReference | None = None
    """Image of these pods, where it is not the cluster's."""
    env: dict[str, Annotated[EnvVar, BeforeValidator(_env_var, json_schema_input_type=str | int | float | EnvVar)]] = {}
    """Environment variables of the Ray container: `NAME: text`, or `NAME: {valueFrom: …}`."""
    node_selector: dict[str, str] = {}
    """Labels that the pods' nodes must have. The architecture's label is added to them."""
    tolerations: list[Toleration] = []
    """Taints that the pods tolerate."""
    affinity: dict[str, Any] = {}
    """Kubernetes `Affinity` of the pods."""
    volumes: list[Volume] = []
    """Volumes of the pods, beside the one for Ray's logs."""
    volume_mounts: list[VolumeMount] = []
    """Where the Ray container sees the volumes."""
    service_account_name: Name | None = None
    """Service account of the pods; it must exist."""
    labels: dict[str, str] = {}
    """Labels of the pods."""
    annotations: dict[str, str] = {}
    """Annotations of the pods."""
    ray_start_params: dict[str, RayStartParam] = {}
    """Flags of `ray start`, without the dashes: `num-cpus: 0`."""

    @field_validator("ray_start_params")
    @classmethod
    def _known_flags(cls, params: dict[str, str]) -> dict[str, str]:
        for flag in params:
            if flag not in RAY_START_PARAMS:
                raise ValueError(f"has no flag {flag!r}: `ray start` does not know it{did_you_mean(flag, RAY_START_PARAMS)}")
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


class DefaultWorkerGroupSettings(WorkerGroupSettings):
    """The default worker group."""

    enabled: bool = True
    """`false` leaves the default group out."""
    group_name: Name = "workergroup"
    """Name of the group, as Ray and the pods' labels show it."""


class ClusterSettings(ChartOverrides):
    """A Ray cluster: one release of the `ray-cluster` chart."""

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
    upgrade_strategy: Literal["Recreate", "None"] = "Recreate"
    """What becomes of running pods when their template changes: `Recreate` replaces them, `None` keeps them as they are."""
    head: HeadSettings = HeadSettings()
    """The head pod."""
    worker: DefaultWorkerGroupSettings = DefaultWorkerGroupSettings()
    """The default worker group."""
    additional_worker_groups: dict[Name, WorkerGroupSettings] = {}
    """Further worker groups by name."""


class StackSettings(Settings):
    """The configuration of a stack, keys `kuberay:…` in Pulumi.<stack>.yaml."""

    namespace: Name = "kuberay"
    """Namespace of the operator and the Ray clusters."""
    create_namespace: bool = True
    """Whether this stack makes the namespace; `false` uses one that exists."""
    kuberay_version: Literal["1.3.0"] = "1.3.0"
    """Version of KubeRay: of its operator and of both charts."""
    chart_repository: str = "https://ray-project.github.io/kuberay-helm/"
    """Where the charts come from: a Helm repository (https://…), an OCI registry (oci://…) or a local folder."""
    architecture: NodeArchitecture = "x86"
    """Architecture of the Ray pods: `x86` (also `amd64`) or `aarch64` (also `arm64`): picks the image and pins the pods to such nodes."""
    ray_version: RayVersion = "2.46.0"
    """Ray version of the images, such as `2.46.0`."""
    python_version: PythonVersion = "3.10"
    """Python version of the images, in quotes: `"3.10"`."""
    accelerator: Accelerator | None = None
    """Image flavour: `cpu`, `gpu` or a CUDA version such as `cu124`; none is the plain image."""
    image: ImageReference | None = None
    """Own image: with a tag it is used as it is; without one (`registry.example/ray`) the tag follows the other settings."""
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    """When nodes pull the Ray image."""
    image_pull_secrets: list[Name] = []
    """Secrets in the namespace that hold registry credentials."""
    timeout_seconds: Annotated[int, Field(ge=10, le=86_400)] = 900
    """How long `up` waits for the operator, and for each Ray cluster, in seconds."""
    operator: OperatorSettings = OperatorSettings()
    """The KubeRay operator."""
    clusters: dict[Name, ClusterSettings] = {"raycluster": ClusterSettings()}
    """The Ray clusters by release name."""

    @field_validator("chart_repository")
    @classmethod
    def _reachable_kind(cls, repository: str, info: ValidationInfo) -> str:
        if "://" in repository:
            scheme = repository.partition("://")[0]
            if scheme not in ("https", "http", "oci"):
                raise ValueError("is neither https://…, oci://… nor a local folder" + did_you_mean(scheme, ["https", "http", "oci"]))
        elif not (_project_folder(info) / repository).is_dir():
            raise ValueError("is neither https://…, oci://… nor a folder that exists")
        return repository


# --- Values files ---------------------------------------------------------------------------------------------------------


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Helm's way: maps merge key by key, anything else replaces."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value  # pyright: ignore[reportUnknownArgumentType]
    return merged


def _project_folder(info: ValidationInfo) -> Path:
    return (info.context or {}).get("project_folder", Path())


def _read_values(path: Path) -> dict[str, Any]:
    try:
        content: Any = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise ValueError("is a file that does not exist") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError("is not a readable YAML file: " + " ".join(str(error).split())) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ValueError("is not a map of Helm values")
    return content  # pyright: ignore[reportUnknownVariableType]
