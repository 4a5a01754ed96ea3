"""The namespace that everything lives in, and what holds for all pods in it."""

from collections.abc import Sequence

import pulumi

from components.resources.kubernetes_object import BY_FORCE, KubernetesObject, in_namespace, of_this_stack
from kuberay.plan.namespace import NamespacePlan


class Namespace(pulumi.ComponentResource):
    """Makes the namespace, or stands for one that exists (``createNamespace: false``);
    its quota, limits and NetworkPolicy.
    """

    name: pulumi.Output[str]
    """Known when all of it is in place, so before any pod."""

    def __init__(self, plan: NamespacePlan, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("kuberay:components:Namespace", plan.name, None, opts)
        made: list[pulumi.Resource] = []
        if plan.manifest:
            # Others may have put something into it, and `pulumi destroy` runs no
            # program that could look: it leaves the namespace, and the next `up` takes
            # it over by its mark (components/resources/recovery.py). `make destroy`
            # looks, and deletes an empty one.
            kept = pulumi.ResourceOptions(parent=self, retain_on_delete=True)
            made.append(KubernetesObject(plan.name, plan.manifest, kept))
        name = _when_made(plan.name, made)
        child = pulumi.ResourceOptions(parent=self)
        if plan.account:
            # By force: each run has a name of its own as an owner of fields.
            account = in_namespace(plan.account, name, annotations=BY_FORCE)
            made.append(KubernetesObject(f"{plan.name}.default-account", account, child, is_patch=True))
        made += [
            KubernetesObject(f"{plan.name}.{rule['kind']}", of_this_stack(rule, name), child)
            for rule in plan.rules
        ]
        # Of this component too, so that what it was told to wait for is there where it
        # makes nothing.
        self.name = _when_made(plan.name, [self, *made])
        self.register_outputs({"name": self.name})


def _when_made(name: str, resources: Sequence[pulumi.Resource]) -> pulumi.Output[str]:
    return pulumi.Output.all(name, *(resource.urn for resource in resources)).apply(lambda made: str(made[0]))
