"""The namespace that everything lives in, and what holds for all pods in it."""

from collections.abc import Sequence

import pulumi

from components.resources.kubernetes_object import KubernetesObject, name_of_stack
from kuberay.plan.namespace import limit_range, network_policy, resource_quota
from kuberay.settings.stack import StackSettings


class Namespace(pulumi.ComponentResource):
    """Makes the namespace, or stands for one that exists (``createNamespace: false``); its quota, limits and NetworkPolicy."""

    name: pulumi.Output[str]
    """Known when all of it is in place, so before any pod."""

    def __init__(self, settings: StackSettings, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("kuberay:components:Namespace", settings.namespace, None, opts)
        name = pulumi.Output.from_input(settings.namespace)
        if settings.create_namespace:
            enforced = settings.protection.namespace_pod_security
            labels = {} if enforced == "privileged" else {"labels": {"pod-security.kubernetes.io/enforce": enforced}}
            manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": settings.namespace, **labels}}
            # Others may have put something into it, and `pulumi destroy` runs no program that could look: it leaves the namespace, and the
            # next `up` takes it over by its mark (components/resources/recovery.py). `make destroy` looks, and deletes an empty one.
            kept = pulumi.ResourceOptions(parent=self, retain_on_delete=True)
            namespace = KubernetesObject(settings.namespace, manifest, kept)
            name = _when_made(settings.namespace, [namespace])
        # Other stacks may share the namespace; each has its own, and they add up.
        rule_name = f"ray-{name_of_stack()}"
        rules = [resource_quota(settings, rule_name), limit_range(settings, rule_name)]
        if settings.protection.network_policy.enabled:
            rules.append(network_policy(settings, rule_name))
        made = [
            KubernetesObject(
                f"{settings.namespace}.{rule['kind']}",
                rule | {"metadata": {**rule["metadata"], "namespace": name}},
                pulumi.ResourceOptions(parent=self),
            )
            for rule in rules
            if rule
        ]
        self.name = pulumi.Output.all(name, _when_made(settings.namespace, made)).apply(lambda both: both[0]) if made else name
        self.register_outputs({"name": self.name})


def _when_made(name: str, resources: Sequence[pulumi.CustomResource]) -> pulumi.Output[str]:
    return pulumi.Output.all(name, *(resource.urn for resource in resources)).apply(lambda made: str(made[0]))
