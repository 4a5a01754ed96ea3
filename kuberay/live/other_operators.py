"""Operators of KubeRay that others have installed in a cluster.

All share its CRDs, and each works on the RayClusters of the namespaces that it watches.
"""

from collections.abc import Iterable, Iterator

from httpx2 import HTTPError
from lightkube import AsyncClient
from lightkube.resources.apps_v1 import Deployment

from kuberay.facts.charts import OPERATOR_RELEASE
from kuberay.facts.objects import Object
from kuberay.live.api.client import code_of, connect, find_all
from kuberay.live.api.connection import Connection
from kuberay.live.inventory import watches
from kuberay.plan.operator import OperatorPlan

_NAME, _COMPONENT = "app.kubernetes.io/name", "app.kubernetes.io/component"
#: As KubeRay's chart names its Deployment, and as its Kustomize base does.
_NAMES = (OPERATOR_RELEASE, "kuberay")
_USE_IT = "use it (operator.install: false)"


class OtherOperatorError(Exception):
    """An operator cannot come in beside another one; the message says what to do, in
    one line.
    """


async def operator_deployments(client: AsyncClient) -> list[Object]:
    """The Deployments of all operators that carry the labels of KubeRay's chart or of
    its Kustomize base.

    Raises:
        HTTPError: with code 403, this account may not list them.
    """
    found = await find_all(client, Deployment, namespace="*", labels={_NAME: _NAMES})
    return list(filter(_is_operator, found))


async def refuse_beside_others(connection: Connection, operator: OperatorPlan, *, timeout: float) -> None:
    """Before a stack's first operator comes into a cluster. ``timeout``: of a request,
    in seconds.

    Raises:
        OtherOperatorError: one runs there already, and one of the two would be in the
            other's way. Where this account may not look, nothing is refused.
    """
    async with connect(connection, operator.namespace, timeout=timeout, patience=0) as client:
        try:
            deployments = await operator_deployments(client)
        except HTTPError as error:
            if code_of(error) != 403:
                raise
            return
    if why := next(_refusals(deployments, operator), None):
        raise OtherOperatorError(why)


def _refusals(deployments: Iterable[Object], operator: OperatorPlan) -> Iterator[str]:
    version = operator.charts.version
    for deployment in deployments:
        metadata, template = deployment["metadata"], deployment["spec"]["template"]
        if metadata["namespace"] == operator.namespace or not deployment["spec"].get("replicas", 1):
            continue
        theirs = _version(template)
        there = f"KubeRay's operator{f' {theirs}' if theirs else ''} in namespace {metadata['namespace']}"
        if theirs and theirs != version:
            yield (
                f"kuberay:kuberayVersion: {there} needs the CRDs of its own version, which the whole cluster"
                f" shares, and {version} would bring others: set kuberayVersion to {theirs}, or {_USE_IT}"
            )
        elif watches(template, operator.namespace):
            yield (
                f"kuberay:operator: {there} works on namespace {operator.namespace} already, and two would"
                f" work against one another: {_USE_IT}"
            )
        elif operator.watched == ["*"]:
            yield (
                f"kuberay:operator: it would work on namespace {metadata['namespace']} too, where {there}"
                " does: set operator.singleNamespaceInstall to true"
            )


def _is_operator(deployment: Object) -> bool:
    """Not another program of KubeRay, such as its own API server."""
    own = deployment["metadata"]["labels"]
    of_pods = deployment["spec"]["template"].get("metadata", {}).get("labels") or {}
    return own[_NAME] == OPERATOR_RELEASE or of_pods.get(_COMPONENT) == OPERATOR_RELEASE


def _version(template: Object) -> str | None:
    """Of the operator's own image, ``quay.io/kuberay/operator:v1.3.0``."""
    images = [str(container.get("image") or "") for container in template["spec"]["containers"]]
    name, _, tag = images[0].partition("@")[0].rpartition(":")
    return tag.removeprefix("v") if name.endswith("/operator") and tag[:1] == "v" else None
