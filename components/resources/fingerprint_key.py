"""The key of a stack that holds secrets: without it nobody can try guesses at them by the fingerprints on its pods."""

import secrets
from collections.abc import Iterator, Mapping
from typing import Any

import pulumi

from components.stack import holds_secrets
from kuberay.facts.digests import KEPT_STASH, KEY_STASH, Seal
from kuberay.facts.labels import TEMPLATE_ANNOTATION
from kuberay.plan.stack import StackPlan, seal_stack


async def seal_fingerprints(plan: StackPlan) -> StackPlan:
    """The plan with fingerprints that may be seen. A stack without encrypted settings has nothing to hide, and gets no key."""
    return seal_stack(plan, await _stack_seal()) if holds_secrets() else plan


async def _stack_seal() -> Seal:
    fresh = secrets.token_hex(32)
    key = await _first_value(KEY_STASH, fresh)
    # Pods that ran before there was a key carry fingerprints without one, and keep them as long as their templates stay.
    kept = sorted(set(_templates(await _read_state()))) if key == fresh else []
    return Seal(key, frozenset(await _first_value(KEPT_STASH, kept)))


async def _first_value(name: str, value: Any) -> Any:
    """What the state has of this name; this value where that is nothing yet, and from then on."""
    stash = pulumi.Stash(name, input=pulumi.Output.secret(value), opts=pulumi.ResourceOptions(ignore_changes=["input"]))
    found = await stash.output.future()
    if found is None:
        why = "the stack has no key for its fingerprints yet, and a run with --target or --exclude makes none"
        raise pulumi.RunError(f"{why}: run `pulumi up` once without them")
    return found


async def _read_state() -> Any:
    """The outputs of every resource of the stack, as the last run left them."""
    stack = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    answer = await pulumi.runtime.invoke_async("pulumi:pulumi:readStackResourceOutputs", {"stackName": stack})
    return answer["outputs"]


def _templates(tree: Any) -> Iterator[str]:
    """Every fingerprint of a template in what the stack has made."""
    if isinstance(tree, Mapping):
        for key, below in tree.items():
            if key == TEMPLATE_ANNOTATION:
                yield str(below)
            else:
                yield from _templates(below)
    elif isinstance(tree, list):
        for below in tree:
            yield from _templates(below)
