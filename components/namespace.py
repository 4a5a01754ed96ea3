"""The namespace that everything lives in."""

import pulumi

from components.kubernetes_object import KubernetesObject
from components.settings.stack import StackSettings


class Namespace(pulumi.ComponentResource):
    """Makes the namespace, or stands for one that exists (``createNamespace: false``)."""

    name: pulumi.Output[str]

    def __init__(self, settings: StackSettings, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("kuberay:components:Namespace", settings.namespace, None, opts)
        self.name = pulumi.Output.from_input(settings.namespace)
        if settings.create_namespace:
            manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": settings.namespace}}
            namespace = KubernetesObject(settings.namespace, manifest, pulumi.ResourceOptions(parent=self))
            self.name = pulumi.Output.all(settings.namespace, namespace.urn).apply(lambda made: str(made[0]))
        self.register_outputs({"name": self.name})
