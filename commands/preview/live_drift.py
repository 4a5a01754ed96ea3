"""The cluster that a stack lies in, where it can be reached: whether it answers, and
what Helm's releases have become. Changes nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from commands.preview.meaning.drift import drift_of, is_namespaced, without_additions
from commands.preview.meaning.report import Drift
from kuberay.facts.objects import Object
from kuberay.facts.phrases import error_line
from kuberay.live.api.client import ApiError, HTTPError, refusal
from kuberay.live.api.connection import Connection
from kuberay.live.inventory import Cluster

#: A preview is not to wait long for a cluster that it can do without.
_SECONDS = 3


class ClusterError(Exception):
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
    try:
        for release in releases:
            for obj in _installed(cluster, str(release["namespace"]), str(release["name"])):
                live = cluster.get(obj)
                applied = cluster.as_applied(obj) if live else obj
                if live and with_additions:
                    applied = without_additions(applied, obj)
                found = drift_of(applied, live, release.get("values"))
                if found:
                    yield found
    except ApiError as error:
        raise ClusterError(f"the API server refuses: {refusal(error)}") from None
    except HTTPError as error:
        raise ClusterError(str(error) or type(error).__name__) from None


def _installed(cluster: Cluster, namespace: str, release: str) -> Iterator[Object]:
    """What the newest revision that is deployed consists of. Charts leave it to Helm to
    say in which namespace.
    """
    records = [record for record in cluster.records(namespace, release) if record.status == "deployed"]
    for obj in max(records, key=lambda record: record.revision).objects if records else []:
        place = {"namespace": namespace} if is_namespaced(obj) else {}
        yield {**obj, "metadata": {**obj["metadata"], **place}}
