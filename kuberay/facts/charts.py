"""The two Helm charts and the values that they know.

No chart of KubeRay up to 1.7.0 has a values schema, so Helm drops a misspelt key in
silence. The tables here hold what the templates and values.yaml of each chart version
read, as the first version and what later ones changed; tests/conformance checks them
against the official charts.
"""

import copy
import functools
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from kuberay.facts.objects import value_at
from kuberay.facts.versions import KubeRayVersion, at_least

Chart = Literal["kuberay-operator", "ray-cluster"]
CHARTS: Final[tuple[Chart, ...]] = typing.get_args(Chart)
#: Pulumi's type of a Helm release.
RELEASE: Final = "kubernetes:helm.sh/v3:Release"
#: What a stack calls the Helm release of its operator.
OPERATOR_RELEASE: Final = "kuberay-operator"
#: Helm values of a chart.
Values = dict[str, Any]

#: The chart of this program that writes a RayCluster as its values have it: from the
#: program's folder, in which Pulumi and its plugins run.
RESOURCE_CHART: Final = "./components/resources/raycluster"

#: What a chart reads: a map of known keys, ANY for anything below, or {EACH: …} for a
#: map whose keys the user chooses.
Keys = Mapping[str, Any]
ANY: Final = None
EACH: Final = "<name>"
#: In a change: a key that the chart no longer reads.
GONE: Final = "gone"


def full_name(release: str, values: Mapping[str, Any], default: str) -> str:
    """What KubeRay's charts call what they make, by the release's name and overrides
    (`fullname` in their `_helpers.tpl`, which cuts it at 63). ``default``: their name
    where no value has one.
    """
    if values.get("fullnameOverride"):
        return str(values["fullnameOverride"])
    name = str(values.get("nameOverride") or default)
    return release if name in release else f"{release}-{name}"


def _keys(names: str) -> dict[str, Any]:
    return dict.fromkeys(names.split(), ANY)


_IMAGE: Keys = _keys("repository tag pullPolicy")

_POD: Keys = {
    **_keys(
        """affinity annotations args command containerEnv dnsConfig envFrom initArgs initContainers labels
        lifecycle nodeSelector podSecurityContext ports priority priorityClassName rayStartParams resources
        restartPolicy securityContext serviceAccountName sidecarContainers tolerations volumeMounts volumes"""
    ),
    "image": _IMAGE,
}
_GROUP: Keys = {**_POD, **_keys("disabled maxReplicas minReplicas numOfHosts replicas")}
_SPREAD = _keys("topologySpreadConstraints")
_POD_1_6 = _keys("resourceClaims runtimeClassName")

#: Known keys by chart: those of the first version, and what each later one changed.
_HISTORY: Mapping[Chart, Mapping[str, Keys]] = {
    "ray-cluster": {
        "1.3.0": {
            **_keys("annotations fullnameOverride imagePullSecrets nameOverride"),
            "image": _IMAGE,
            "common": _keys("containerEnv"),
            "head": {**_POD, **_keys("autoscalerOptions enableInTreeAutoscaling headService rayVersion")},
            "worker": {**_GROUP, **_keys("groupName")},
            # Charts up to 1.3 leave the default group's constraints out, and write the
            # head's as a map only, which Kubernetes refuses.
            "additionalWorkerGroups": {EACH: {**_GROUP, **_SPREAD}},
            "service": _keys("type"),
        },
        "1.4.0": {"head": _SPREAD, "worker": _SPREAD},
        "1.5.0": {
            "gcsFaultTolerance": _keys(
                "enabled externalStorageNamespace redisAddress redisPassword redisUsername"
            )
        },
        "1.6.0": {"head": _POD_1_6, "worker": _POD_1_6, "additionalWorkerGroups": {EACH: _POD_1_6}},
    },
    "kuberay-operator": {
        "1.3.0": {
            # `operatorComand` is how this version of the chart spells it.
            **_keys(
                """affinity annotations crNamespacedRbacEnable env featureGates fullnameOverride
                imagePullSecrets labels leaderElectionEnabled nameOverride nodeSelector operatorComand
                podSecurityContext rbacEnable resources securityContext singleNamespaceInstall tolerations
                useKubernetesProxy watchNamespace"""
            ),
            "image": _IMAGE,
            "batchScheduler": _keys("enabled name"),
            "livenessProbe": _keys("failureThreshold initialDelaySeconds periodSeconds"),
            "readinessProbe": _keys("failureThreshold initialDelaySeconds periodSeconds"),
            "logging": _keys("baseDir fileEncoder fileName sizeLimit stdoutEncoder"),
            "service": _keys("port type"),
            "serviceAccount": _keys("create name"),
        },
        "1.4.0": {
            **_keys("componentOverride operatorCommand"),
            "operatorComand": GONE,
            "metrics": {
                **_keys("enabled"),
                "serviceMonitor": _keys("enabled honorLabels interval namespace selector"),
            },
        },
        "1.5.0": {
            **_keys("priorityClassName reconcileConcurrency"),
            "configuration": _keys("defaultContainerEnvs enabled"),
            "kubeClient": _keys("burst qps"),
        },
        "1.5.1": _keys("replicas"),
        "1.6.0": {"configuration": _keys("headSidecarContainers workerSidecarContainers")},
        "1.7.0": {
            "configuration": _keys("defaultPodAnnotations defaultPodLabels"),
            "metrics": {"serviceMonitor": {"selector": GONE, "additionalLabels": ANY}},
        },
    },
}

