"""Where the Helm charts come from."""

from dataclasses import dataclass, field
from pathlib import Path

from kuberay.facts.addresses import Login, split_login


@dataclass(frozen=True)
class Charts:
    """Which of KubeRay's charts a stack takes: both are of one version and come from
    one place.
    """

    version: str
    """KubeRay's version, of the operator and its CRDs too."""
    repository: str
    """A Helm repository, an OCI registry or a local folder, which is relative to the
    project's.
    """


@dataclass(frozen=True)
class ChartSource:
    """How a Helm release names its chart."""

    chart: str
    version: str | None
    repository: str | None
    login: Login | None = field(default=None, repr=False)
    """Apart from the repository's address, which is shown."""


def chart_source(chart: str, *, version: str, repository: str, project_folder: Path) -> ChartSource:
    """The chart in a Helm repository, in an OCI registry, or in a local folder that
    holds ``<chart>/`` or ``<chart>-<version>.tgz``.
    """
    if repository.startswith("oci://"):
        return ChartSource(f"{repository.rstrip('/')}/{chart}", version, None)
    if "://" in repository:
        return ChartSource(chart, version, *split_login(repository))
    folder = project_folder / repository
    packaged = folder / f"{chart}-{version}.tgz"
    return ChartSource(str(packaged if packaged.exists() else folder / chart), version, None)
