"""Lets a run go on after one that was killed: whatever that one was making is taken over, and what is someone else's is left alone.

The looks at the cluster are in hooks, so only `up` takes them, and only of what it is about to make or change.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi

from components.resources.hooks import resource_hook
from components.resources.providers import connection_of, known, provider_of_options
from kuberay.facts.labels import STACK_MARK
from kuberay.live.takeover.marks import marked_values

if TYPE_CHECKING:
    from kuberay.live.takeover.actions import Run

_RELEASE = "kubernetes:helm.sh/v3:Release"


def recover_from_killed_runs(timeout: float) -> None:
    """From here on everything that the stack makes carries its mark and is looked at before it is made.

    ``timeout``: how long what is still being deleted is waited for, in seconds.
    """
    stack = f"{pulumi.get_project()}/{pulumi.get_stack()}"
    looks: dict[pulumi.ProviderResource | None, _Looks] = {None: _looks(stack, timeout, None)}

    def mark(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        is_release = args.type_ == _RELEASE
        if is_release:
            values: Any = args.props.get("values")
            # Values that hold something encrypted are a secret as a whole (components/cluster.py).
            is_secret = isinstance(values, pulumi.Output)
            marked = values.apply(lambda found: marked_values(found, stack)) if is_secret else marked_values(values or {}, stack)
            props = {**args.props, "values": marked}
        elif args.type_.startswith("kubernetes:") and not args.type_.endswith("Patch"):
            metadata: Any = args.props["metadata"]
            props = {**args.props, "metadata": _marked(metadata, stack)}
        else:
            return None
        provider = provider_of_options(args.opts)
        if provider not in looks:
            looks[provider] = _looks(stack, timeout, provider)
        hooks = looks[provider].at_release if is_release else looks[provider].at_object
        opts = pulumi.ResourceOptions.merge(pulumi.ResourceOptions(hooks=hooks), args.opts)
        return pulumi.ResourceTransformationResult(props, opts)

    pulumi.runtime.register_stack_transformation(mark)


@dataclass(frozen=True)
class _Looks:
    """The hooks that look at the cluster of one provider."""

    at_object: pulumi.ResourceHookBinding
    at_release: pulumi.ResourceHookBinding


def _looks(stack: str, timeout: float, provider: pulumi.ProviderResource | None) -> _Looks:
    connection = connection_of(provider)

    async def this_run() -> "Run":
        from kuberay.live.takeover.actions import Run

        def report(text: str) -> None:
            pulumi.log.info(text, ephemeral=True)

        return Run(await known(connection), stack, timeout, report)

    async def make_object(args: pulumi.ResourceHookArgs) -> None:
        from kuberay.live.takeover.actions import take_over_object

        await take_over_object(await this_run(), await resolve_outputs(args.new_inputs or {}))

    async def install(args: pulumi.ResourceHookArgs) -> None:
        from kuberay.live.takeover.actions import take_over_install

        await take_over_install(await this_run(), await resolve_outputs(args.new_inputs or {}))

    async def upgrade(args: pulumi.ResourceHookArgs) -> None:
        from kuberay.live.takeover.actions import take_over_upgrade

        await take_over_upgrade(await this_run(), await resolve_outputs(args.new_inputs or {}))

    # The engine refuses a second hook of a name.
    of = f".{provider.pulumi_resource_name}" if provider else ""
    return _Looks(
        pulumi.ResourceHookBinding(before_create=[resource_hook(f"recovery.before-object{of}", make_object)]),
        pulumi.ResourceHookBinding(
            before_create=[resource_hook(f"recovery.before-install{of}", install)],
            before_update=[resource_hook(f"recovery.before-upgrade{of}", upgrade)],
        ),
    )


def _marked(metadata: Mapping[str, Any], stack: str) -> dict[str, Any]:
    # The provider applies each run's objects under a name of that run's own: the fields of a killed one have to be taken over by force.
    ours = {STACK_MARK: stack, "pulumi.com/patchForce": "true"}
    return {**metadata, "annotations": {**(metadata.get("annotations") or {}), **ours}}


async def resolve_outputs(inputs: Any) -> Any:
    """Inputs as they are: the SDK hands a hook an Output of whatever has a secret anywhere below it."""
    if isinstance(inputs, pulumi.Output):
        return await resolve_outputs(await inputs.future())
    if isinstance(inputs, Mapping):
        return {key: await resolve_outputs(below) for key, below in inputs.items()}
    if isinstance(inputs, list):
        return [await resolve_outputs(below) for below in inputs]
    return inputs
