"""The cluster that a stack lies in, where it can be reached: whether it answers, what
Helm's releases have become, and what room there is. Changes nothing.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from commands.preview.meaning.drift import drift_of, is_namespaced, without_additions
from commands.preview.meaning.fit import Room
from commands.preview.meaning.report import Drift
from commands.stack.cli import StackError
from kuberay.facts.objects import Object
from kuberay.facts.phrases import error_line
from kuberay.live.api.client import ApiError, HTTPError, refusal
from kuberay.live.api.connection import Connection
from kuberay.live.inventory import Cluster

#: A preview is not to wait long for a cluster that it can do without.
_SECONDS = 3


class ClusterError(StackError):
    """The cluster cannot be asked; the message says why, in one line."""


def reach(connection: Connection) -> Cluster:
    """The cluster that the stack's provider uses.

    Raises:
        ClusterError: there is none in the kubeconfig, or it does not answer.
    """
    try:
        cluster = Cluster(connection, timeout=_SECONDS, patience=0)
        with suppress(ApiError):  # A refusal is an answer too.
            cluster.has_namespace("default")
    except Exception as error:
        raise ClusterError(error_line(error)) from None
    return cluster


def drift_of_releases(
    cluster: Cluster, releases: Iterable[Mapping[str, Any]], *, with_additions: bool = True
) -> Iterator[Drift]:
    """What of these releases, given by their inputs, is no longer as Helm installed it.
    ``with_additions``: also the fields that people have added, which Helm leaves alone.

    Raises:
        ClusterError: the account may not ask that.
    """
    with _asked():
        for release in releases:
            for obj in _installed(cluster, str(release["namespace"]), str(release["name"])):
                live = cluster.get(obj)
                applied = cluster.as_applied(obj) if live else obj
                if live and with_additions:
                    applied = without_additions(applied, obj)
                if found := drift_of(applied, live, release.get("values")):
                    yield found


def room_of(cluster: Cluster) -> Room | str:
    """Its nodes, the pods on them, and what node autoscalers say; or why the cluster
    could not be asked.
    """
    try:
        with _asked():
            # Beside the autoscaler, which can be in any namespace.
            status = cluster.list("v1", "ConfigMap", fields={"metadata.name": "cluster-autoscaler-status"})
            return Room(
                nodes=cluster.list("v1", "Node"),
                pods=cluster.list("v1", "Pod"),
                node_pools=cluster.list("karpenter.sh/v1", "NodePool"),
                autoscaler_status=str((status[0].get("data") or {}).get("status") or "") if status else None,
            )
    except ClusterError as error:
        return str(error)


@contextmanager
def _asked() -> Generator[None]:
    try:
        yield
    except ApiError as error:
        raise ClusterError(f"the API server refuses: {refusal(error)}") from None
    except HTTPError as error:
        raise ClusterError(error_line(error)) from None


def _installed(cluster: Cluster, namespace: str, release: str) -> Iterator[Object]:
    """What the newest revision that is deployed consists of. Charts leave it to Helm to
    say in which namespace.
    """
    records = [record for record in cluster.records(namespace, release) if record.status == "deployed"]
    for obj in max(records, key=lambda record: record.revision).objects if records else []:
        place = {"namespace": namespace} if is_namespaced(obj) else {}
        yield {**obj, "metadata": {**obj["metadata"], **place}}
