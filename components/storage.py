"""Storage that outlives pods: the stack's claims."""

from collections.abc import Sequence

import pulumi

from components.namespace import Namespace
from components.resources.kubernetes_object import NOT_WAITED_FOR, KubernetesObject, in_namespace
from kuberay.plan.storage import ClaimPlan


class Storage(pulumi.ComponentResource):
    """PersistentVolumeClaims. One that is to be kept leaves the state alone, and the
    next `up` that wants it takes it over by its mark.

    Nobody waits for their volumes here: many classes make one with the first pod only,
    and a pod without its volume says why it waits.
    """

    def __init__(
        self, claims: Sequence[ClaimPlan], namespace: Namespace, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("kuberay:components:Storage", "storage", None, opts)
        for claim in claims:
            placed = in_namespace(claim.manifest, namespace.name, annotations=NOT_WAITED_FOR)
            kept = pulumi.ResourceOptions(parent=self, retain_on_delete=claim.keep)
            KubernetesObject(f"{claim.name}.storage", placed, kept)
        self.register_outputs({})
