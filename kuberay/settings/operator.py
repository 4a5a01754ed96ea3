"""Settings of the KubeRay operator."""

from kuberay.settings.adoption import AdoptedRelease
from kuberay.settings.base import Cpu, Memory
from kuberay.settings.overrides import ChartOverrides


class OperatorSettings(ChartOverrides):
    """The KubeRay operator."""

    chart = "kuberay-operator"

    install: bool = True
    """Whether this stack installs the operator; `false` uses the one that the cluster
    has.
    """
    cpu: Cpu = "100m"
    """CPU limit of the operator's pod."""
    memory: Memory = "512Mi"
    """Memory limit of the operator's pod; about 500 MB for 500 Ray pods."""
    single_namespace_install: bool = False
    """Whether the operator watches, and has rights in, this stack's namespace alone;
    `false`: all namespaces.
    """
    adopted: AdoptedRelease | None = None
    """The Helm release `kuberay-operator` that was made by hand, for `up` to take over:
    `make adopt` writes it.
    """
