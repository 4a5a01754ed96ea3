"""A Kubernetes client for the cluster that the stack's provider uses: only ever made while `up` changes something."""

import os
from pathlib import Path

import pulumi
import yaml
from lightkube import AsyncClient, KubeConfig

#: Names this program as the writer in `managedFields`.
FIELD_MANAGER = "pulumi-kuberay"


def connect(namespace: str) -> AsyncClient:
    """Connects as the default Kubernetes provider does: stack config, else ``KUBECONFIG``, ``~/.kube/config``, the pod's own account."""
    config = pulumi.Config("kubernetes")
    context = config.get("context")
    kubeconfig = config.get("kubeconfig") or os.environ.get("KUBECONFIG", "")
    loaded = _read(kubeconfig) if kubeconfig else KubeConfig.from_env()
    return AsyncClient(config=loaded.get(context_name=context), namespace=namespace, field_manager=FIELD_MANAGER)


def _read(kubeconfig: str) -> KubeConfig:
    # The provider takes either a path or the content itself.
    if "\n" not in kubeconfig and not kubeconfig.lstrip().startswith("{"):
        return KubeConfig.from_file(Path(kubeconfig).expanduser())
    return KubeConfig.from_dict(yaml.safe_load(kubeconfig))
