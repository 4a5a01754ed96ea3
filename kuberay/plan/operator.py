"""The operator as a stack asks for it: the values of the ``kuberay-operator`` chart."""

from dataclasses import dataclass

from kuberay.facts.chart_source import Charts
from kuberay.facts.charts import (
    OPERATOR_RELEASE,
    Values,
    chart_keys,
    feature_gates,
    full_name,
    in_this_version,
    only_known,
)
from kuberay.facts.digests import fingerprint
from kuberay.plan.feature_gates import needed_gates
from kuberay.plan.quoting import write_out_tag
from kuberay.settings.operator import OperatorSettings
from kuberay.settings.overrides import merge
from kuberay.settings.stack import StackSettings

#: Feature gates of the operator that `up` relies on.
_GATES_ON = ("RayClusterStatusConditions",)


@dataclass(frozen=True)
class OperatorPlan:
    """KubeRay's operator: its Helm values, and what they mean."""

    settings: OperatorSettings
    """Their ``install`` says whether the stack installs the operator or uses one that
    the cluster has.
    """
    namespace: str
    charts: Charts
    timeout: int
    """How long `up` waits until it runs, in seconds."""
    values: Values
    fingerprint: str
    """Changes with anything that the operator's release renders."""

    @property
    def deployment(self) -> str:
        """Name of its Deployment, as the chart makes it of the release's and
        overrides.
        """
        return full_name(OPERATOR_RELEASE, self.values, "kuberay-operator")[:63].removesuffix("-")

    @property
    def watched(self) -> list[str]:
        """The namespaces that it works on; ``*`` for all."""
        of_install = self.namespace if self.values.get("singleNamespaceInstall") else "*"
        return list(self.values.get("watchNamespace") or [of_install])


def plan_operator(settings: StackSettings) -> OperatorPlan:
    """The operator of a stack."""
    values = operator_values(settings)
    return OperatorPlan(
        settings=settings.operator,
        namespace=settings.namespace,
        charts=settings.charts,
        timeout=settings.timeout_seconds,
        values=values,
        fingerprint=fingerprint(settings.kuberay_version, values),
    )


def operator_values(settings: StackSettings) -> Values:
    """Values of the ``kuberay-operator`` chart."""
    operator, version, needed = settings.operator, settings.kuberay_version, needed_gates(settings)
    probe = {"initialDelaySeconds": 10, "periodSeconds": 5, "failureThreshold": 5}
    values: Values = {
        "nameOverride": "kuberay-operator",
        "fullnameOverride": "kuberay-operator",
        "componentOverride": "kuberay-operator",
        "image": {
            "repository": "quay.io/kuberay/operator",
            "tag": f"v{version}",
            "pullPolicy": "IfNotPresent",
        },
        "imagePullSecrets": [{"name": name} for name in settings.image_pull_secrets],
        "serviceAccount": {"create": True, "name": "kuberay-operator"},
        "service": {"type": "ClusterIP", "port": 8080},
        "replicas": 1,
        "resources": {"limits": {"cpu": operator.cpu, "memory": operator.memory}},
        "livenessProbe": probe,
        "readinessProbe": probe,
        "podSecurityContext": {},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "logging": {"stdoutEncoder": "json", "fileEncoder": "json"},
        "batchScheduler": {"enabled": False, "name": ""},
        "configuration": {"enabled": False},
        "leaderElectionEnabled": True,
        "reconcileConcurrency": 1,
        "kubeClient": {"qps": 100.0, "burst": 200},
        "metrics": {"enabled": True, "serviceMonitor": {"enabled": False}},
        "rbacEnable": True,
        "crNamespacedRbacEnable": True,
        "singleNamespaceInstall": operator.single_namespace_install,
        # Every gate is said, for later versions turn more of them on: with
        # RayMultiHostIndexing (on since 1.6) the operator would make the pods of
        # running multi-host groups a second time, as these lack its labels. A list:
        # whoever overrides it replaces it whole.
        "featureGates": [
            {"name": gate, "enabled": gate in _GATES_ON or gate in needed} for gate in feature_gates(version)
        ],
    }
    known = chart_keys("kuberay-operator", version)
    merged = merge(only_known(values, known), in_this_version(version, operator.values))
    write_out_tag(merged)
    return merged
