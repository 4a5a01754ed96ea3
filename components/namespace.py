"""The namespace that everything lives in."""

from importlib.metadata import version

import pulumi

from components.settings.stack import StackSettings


class Namespace(pulumi.ComponentResource):
    """Makes the namespace, or stands for one that exists (``createNamespace: false``)."""

    name: pulumi.Output[str]

    def __init__(self, settings: StackSettings, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("kuberay:components:Namespace", settings.namespace, None, opts)
        self.name = pulumi.Output.from_input(settings.namespace)
        if settings.create_namespace:
            # By its token: importing pulumi_kubernetes.core.v1 for the typed class costs every preview 0.25 s, and the provider takes
            # no apiextensions.CustomResource of the core group. The version is that of the other resources: else a second provider runs.
            namespace = pulumi.CustomResource(
                "kubernetes:core/v1:Namespace",
                settings.namespace,
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": settings.namespace}},
                pulumi.ResourceOptions(parent=self, version=version("pulumi-kubernetes")),
            )
            self.name = pulumi.Output.all(settings.namespace, namespace.urn).apply(lambda made: str(made[0]))
        self.register_outputs({"name": self.name})
