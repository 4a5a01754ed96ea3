"""Lets a run go on after one that was killed: whatever that one was making is taken
over, and what is someone else's is left alone.

The looks at the cluster are in hooks, so only `up` takes them, and only of what it is
about to make or change.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pulumi

from components.resources.hooks import error_text, resource_hook
from components.resources.kubernetes_object import BY_FORCE
from components.resources.providers import connection_of, known, provider_of_options
from kuberay.facts.charts import RELEASE
from kuberay.facts.labels import STACK_MARK
from kuberay.facts.phrases import TAKES_OVER
from kuberay.facts.visible import log_line, log_lines
from kuberay.live.takeover.marks import marked_values
from kuberay.plan.stack import Adopted

if TYPE_CHECKING:
    from kuberay.live.takeover.actions import Run


def recover_from_killed_runs(timeout: float, adopted: Mapping[str, Adopted] = MappingProxyType({})) -> None:
    """From here on everything that the stack makes carries its mark and is looked at
    before it is made.

    Args:
        timeout: how long what is still being deleted is waited for, in seconds.
        adopted: the Helm releases made by hand that the stack takes over, by release.
    """
    stack = f"{pulumi.get_project()}/{pulumi.get_stack()}"
    looks_at = cache(partial(_looks, stack, timeout, adopted))

    def mark(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        is_release = args.type_ == RELEASE
        if is_release:
            # Values that hold something encrypted are a secret as a whole
            # (components/cluster.py).
            values: Any = args.props.get("values") or {}
            is_secret, marked = isinstance(values, pulumi.Output), partial(marked_values, stack=stack)
            props = {**args.props, "values": values.apply(marked) if is_secret else marked(values)}
        elif args.type_.startswith("kubernetes:") and not args.type_.endswith("Patch"):
            props = {**args.props, "metadata": _marked(args.props["metadata"], stack)}
        else:
            return None
        at = looks_at(provider_of_options(args.opts))
        is_adopted = is_release and args.props["name"] in adopted
        hooks = at.at_adopted if is_adopted else at.at_release if is_release else at.at_object
        opts = pulumi.ResourceOptions.merge(pulumi.ResourceOptions(hooks=hooks), args.opts)
        return pulumi.ResourceTransformationResult(props, opts)

    pulumi.runtime.register_stack_transformation(mark)


@dataclass(frozen=True)
class _Looks:
    """The hooks that look at the cluster of one provider."""

    at_object: pulumi.ResourceHookBinding
    at_release: pulumi.ResourceHookBinding
    at_adopted: pulumi.ResourceHookBinding
    """At a release that was made by hand."""


def _looks(
    stack: str, timeout: float, adopted: Mapping[str, Adopted], provider: pulumi.ProviderResource | None
) -> _Looks:
    connection = connection_of(provider)

    async def this_run() -> "Run":
        from kuberay.live.takeover.actions import Run

        def report(text: str) -> None:
            pulumi.log.info(log_line(text), ephemeral=True)

        return Run(await known(connection), stack, timeout, report, adopted)

    async def make_object(args: pulumi.ResourceHookArgs) -> None:
        from kuberay.live.takeover.actions import take_over_object

        await take_over_object(await this_run(), await resolve_outputs(args.new_inputs or {}))

    async def install(args: pulumi.ResourceHookArgs) -> None:
        from kuberay.live.takeover.actions import take_over_install

        await take_over_install(await this_run(), await resolve_outputs(args.new_inputs or {}))

    async def adopt(args: pulumi.ResourceHookArgs) -> None:
        from kuberay.live.takeover.actions import look_at_adopted
        from kuberay.live.takeover.rules import RecoveryError

        is_preview, inputs = pulumi.runtime.is_dry_run(), await resolve_outputs(args.new_inputs or {})
        try:
            revision = await look_at_adopted(await this_run(), inputs)
        except RecoveryError:
            raise
        except Exception as error:
            if not is_preview:
                raise
            # A preview has to work without access to the cluster.
            what = f"whether Helm release {args.name} can be taken over could not be asked"
            pulumi.log.warn(log_lines(f"{what}: {error_text(error)}"))
            return
        if revision is not None:
            pulumi.log.info(
                log_line(f"{TAKES_OVER}{args.name}, revision {revision}, as it runs: no pod restarts")
            )

    async def upgrade(args: pulumi.ResourceHookArgs) -> None:
        from kuberay.live.takeover.actions import take_over_upgrade

        await take_over_upgrade(await this_run(), await resolve_outputs(args.new_inputs or {}))

    # The engine refuses a second hook of a name.
    of = f".{provider.pulumi_resource_name}" if provider else ""
    before_install = resource_hook(f"recovery.before-install{of}", install)
    before_upgrade = resource_hook(f"recovery.before-upgrade{of}", upgrade)
    in_previews_too = pulumi.ResourceHookOptions(on_dry_run=True)
    before_adoption = (
        [resource_hook(f"recovery.before-adoption{of}", adopt, in_previews_too)] if adopted else []
    )
    return _Looks(
        pulumi.ResourceHookBinding(before_create=[resource_hook(f"recovery.before-object{of}", make_object)]),
        pulumi.ResourceHookBinding(before_create=[before_install], before_update=[before_upgrade]),
        pulumi.ResourceHookBinding(
            before_create=[*before_adoption, before_install], before_update=[before_upgrade]
        ),
    )


def _marked(metadata: Any, stack: str) -> dict[str, Any]:
    # The provider applies each run's objects under a name of that run's own: the fields
    # of a killed one have to be taken over by force.
    ours = {STACK_MARK: stack, **BY_FORCE}
    return {**metadata, "annotations": {**(metadata.get("annotations") or {}), **ours}}


async def resolve_outputs(inputs: Any) -> Any:
    """Inputs as they are: the SDK hands a hook an Output of whatever has a secret
    anywhere below it.
    """
    if isinstance(inputs, pulumi.Output):
        return await resolve_outputs(await inputs.future())
    if isinstance(inputs, Mapping):
        return {key: await resolve_outputs(below) for key, below in inputs.items()}
    if isinstance(inputs, list):
        return [await resolve_outputs(below) for below in inputs]
    return inputs
