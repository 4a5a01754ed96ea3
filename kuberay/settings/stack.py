"""The settings of a stack: all of `kuberay:…` in Pulumi.<stack>.yaml."""

import os
from collections.abc import Iterable
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from kuberay.facts.addresses import split_login
from kuberay.facts.chart_source import Charts
from kuberay.facts.phrases import did_you_mean
from kuberay.settings.base import (
    Accelerator,
    AnyKubeRayVersion,
    ImageReference,
    Name,
    NodeArchitecture,
    PullPolicy,
    PythonVersion,
    RayVersion,
    Settings,
    of_its_keys,
)
from kuberay.settings.cluster import ClusterSettings
from kuberay.settings.kubernetes import AuthToken
from kuberay.settings.metrics import MetricsSettings
from kuberay.settings.operator import OperatorSettings
from kuberay.settings.overrides import project_folder
from kuberay.settings.prices import PriceSettings
from kuberay.settings.protection import LimitRangeSettings, ProtectionSettings, QuotaSettings
from kuberay.settings.storage import ClaimSettings
from kuberay.settings.workloads import JobSettings, ServiceSettings

#: The Pulumi project, and so the namespace of all keys.
PROJECT = "kuberay"
#: They stay in Secrets and in a login of Helm's: no message about a pod or a RayCluster
#: quotes them.
_KEPT_APART = (f"{PROJECT}:authToken", f"{PROJECT}:chartRepository")


class StackSettings(Settings):
    """The configuration of a stack, keys `kuberay:…` in Pulumi.<stack>.yaml."""

    namespace: Name = "kuberay"
    """Namespace of the operator and the Ray clusters."""
    create_namespace: bool = True
    """Whether this stack makes the namespace; `false` uses one that exists."""
    kuberay_version: AnyKubeRayVersion = "1.3.0"
    """Version of KubeRay: of its operator, its CRDs and both charts. A later 1.x.y is
    taken too, after a look at its charts.
    """
    chart_repository: str = "https://ray-project.github.io/kuberay-helm/"
    """Where the charts come from: a Helm repository (https://…), an OCI registry
    (oci://…) or a local folder. A repository that asks for a login has it in its
    address, encrypted: `pulumi config set --secret kuberay:chartRepository
    https://user:password@…`.
    """
    architecture: NodeArchitecture = "x86"
    """Architecture of the Ray pods: `x86` (also `amd64`) or `aarch64` (also `arm64`):
    picks the image and pins the pods to such nodes.
    """
    ray_version: RayVersion = "2.46.0"
    """Ray version of the images, such as `2.46.0`."""
    python_version: PythonVersion = "3.10"
    """Python version of the images, in quotes: `"3.10"`."""
    accelerator: Accelerator | None = None
    """Image flavour: `cpu`, `gpu` or a CUDA version such as `cu124`; none is the plain
    image.
    """
    image: ImageReference | None = None
    """Own image: with a tag it is used as it is; without one (`registry.example/ray`)
    the tag follows the other settings.
    """
    image_pull_policy: PullPolicy = "IfNotPresent"
    """When nodes pull the Ray image."""
    image_pull_secrets: list[Name] = []
    """Secrets in the namespace that hold registry credentials."""
    timeout_seconds: Annotated[int, Field(ge=10, le=86_400)] = 900
    """How long `up` waits for the operator and for each Ray cluster, job and service,
    in seconds.
    """
    operator: OperatorSettings = of_its_keys()
    """The KubeRay operator."""
    clusters: dict[Name, ClusterSettings] = of_its_keys({"raycluster": {}})
    """The Ray clusters by release name."""
    jobs: dict[Name, JobSettings] = {}
    """The jobs by name."""
    services: dict[Name, ServiceSettings] = {}
    """The services by name."""
    protection: ProtectionSettings = of_its_keys()
    """Who reaches Ray, and what its pods may do."""
    auth_token: AuthToken | None = None
    """Own token for token authentication, 32 characters or more: `pulumi config set
    --secret kuberay:authToken`. Without it, each cluster is given a random one that
    stays.
    """
    quota: QuotaSettings = of_its_keys()
    """The most that all pods of the namespace may take together."""
    limit_range: LimitRangeSettings = of_its_keys()
    """What a single container of the namespace may take."""
    storage: dict[Name, ClaimSettings] = {}
    """Claims for pods of any cluster, job or service of the stack, by name; a group
    names those that it sees in its own `storage`.
    """
    metrics: MetricsSettings = of_its_keys()
    """What Prometheus is told to scrape."""
    prices: PriceSettings = of_its_keys()
    """What nodes cost, for the report of `make preview`."""

    @property
    def charts(self) -> Charts:
        """Which charts the operator and the clusters are made of."""
        return Charts(self.kuberay_version, self.chart_repository)

    @field_validator("chart_repository")
    @classmethod
    def _reachable_kind(cls, repository: str, info: ValidationInfo) -> str:
        if "://" in repository:
            scheme = repository.partition("://")[0]
            if scheme not in ("https", "http", "oci"):
                raise ValueError(
                    "is neither https://…, oci://… nor a local folder"
                    + did_you_mean(scheme, ["https", "http", "oci"])
                )
            try:
                _, login = split_login(repository)
            except ValueError:
                why = (
                    "is not an address, such as https://charts.example/kuberay; in a login, / is written %2F"
                    " and @ %40"
                )
                raise ValueError(why) from None
            if login and scheme == "oci":
                raise ValueError(
                    "has a login, which Helm does not take of a registry: `helm registry login` keeps it on"
                    " the machine"
                )
        # `Path.is_dir` ends in an error, with the text in it, where no folder can be
        # called so.
        elif not os.path.isdir(project_folder(info) / repository):  # noqa: PTH112
            raise ValueError("is neither https://…, oci://… nor a folder that exists")
        return repository


def may_be_quoted(encrypted: Iterable[str]) -> bool:
    """Whether what Kubernetes says of an object may quote a setting that is encrypted.

    ``encrypted``: the keys of the stack's config that are.
    """
    return any(key.startswith(f"{PROJECT}:") and key not in _KEPT_APART for key in encrypted)
