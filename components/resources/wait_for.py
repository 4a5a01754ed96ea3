"""A resource that stands for "it is up": of the operator, pods, a job, a service."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pulumi

from components.resources.hooks import SharedHook, error_text
from components.stack import told
from kuberay.facts.phrases import Report
from kuberay.facts.visible import log_line

Wait = Callable[[Report], Awaitable[None]]

_waiting = SharedHook("wait")


class WaitFor(pulumi.Stash):
    """Made when a wait has ended well, anew when what it waits for is replaced or its
    own trigger changes, else updated.

    The wait runs in a hook, so in `up` only and not in a preview. If it fails, so does
    this resource and not the target: the next `up` comes here again. Where nothing has
    changed, `up` looks all the same whether the target is still up.

    It is kept by Pulumi alone and is nothing in the cluster. A patch of the RayCluster
    would do as well, but the state holds all of a patched object, and on a file or
    object store Pulumi writes all of the state twice a step: the last of a hundred
    clusters took ten times as long as the first.
    """

    up: pulumi.Output[None]
    """Known when the target is up; in a preview, at once."""

    def __init__(
        self,
        name: str,
        shown: Mapping[str, Any],
        wait: Wait,
        target: pulumi.CustomResource,
        parent: pulumi.Resource,
        *,
        before_waiting: Callable[[], Awaitable[None]] | None = None,
        replacement_trigger: str | None = None,
        look_again: bool = True,
    ) -> None:
        """Waits for ``target``.

        Args:
            name: of this resource, unique in the stack.
            shown: what there is to see of the target in a preview: size, image,
                fingerprint. A change of it waits again.
            wait: ends when the target is up, or raises with the cause. Its argument
                takes progress.
            target: what brings up what is waited for.
            parent: the component that both are part of.
            before_waiting: what to do before the wait, where this resource is made or
                changes.
            replacement_trigger: replaces this resource when it changes.
            look_again: whether to wait too where nothing has changed.
        """
        self._waited = False

        async def until_up() -> None:
            await wait(lambda text: pulumi.log.info(log_line(told(text)), resource=parent, ephemeral=True))
            self._waited = True

        async def made_or_changed(_: object) -> None:
            if before_waiting:
                await before_waiting()
            await until_up()

        async def still_up(kept: list[Any]) -> None:
            if not look_again or self._waited:
                return
            if kept[0] != kept[1]:
                # What there is cannot be what the settings ask for, and to bring it
                # there is not what this run is for.
                why = "as this run leaves it as it was (--target or --exclude)"
                pulumi.log.warn(log_line(f"{name}: not looked at, {why}"), resource=parent)
                return
            try:
                await until_up()
            except Exception as error:
                raise pulumi.RunError(error_text(error)) from None

        hook = _waiting.of(name, made_or_changed)
        options = pulumi.ResourceOptions(
            parent=parent,
            depends_on=[target],
            hooks=pulumi.ResourceHookBinding(before_create=[hook], before_update=[hook]),
            replacement_trigger=replacement_trigger,
            replace_with=[target],
            delete_before_replace=True,
        )
        super().__init__(name, input=shown, opts=options)
        if pulumi.runtime.is_dry_run():
            self.up = self.urn.apply(lambda _: None)
        else:
            self.up = pulumi.Output.unsecret(pulumi.Output.all(self.input, shown, self.id)).apply(still_up)
