"""What `up` waits for. Pure."""

from dataclasses import dataclass, replace

from kuberay.facts.labels import HEAD_GROUP
from kuberay.facts.objects import Object, has_condition
from kuberay.plan.cluster import ClusterPlan
from kuberay.plan.pods import PodGroup
from kuberay.plan.workload_clusters import WorkloadPlan
from kuberay.settings.overrides import QUEUE_TIMEOUT, ResourceOverrides


@dataclass(frozen=True)
class GroupTarget:
    """The pods of one group, as they are to be."""

    namespace: str
    release: str
    cluster: str
    group: str
    """Value of the pods' label ``ray.io/group``."""
    at_least: int
    at_most: int | None
    """None with autoscaling: KubeRay then leaves it to the autoscaler to remove pods.
    """
    fingerprint: str | None
    """What its pods carry; None where they ran before the stack took the release over,
    and carry none.
    """
    replace_old: bool
    """Whether pods that run another template are to be replaced (upgradeStrategy
    Recreate).
    """
    all_groups: frozenset[str] | None
    """For the head: every group of the cluster. KubeRay 1.3 forgets the pods of a group
    that was taken away.
    """
    timeout: float
    """In seconds."""
    queue_timeout: float = QUEUE_TIMEOUT
    """How long Kueue may hold the cluster back before, in seconds."""

    @property
    def is_head(self) -> bool:
        """Whether it also speaks for what the groups of a cluster have in common."""
        return self.all_groups is not None

    @property
    def wanted(self) -> str:
        return f"at least {self.at_least}" if self.at_most is None else str(self.at_least)

    def satisfied_by(self, pods: int) -> bool:
        return self.at_least <= pods and (self.at_most is None or pods <= self.at_most)


def group_target(plan: ClusterPlan, group: PodGroup) -> GroupTarget:
    """The pods of a group of one of the stack's own clusters, as its settings ask for
    them.
    """
    cluster = plan.settings
    queue_timeout = cluster.queue_timeout if isinstance(cluster, ResourceOverrides) else QUEUE_TIMEOUT
    return GroupTarget(
        namespace=plan.namespace,
        release=plan.release,
        cluster=plan.name,
        group=HEAD_GROUP if group.is_head else group.name,
        at_least=group.at_least,
        # KubeRay takes all pods of a suspended group, whatever an autoscaler asks for.
        at_most=None if plan.settings.autoscaling and group.at_most and not group.is_head else group.at_most,
        fingerprint=group.annotation,
        replace_old=not plan.keeps_old_pods,
        all_groups=frozenset([HEAD_GROUP, *(g.name for g in plan.groups[1:])]) if group.is_head else None,
        timeout=plan.timeout,
        queue_timeout=queue_timeout,
    )


def as_asked(target: GroupTarget, cluster: Object | None) -> GroupTarget:
    """With autoscaling, the number that is wanted now is `replicas` of the live
    RayCluster: the stack's at first, the autoscaler's later.
    """
    specs = cluster["spec"].get("workerGroupSpecs") or [] if cluster and target.at_most is None else []
    for group in specs:
        if group["groupName"] == target.group:
            hosts = int(group.get("numOfHosts") or 1)
            return replace(target, at_least=max(target.at_least, int(group.get("replicas") or 0) * hosts))
    return target


def stays_suspended(cluster: Object) -> bool:
    """Whether the operator keeps a RayCluster suspended of which nobody asks that any
    more: it goes on where the spec says `suspend: false`, and not where it says nothing
    (`calculateStatus`, 1.3.0 to 1.6.2).
    """
    return cluster["spec"].get("suspend") is None and (
        has_condition(cluster, "RayClusterSuspending") or has_condition(cluster, "RayClusterSuspended")
    )


def suspended(target: GroupTarget, cluster: Object | None) -> str | None:
    """What to say of a RayCluster that is suspended, where the settings ask for its
    pods; None where it is not.
    """
    if not cluster:
        return None
    if stays_suspended(cluster):
        return "the RayCluster is suspended, which no setting asks for any more; `pulumi up` ends that"
    if not cluster["spec"].get("suspend"):
        return None
    goes_on = (
        f"kubectl patch raycluster {target.cluster} --namespace {target.namespace} --type merge"
        """ --patch '{"spec": {"suspend": false}}'"""
    )
    return (
        f"the RayCluster is suspended, which no setting asks for; `{goes_on}` ends that, or, where a run was"
        " killed, `pulumi up --refresh`"
    )


@dataclass(frozen=True)
class WorkloadTarget:
    """A RayJob that is to succeed, or a RayService that is to serve."""

    namespace: str
    name: str
    timeout: float
    """In seconds."""
    queue_timeout: float = QUEUE_TIMEOUT
    """How long Kueue may hold it back before, in seconds."""


def workload_target(plan: WorkloadPlan) -> WorkloadTarget:
    """A job or a service, as its settings ask for it."""
    return WorkloadTarget(plan.namespace, plan.name, plan.timeout, plan.settings.queue_timeout)
