"""Pulumi's resource hooks, whose failures are failures."""

import asyncio
from collections.abc import Awaitable, Callable
from weakref import WeakKeyDictionary

import pulumi

from components.stack import told
from kuberay.facts.phrases import Report, one_line
from kuberay.facts.visible import log_line, log_lines

Run = Callable[[pulumi.ResourceHookArgs], Awaitable[None]]


def resource_hook(
    name: str, run: Run, options: pulumi.ResourceHookOptions | None = None
) -> pulumi.ResourceHook:
    """A hook that never fails without a word."""
    return pulumi.ResourceHook(name, with_error_text(run), options)


def progress(resource: pulumi.Resource) -> Report:
    """Logs what a hook does, beside the resource that it is of."""
    return lambda text: pulumi.log.info(log_line(text), resource=resource)


class SharedHook:
    """One hook for all resources that need one of a kind: to register a hook is
    a request to the engine, and a preview runs none of them.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._runs: dict[str, Run] = {}
        self._hooks: WeakKeyDictionary[asyncio.AbstractEventLoop, pulumi.ResourceHook] = WeakKeyDictionary()

    def of(self, resource: str, run: Run) -> pulumi.ResourceHook:
        """The hook of this run of the program, by which ``resource`` runs ``run``."""
        self._runs[resource] = run
        loop = asyncio.get_event_loop()
        if loop not in self._hooks:
            self._hooks[loop] = resource_hook(self._name, self._run)
        return self._hooks[loop]

    async def _run(self, args: pulumi.ResourceHookArgs) -> None:
        await self._runs[args.name](args)


def with_error_text(run: Run) -> Run:
    """Pulumi's Python SDK passes the text of an error on, and the engine takes an empty
    one, which a request's timeout has, for success (pulumi 3.259.0: `_callbacks.py`,
    `wrapResourceHookCallback`).
    """

    async def run_with_error_text(args: pulumi.ResourceHookArgs) -> None:
        try:
            await run(args)
        except Exception as error:
            raise pulumi.RunError(error_text(error)) from None

    return run_with_error_text


def error_text(error: Exception) -> str:
    """What an error says, as it may be printed, or at least what it is."""
    return log_lines(told(error)) if one_line(error) else type(error).__name__
