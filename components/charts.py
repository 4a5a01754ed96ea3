"""The two Helm charts: where they come from and which values they know.

No chart of KubeRay up to 1.7.0 has a values schema, so Helm drops a misspelt key in silence. The tables here hold what the templates
and values.yaml of a chart version read; tests/conformance checks them against the official charts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from components.spelling import did_you_mean

#: What a chart reads: a map of known keys, ANY for anything below, or {EACH: …} for a map whose keys the user chooses.
Keys = Mapping[str, Any]
ANY: Final = None
EACH: Final = "<name>"


@dataclass(frozen=True)
class ChartSource:
    """How a Helm release names its chart."""

    chart: str
    version: str | None
    repository: str | None


def chart_source(chart: str, *, version: str, repository: str, project_folder: Path) -> ChartSource:
    """The chart in a Helm repository, in an OCI registry, or in a local folder that holds ``<chart>/`` or ``<chart>-<version>.tgz``."""
    if repository.startswith("oci://"):
        return ChartSource(f"{repository.rstrip('/')}/{chart}", version, None)
    if "://" in repository:
        return ChartSource(chart, version, repository)
    folder = project_folder / repository
    packaged = folder / f"{chart}-{version}.tgz"
    return ChartSource(str(packaged if packaged.exists() else folder / chart), version, None)


def _keys(names: str) -> dict[str, Any]:
    return dict.fromkeys(names.split(), ANY)


_IMAGE: Keys = _keys("repository tag pullPolicy")

_POD: Keys = {
    **_keys(
        """affinity annotations args command containerEnv dnsConfig envFrom initArgs initContainers labels lifecycle nodeSelector
        podSecurityContext ports priority priorityClassName rayStartParams resources restartPolicy securityContext serviceAccountName
        sidecarContainers tolerations topologySpreadConstraints volumeMounts volumes"""
    ),
    "image": _IMAGE,
}
_GROUP: Keys = {**_POD, **_keys("disabled maxReplicas minReplicas numOfHosts replicas")}

_RAY_CLUSTER_1_3_0: Keys = {
    **_keys("annotations fullnameOverride imagePullSecrets nameOverride"),
    "image": _IMAGE,
    "common": _keys("containerEnv"),
    "head": {**_POD, **_keys("autoscalerOptions enableInTreeAutoscaling headService rayVersion")},
    "worker": {**_GROUP, **_keys("groupName")},
    "additionalWorkerGroups": {EACH: _GROUP},
    "service": _keys("type"),
}

_OPERATOR_1_3_0: Keys = {
    # `operatorComand` is how this version of the chart spells it.
    **_keys(
        """affinity annotations crNamespacedRbacEnable env featureGates fullnameOverride imagePullSecrets labels leaderElectionEnabled
        nameOverride nodeSelector operatorComand podSecurityContext rbacEnable resources securityContext singleNamespaceInstall
        tolerations useKubernetesProxy watchNamespace"""
    ),
    "image": _IMAGE,
    "batchScheduler": _keys("enabled name"),
    "livenessProbe": _keys("failureThreshold initialDelaySeconds periodSeconds"),
    "readinessProbe": _keys("failureThreshold initialDelaySeconds periodSeconds"),
    "logging": _keys("baseDir fileEncoder fileName sizeLimit stdoutEncoder"),
    "service": _keys("port type"),
    "serviceAccount": _keys("create name"),
}

#: Known keys by chart and version.
CHART_KEYS: Mapping[str, Mapping[str, Keys]] = {
    "kuberay-operator": {"1.3.0": _OPERATOR_1_3_0},
    "ray-cluster": {"1.3.0": _RAY_CLUSTER_1_3_0},
}


def unknown_keys(values: Mapping[str, Any], known: Keys, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every key in ``values`` that the chart does not read: its path, and what is wrong with it."""
    for key, value in values.items():
        here = (*path, str(key))
        if EACH in known:
            below: Keys | None = known[EACH]
        elif key in known:
            below = known[key]
        else:
            allowed = ", ".join(sorted(known))
            yield here, f"is not a value that the chart knows{did_you_mean(str(key), known)}; it knows: {allowed}"
            continue
        if below is None:  # ANY
            continue
        if isinstance(value, Mapping):
            yield from unknown_keys(value, below, here)  # pyright: ignore[reportUnknownArgumentType]
        else:
            yield here, f"must be a map with keys of: {', '.join(sorted(below))}"
