"""Whether KubeRay's operator would bring pods in the place of those that go: it runs,
is the one that acts, and its account may make pods where the stack lies.
"""

import time

from httpx2 import HTTPError
from lightkube import AsyncClient
from lightkube.models.authorization_v1 import ResourceAttributes, SubjectAccessReviewSpec
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.authorization_v1 import SubjectAccessReview
from lightkube.resources.coordination_v1 import Lease
from lightkube.resources.core_v1 import Pod, ServiceAccount

from kuberay.facts.charts import OPERATOR_RELEASE
from kuberay.facts.objects import Object
from kuberay.facts.phrases import Report
from kuberay.live.api.client import code_of, connect, find, find_all
from kuberay.live.api.connection import Connection
from kuberay.live.diagnosis.pods import is_going, to_the_second
from kuberay.live.inventory import flag_of, watches
from kuberay.live.other_operators import operator_deployments
from kuberay.live.takeover.rules import is_gone
from kuberay.live.wait_loop import Look, every, wait
from kuberay.plan.operator import OperatorPlan

#: What the operator does first for any RayCluster.
_NEEDS = (("watch", "ray.io", "rayclusters"), ("create", "", "pods"))
_LOOK_AGAIN = 2.0
#: How long a refusal has to last, in seconds: the API server knows a right that came
#: with the operator's release a moment later.
_SETTLES = 4.0
#: What the operator that acts holds (`LeaderElectionID`, KubeRay 1.3.0 to 1.7.0).
_LEASE = "ray-operator-leader"
#: What Go's flags take for false.
_OFF = ("0", "f", "false")
#: How long an operator may take to get the lease of the one before it, in seconds: that
#: one's runs out after 15.
_GETS_THE_LEASE = 30.0


async def wait_for_an_operator(
    connection: Connection, operator: OperatorPlan, namespace: str, report: Report
) -> None:
    """Ends when an operator would make pods for the RayClusters of a namespace, or when
    that cannot be known: others have installed it and no Deployment of it is to be
    seen, or this account may not ask.

    ``operator``: of the stack, or one that the cluster has; ``namespace``: of the
    RayClusters; ``report``: takes each new line of progress.

    Raises:
        NotUpError: with the cause, at once where it would never make any.
    """
    async with connect(connection, namespace, patience=0) as client:
        began = time.monotonic()

        async def look() -> Look:
            passed = time.monotonic() - began
            seen = await _look(
                client,
                operator,
                namespace,
                is_installed=operator.settings.install,
                has_to_lead=passed < _GETS_THE_LEASE,
            )
            return Look(progress=seen.failed) if seen.failed and passed < _SETTLES else seen

        await wait(
            look,
            what="the operator",
            so_far="does not run",
            timeout=operator.timeout,
            report=report,
            pause=every(_LOOK_AGAIN, at_first=0.1),
        )


async def why_no_pods_would_come(
    connection: Connection, operator: OperatorPlan, namespace: str
) -> str | None:
    """Why no operator would make pods there now, as a preview says it."""
    async with connect(connection, namespace, timeout=3, patience=0) as client:
        # The same run may install it.
        seen = await _look(client, operator, namespace, is_installed=False)
    return seen.failed or seen.progress or None


async def _look(
    client: AsyncClient,
    operator: OperatorPlan,
    namespace: str,
    *,
    is_installed: bool,
    has_to_lead: bool = False,
) -> Look:
    """``is_installed``: the stack has installed it, so it has to be there."""
    try:
        deployments = await _find(client, operator)
        if is_installed and not deployments:
            missing = _named(operator.deployment, operator.namespace)
            return Look(failed=f"{missing}: {is_gone('Deployment', OPERATOR_RELEASE)}")
        looks = [await _look_at(client, found, namespace, has_to_lead=has_to_lead) for found in deployments]
    except HTTPError as error:
        if code_of(error) not in (403, 404):
            raise
        looks = []
    # Where there are several, one is enough, or one that is still to come.
    by_hope = sorted(looks, key=lambda look: (not look.up, look.failed is not None))
    return next(iter(by_hope), Look(up=True))


async def _find(client: AsyncClient, operator: OperatorPlan) -> list[Object]:
    if operator.settings.install:
        found = await find(client, Deployment, operator.deployment, operator.namespace)
        return [found] if found else []
    return await operator_deployments(client)


def _named(name: str, namespace: str) -> str:
    return f"Deployment {name} in namespace {namespace}"


async def _look_at(client: AsyncClient, deployment: Object, namespace: str, *, has_to_lead: bool) -> Look:
    metadata, spec = deployment["metadata"], deployment["spec"]
    named = _named(metadata["name"], metadata["namespace"])
    no_pods = f"KubeRay's operator, {named}, would make no pods here: its"
    if not watches(spec["template"], namespace):
        return Look(failed=f"{no_pods} --watch-namespace leaves out namespace {namespace}")
    if not spec.get("replicas", 1):
        return Look(failed=f"KubeRay's operator does not run: {named} is scaled to 0")
    account = spec["template"]["spec"].get("serviceAccountName") or "default"
    accounts = "system:serviceaccount"
    user = f"{accounts}:{metadata['namespace']}:{account}"
    groups = [f"{accounts}s", f"{accounts}s:{metadata['namespace']}", "system:authenticated"]
    for verb, group, resource in _NEEDS:
        to_do = ResourceAttributes(namespace=namespace, verb=verb, group=group, resource=resource)
        asked = SubjectAccessReviewSpec(groups=groups, user=user, resourceAttributes=to_do)
        review = await client.create(SubjectAccessReview(spec=asked))
        if review.status is not None and not review.status.allowed:
            may_not = f"may not {verb} {resource} in namespace {namespace}"
            return Look(failed=f"{no_pods} service account {account} {may_not}")
    # A deleted one may by its bindings all that it might, and nobody lets its pods in.
    if await find(client, ServiceAccount, account, metadata["namespace"]) is None:
        return Look(failed=f"{no_pods} service account {account} is gone")
    # After its rights: one without them ends again and again, and never gets the lease.
    if not (deployment.get("status") or {}).get("availableReplicas"):
        return Look(progress=f"KubeRay's operator does not run: {named} has no pod that is available")
    if has_to_lead and not await _leads(client, deployment):
        return Look(progress=f"KubeRay's operator, {named}, waits for the lease of the one before it")
    return Look(up=True)


async def _leads(client: AsyncClient, deployment: Object) -> bool:
    """Whether one of its pods has got the lease, without which an operator does
    nothing: no RayCluster is looked at, and none refused. Also where that cannot be
    known.
    """
    namespace = deployment["metadata"]["namespace"]
    labels = deployment["spec"]["selector"].get("matchLabels")
    if flag_of(deployment["spec"]["template"], "enable-leader-election").lower() in _OFF:
        # It acts at once, whatever lease one before it has left.
        return True
    try:
        lease = await find(client, Lease, _LEASE, namespace)
        if lease is None:
            return True
        pods = await find_all(client, Pod, namespace=namespace, labels=labels)
    except HTTPError as error:
        if code_of(error) != 403:
            raise
        return True
    acquired = to_the_second((lease.get("spec") or {}).get("acquireTime"))
    started = [to_the_second(at) for pod in pods if not is_going(pod) for at in _starts(pod)]
    return not started or not acquired or acquired >= min(started)


def _starts(pod: Object) -> list[str]:
    """When its containers that run were started."""
    statuses: list[Object] = pod["status"].get("containerStatuses") or []
    running = [(status.get("state") or {}).get("running") or {} for status in statuses]
    return [str(each["startedAt"]) for each in running if each.get("startedAt")]
