"""The key of a stack that holds secrets: without it nobody can try guesses at them by
the fingerprints that the stack shows.
"""

import re
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

import pulumi
from pulumi.runtime.config import get_config_secret_keys_env

from kuberay.checks.loading import is_sealed
from kuberay.facts.digests import KEY_STASH, Seal
from kuberay.plan.cluster import fingerprint_of_service
from kuberay.plan.dry_run import what_changes
from kuberay.plan.ports import moved_ports
from kuberay.plan.stack import StackPlan, seal_stack

_FINGERPRINT = re.compile(r"[0-9a-f]{12}")


async def seal_fingerprints(plan: StackPlan) -> StackPlan:
    """The plan with fingerprints that may be seen. A stack without encrypted settings
    has nothing to hide, and gets no key unasked.
    """
    return (
        seal_stack(plan, await _stack_seal(plan)) if is_sealed(plan, get_config_secret_keys_env()) else plan
    )


async def _stack_seal(plan: StackPlan) -> Seal:
    state = await _read_state()
    # The key and what it leaves alone are one resource: a run that ends between two
    # would lose either.
    kept = (
        []
        if any(urn.endswith(f"::{KEY_STASH}") for urn in state)
        else sorted(fingerprints_in_use(state, plan))
    )
    fresh = pulumi.Output.secret({"key": secrets.token_hex(32), "kept": kept})
    # Its output stays what it was first.
    stash = pulumi.Stash(KEY_STASH, input=fresh, opts=pulumi.ResourceOptions(ignore_changes=["input"]))
    found = await stash.output.future()
    if found is None:
        why = "the stack has no key for its fingerprints yet, and a run with --target or --exclude makes none"
        raise pulumi.RunError(f"{why}: run `pulumi up` once without them")
    return Seal(found["key"], frozenset(found["kept"]))


async def _read_state() -> Mapping[str, Any]:
    """The type and outputs of every resource of the stack, as the last run
    left them.
    """
    stack = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    answer = await pulumi.runtime.invoke_async("pulumi:pulumi:readStackResourceOutputs", {"stackName": stack})
    return answer["outputs"]


def fingerprints_in_use(state: Mapping[str, Any], plan: StackPlan) -> set[str]:
    """Those from before there was a key. Pods carry them, and everything that they are
    on would restart, or be made anew, over others.

    ``plan``: not sealed.
    """
    found = set(_fingerprints(state))
    # What replaces a release or a job is in no output. It is as it was where all of the
    # release or the job is, and else in its values.
    unchanged = {whose for whose, digest in what_changes(plan).items() if digest in found}
    found |= {job.fingerprint for name, job in plan.jobs.items() if f"jobs.{name}" in unchanged}
    found |= {
        cluster.service_fingerprint
        for name, cluster in plan.clusters.items()
        if f"clusters.{name}" in unchanged
    }
    values = (resource["outputs"].get("values") for resource in state.values())
    of_clusters = [each for each in values if isinstance(each, Mapping) and "head" in each]
    # Whether their owner has named moved ports, or the plan has, they do not say.
    return found | {
        fingerprint_of_service(each, moved)
        for each in of_clusters
        for moved in ({}, moved_ports(each["head"]))
    }


def _fingerprints(tree: Any) -> Iterator[str]:
    if isinstance(tree, Mapping):
        for below in tree.values():
            yield from _fingerprints(below)
    elif isinstance(tree, list):
        for below in tree:
            yield from _fingerprints(below)
    elif isinstance(tree, str) and _FINGERPRINT.fullmatch(tree):
        yield tree
