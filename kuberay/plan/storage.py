"""Storage that outlives pods: the claims of a stack, and where groups see
them. Pure.
"""

from dataclasses import dataclass

from kuberay.facts.objects import Manifest, manifest
from kuberay.settings.cluster import GroupSettings
from kuberay.settings.stack import StackSettings


@dataclass(frozen=True)
class ClaimPlan:
    """One PersistentVolumeClaim."""

    name: str
    manifest: Manifest
    keep: bool
    """Whether it stays in the cluster when it leaves the stack."""


def plan_claims(settings: StackSettings) -> tuple[ClaimPlan, ...]:
    """The claims of a stack."""
    return tuple(
        ClaimPlan(
            name,
            manifest(
                "v1",
                "PersistentVolumeClaim",
                name,
                settings.namespace,
                {
                    "accessModes": [claim.access_mode],
                    "resources": {"requests": {"storage": claim.size}},
                    **({"storageClassName": claim.storage_class} if claim.storage_class else {}),
                },
            ),
            claim.keep,
        )
        for name, claim in settings.storage.items()
    )


def claim_volumes(group: GroupSettings) -> list[Manifest]:
    """The volumes of the pods of a group, one for each claim that it sees."""
    return [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in group.storage]


def claim_mounts(group: GroupSettings) -> list[Manifest]:
    """Where the Ray container of a group sees them."""
    return [{"name": name, "mountPath": folder} for name, folder in group.storage.items()]
