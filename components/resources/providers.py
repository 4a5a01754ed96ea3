"""Which cluster a resource lies in, by its Kubernetes provider: for whatever has to be
asked beside Pulumi.
"""

from collections.abc import Mapping

import pulumi

from components.stack import stack_connection
from kuberay.live.api.connection import Connection

#: A token of the provider's package: by the package of one the SDK finds a resource's
#: provider.
_KUBERNETES = "kubernetes:core/v1:Namespace"


def provider_of_component(component: pulumi.ComponentResource) -> pulumi.ProviderResource | None:
    """The Kubernetes provider of a component's children; None where that is the stack's
    default one.
    """
    return component.get_provider(_KUBERNETES)


def provider_of_options(opts: pulumi.ResourceOptions) -> pulumi.ProviderResource | None:
    """The Kubernetes provider of a resource that is about to be made with these
    options.

    The SDK finds it in the same order (`Resource._get_providers`), but only after
    transformations.
    """
    several = opts.providers.values() if isinstance(opts.providers, Mapping) else opts.providers or ()
    for provider in (opts.provider, *several):
        if provider and provider.package == "kubernetes":
            return provider
    return opts.parent.get_provider(_KUBERNETES) if opts.parent else None


def connection_of(provider: pulumi.ProviderResource | None) -> pulumi.Output[Connection]:
    """The cluster of a provider, or of the stack's default one.

    An explicit provider is read once it is made: its kubeconfig, context and cluster.
    In a preview they are unknown, so that nothing is asked then. A provider to which
    this program has a reference only, as a component has that is used from another
    language, never says them; it is refused, lest the default provider's cluster be
    asked instead.
    """
    if provider is None:
        return pulumi.Output.from_input(stack_connection())
    # A stack by itself has no such provider, and does not wait for the import.
    from pulumi_kubernetes import Provider

    if not isinstance(provider, Provider):
        what = "it has to be a pulumi_kubernetes.Provider that this program makes"
        raise pulumi.RunError(f"the cluster of the Kubernetes provider cannot be known: {what}")
    inputs = (provider.__dict__[name] for name in ("kubeconfig", "context", "cluster"))
    return pulumi.Output.all(*inputs).apply(lambda given: Connection(*(value or None for value in given)))


async def known(connection: pulumi.Output[Connection]) -> Connection:
    """The connection, in a hook."""
    found = await connection.future()
    if found is None:
        raise pulumi.RunError("the cluster is not known before its provider has been made")
    return found