#: Keys of the `kuberay-operator` chart that a version gave another name: the version,
#: where the key is, its name before and since. The other chart has had none.
_RENAMED: tuple[tuple[str, tuple[str, ...], str, str], ...] = (
    ("1.4.0", (), "operatorComand", "operatorCommand"),
    ("1.7.0", ("metrics", "serviceMonitor"), "selector", "additionalLabels"),
)

#: The operator's feature gates: the version that brought each, and the one that took it
#: away. The operator ends at once over any other.
_FEATURE_GATES: Mapping[str, tuple[str, str | None]] = {
    "RayClusterStatusConditions": ("1.3.0", None),
    "RayJobDeletionPolicy": ("1.3.0", None),
    "RayMultiHostIndexing": ("1.5.0", None),
    "RayServiceIncrementalUpgrade": ("1.5.0", None),
    "RayCronJob": ("1.6.0", None),
    "AsyncJobInfoQuery": ("1.6.0", "1.7.0"),
    "SidecarSubmitterRestart": ("1.7.0", None),
    "RayClusterNetworkPolicy": ("1.7.0", None),
    "GCSFaultToleranceEmbeddedStorage": ("1.7.0", None),
    "RayClusterMTLS": ("1.7.0", None),
    "RayClusterHistoryServer": ("1.7.0", None),
    "KubernetesWAS": ("1.7.0", None),
}


@functools.cache
def chart_keys(chart: Chart, version: str) -> Keys:
    """The keys that a version of a chart knows."""
    known: dict[str, Any] = {}
    for since, changes in _HISTORY[chart].items():
        if at_least(version, since):
            known = _apply(known, changes)
    return known


def _apply(known: Keys, changes: Keys) -> dict[str, Any]:
    changed = dict(known)
    for key, change in changes.items():
        if change is GONE:
            del changed[key]
        else:
            changed[key] = change if change is ANY else _apply(changed.get(key, {}), change)
    return changed


def versions_that_know(chart: Chart, path: tuple[str, ...]) -> list[str]:
    """The versions of KubeRay whose chart reads this key."""
    return [
        version for version in typing.get_args(KubeRayVersion) if _knows(chart_keys(chart, version), path)
    ]


def _knows(known: Keys | None, path: tuple[str, ...]) -> bool:
    for key in path:
        if known is None or (key not in known and EACH not in known):
            return False
        known = known.get(key, known.get(EACH))
    return True


def key_paths(known: Keys, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every known key, the maps that hold others left out."""
    for key, below in known.items():
        if below is ANY:
            yield (*above, key)
        else:
            yield from key_paths(below, (*above, key))


def feature_gates(version: str) -> list[str]:
    """The feature gates that a version of the operator knows."""
    return [
        gate
        for gate, (since, until) in _FEATURE_GATES.items()
        if at_least(version, since) and (until is None or not at_least(version, until))
    ]


def chart_labels(chart: Chart, version: str, release: str) -> dict[str, str]:
    """The labels that a chart of KubeRay's writes on whatever it makes
    (`ray-cluster.labels`, 1.3.0 to 1.7.0).
    """
    return {
        "helm.sh/chart": f"{chart}-{version}",
        "app.kubernetes.io/instance": release,
        "app.kubernetes.io/managed-by": "Helm",
    }


def knows_not(values: Mapping[str, Any], known: Keys) -> list[str]:
    """The keys of values that the chart version does not read and that have something
    below them, as in ``head.rayLabels``.
    """
    unread: list[str] = []
    for key, value in values.items():
        if key not in known and EACH not in known:
            unread += [key] if value not in (None, {}, []) else []
        elif isinstance(below := known.get(key, known.get(EACH)), Mapping) and isinstance(value, Mapping):
            unread += [f"{key}.{found}" for found in knows_not(value, below)]  # pyright: ignore[reportUnknownArgumentType]
    return unread


def only_known(values: Mapping[str, Any], known: Keys) -> dict[str, Any]:
    """The values without those that the chart version does not read: one set of values
    serves every version.
    """
    return {
        key: (
            only_known(value, known[key])
            if isinstance(known[key], Mapping) and EACH not in known[key]
            else value
        )
        for key, value in values.items()
        if key in known
    }


def in_this_version(version: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Raw values of the `kuberay-operator` chart with each key that was ever renamed as
    this version calls it.
    """
    renamed = copy.deepcopy(dict(values))
    for since, path, before, after in _RENAMED:
        other, name = (before, after) if at_least(version, since) else (after, before)
        level = value_at(renamed, path)
        if isinstance(level, dict) and other in level and name not in level:
            level[name] = level.pop(other)
    return renamed
