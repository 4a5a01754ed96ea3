"""Kubernetes clients for the cluster that the stack's own provider uses."""

import os
from pathlib import Path

import pulumi
import yaml
from httpx2 import Timeout
from lightkube import AsyncClient, Client, KubeConfig
from lightkube.config.kubeconfig import SingleConfig

#: Names this program as the writer in `managedFields`.
FIELD_MANAGER = "pulumi-kuberay"


def connect(namespace: str, *, timeout: float = 10) -> AsyncClient:
    """Connects as the default Kubernetes provider does: stack config, else ``KUBECONFIG``, ``~/.kube/config``, the pod's own account.

    ``timeout``: of each request, in seconds.
    """
    return AsyncClient(config=_config(), namespace=namespace, field_manager=FIELD_MANAGER, timeout=Timeout(timeout))


def connect_blocking(namespace: str, *, timeout: float = 10) -> Client:
    """The same outside of an event loop."""
    return Client(config=_config(), namespace=namespace, field_manager=FIELD_MANAGER, timeout=Timeout(timeout))


def _config() -> SingleConfig | None:
    config = pulumi.Config("kubernetes")
    return kube_config(config.get("kubeconfig"), config.get("context"))


def kube_config(kubeconfig: str | None, context: str | None) -> SingleConfig | None:
    """What a stack's config says of the cluster, completed as the provider completes it."""
    kubeconfig = kubeconfig or os.environ.get("KUBECONFIG", "")
    loaded = _read(kubeconfig) if kubeconfig else KubeConfig.from_env()
    return loaded.get(context_name=context)


def _read(kubeconfig: str) -> KubeConfig:
    # The provider takes either a path or the content itself.
    if "\n" not in kubeconfig and not kubeconfig.lstrip().startswith("{"):
        return KubeConfig.from_file(Path(kubeconfig).expanduser())
    return KubeConfig.from_dict(yaml.safe_load(kubeconfig))
