"""What `up` waits for. Pure; readiness.py and workload_readiness.py do the waiting."""

from collections.abc import Callable
from dataclasses import dataclass

#: KubeRay's labels on Ray pods.
CLUSTER_LABEL = "ray.io/cluster"
GROUP_LABEL = "ray.io/group"
#: What the label of a head's pod says.
HEAD_GROUP = "headgroup"

#: Takes a line of progress.
Report = Callable[[str], None]


@dataclass(frozen=True)
class DeploymentWait:
    """A Deployment that is to be rolled out."""

    namespace: str
    name: str
    timeout: float
    """In seconds."""


@dataclass(frozen=True)
class GroupWait:
    """The pods of one group, as they are to be."""

    namespace: str
    release: str
    cluster: str
    group: str
    """Value of the pods' label ``ray.io/group``."""
    at_least: int
    at_most: int | None
    """None with autoscaling: KubeRay then leaves it to the autoscaler to remove pods."""
    fingerprint: str
    replace_old: bool
    """Whether pods that run another template are to be replaced (upgradeStrategy Recreate)."""
    all_groups: frozenset[str] | None
    """For the head: every group of the cluster. KubeRay 1.3 forgets the pods of a group that was taken away."""
    timeout: float
    """In seconds."""

    @property
    def wanted(self) -> str:
        return f"at least {self.at_least}" if self.at_most is None else str(self.at_least)

    def satisfied_by(self, pods: int) -> bool:
        return self.at_least <= pods and (self.at_most is None or pods <= self.at_most)


@dataclass(frozen=True)
class WorkloadWait:
    """A RayJob that is to succeed, or a RayService that is to serve."""

    namespace: str
    name: str
    timeout: float
    """In seconds."""
