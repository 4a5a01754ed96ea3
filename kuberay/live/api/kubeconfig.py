"""Which cluster a stack lies in, found as client-go finds it: so this program asks the one that the stack's provider changes."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from lightkube import ConfigError, KubeConfig
from lightkube.config.kubeconfig import SingleConfig
from lightkube.config.models import NameValue, UserExec

from kuberay.live.api.connection import CLUSTER, Connection

#: How a plugin that gives credentials is asked, and answers.
_V1, _V1BETA1 = "client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"


def kube_config(connection: Connection) -> SingleConfig | None:
    """How to reach the cluster of a stack: what its config says, completed as the provider completes it.

    Raises:
        ConfigError: no cluster is named, or one that is not there.
    """
    context, cluster = connection.context, connection.cluster
    loaded = _load(connection.kubeconfig) if connection.kubeconfig else _load_files(context)
    try:
        found = loaded.get(context_name=context)
    except KeyError as missing:
        raise ConfigError(f"context '{context or loaded.current_context}' of the kubeconfig names {missing}, which is not there") from None
    if not cluster or not found:
        return found
    if cluster not in loaded.clusters:
        known = ", ".join(sorted(loaded.clusters)) or "none"
        raise ConfigError(f"{CLUSTER} is '{cluster}', which is not in the kubeconfig; there are: {known}")
    return found._replace(cluster=loaded.clusters[cluster])


def _load(kubeconfig: str) -> KubeConfig:
    # The provider takes either a path or the content itself.
    if "\n" in kubeconfig or kubeconfig.lstrip().startswith("{"):
        return _parse(kubeconfig)
    file = Path(kubeconfig).expanduser()
    if not file.is_file():
        raise ConfigError(f"Configuration file {kubeconfig} not found")
    return _parse(file.read_text(), file)


def _load_files(context: str | None) -> KubeConfig:
    """The files of ``KUBECONFIG``, else ``~/.kube/config``; the pod's own account only where they name no context.

    lightkube's own rules take the account first: beside a provider that takes the file, they would ask another cluster.
    """
    listed = os.environ.get("KUBECONFIG")
    files = [Path(file) for file in listed.split(os.pathsep) if file] if listed else [Path.home() / ".kube" / "config"]
    merged = _merge(files)
    if context or merged.current_context:
        return merged
    try:
        return KubeConfig.from_service_account()
    except (ConfigError, KeyError):  # Not in a pod, or in one without an account.
        looked = ", ".join(map(str, files))
        raise ConfigError(f"no current context in {looked}: set kubernetes:context of the stack, or KUBECONFIG") from None


def _merge(files: Iterable[Path]) -> KubeConfig:
    """One out of several: of each name, and of the current context, the first file that has it decides. Missing files have nothing."""
    merged = KubeConfig(clusters={}, contexts={}, users={})
    for file in files:
        try:
            found = _parse(file.read_text(), file)
        except FileNotFoundError:
            continue
        merged = KubeConfig(
            clusters=found.clusters | merged.clusters,
            contexts=found.contexts | merged.contexts,
            users=found.users | merged.users,
            current_context=merged.current_context or found.current_context,
        )
    return merged


def _parse(text: str, file: Path | None = None) -> KubeConfig:
    content: dict[str, Any] = yaml.safe_load(text) or {}
    # A file that others complete may lack any of them; `kubectl config unset` leaves an empty context.
    parts: dict[str, Any] = {part: content.get(part) or [] for part in ("clusters", "contexts", "users")}
    config = KubeConfig.from_dict({**parts, "current-context": content.get("current-context") or None}, fname=file)
    if file:
        # Relative paths are to the file that has them, also when it is merged with others.
        folder = file.absolute().parent
        for cluster in config.clusters.values():
            cluster.certificate_auth = _absolute(folder, cluster.certificate_auth)
        for user in config.users.values():
            user.client_cert, user.client_key = _absolute(folder, user.client_cert), _absolute(folder, user.client_key)
            user.token_file = _absolute(folder, user.token_file)
            if user.exec and os.sep in user.exec.command:  # Else it is looked up on the PATH.
                user.exec.command = str(folder / user.exec.command)
    for user in config.users.values():
        if user.exec:
            user.exec = _as_client_go_asks(user.exec)
    return config


def _as_client_go_asks(plugin: UserExec) -> UserExec:
    """The plugin as client-go asks it, by a variable that says in which version to answer.

    The two versions answer alike, but lightkube refuses the later by its name.
    """
    question = {"apiVersion": plugin.apiVersion, "kind": "ExecCredential", "spec": {"interactive": False}}
    return UserExec(
        apiVersion=_V1BETA1 if plugin.apiVersion == _V1 else plugin.apiVersion,
        command=plugin.command,
        args=plugin.args,
        env=[*(plugin.env or []), NameValue("KUBERNETES_EXEC_INFO", json.dumps(question))],
        installHint=plugin.installHint,
    )


def _absolute(folder: Path, path: str | None) -> str | None:
    return str(folder / path) if path else None
