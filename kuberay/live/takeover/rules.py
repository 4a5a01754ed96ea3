"""What a killed run left in the cluster, and what to do about it. Pure: objects in (as
plain dicts), a decision out.

Pulumi writes a resource into its state when it is done. What was being made when `up`
was killed is in the cluster and not in the state, so the next `up` creates it again:
Helm then refuses the name, and the API server the object. Everything that a stack makes
carries the stack's mark; what carries it and is not in the state is such a leftover,
and anything else belongs to someone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kuberay.facts.charts import CHARTS
from kuberay.facts.labels import COMPLETE_MARK
from kuberay.facts.objects import Object, conditions_of, is_ray_object
from kuberay.facts.phrases import one_line
from kuberay.live.takeover.marks import Record, stack_of, without_mark
from kuberay.plan.stack import Adopted


class RecoveryError(Exception):
    """A run cannot go on by itself; the message says whose something seems to be, and
    what to do.
    """


@dataclass(frozen=True)
class Leftover:
    """What has to go so that a release can be installed or upgraded."""

    records: tuple[Record, ...] = ()
    objects: tuple[Object, ...] = ()
    """Custom resources made from other values than the new ones: Helm adopts a custom
    resource as it stands (`createPatch`, 3.19).
    """


def before_install(
    name: str,
    records: Sequence[Record],
    stack: str,
    values: Mapping[str, Any],
    complete: Iterable[str] = (),
    adopted: Adopted | None = None,
) -> Leftover:
    """What has to go before a release is installed that the state does not have.

    Only the records go. Helm adopts the objects, which carry its annotations from the
    moment they are made, so that nothing restarts.

    Args:
        name: of the release.
        records: what there is of a release of this name.
        stack: this stack.
        values: what the release is to be installed with.
        complete: objects of the release that carry the mark of a release in some state.
        adopted: of a release that was made by hand and that the stack takes over.

    Raises:
        RecoveryError: the release is in use.
    """
    if not records:
        return Leftover()
    newest = max(records, key=lambda record: record.revision)
    if adopted and newest.stack in (None, stack) and not adopted.as_found:
        raise RecoveryError(
            f"Helm release {name} was made by hand, and its settings are no longer those that `make adopt`"
            " wrote: a change of it would not reach what runs; take the change back until `up` has taken the"
            f" release over (or `helm uninstall {name}`, if nothing is to stay)"
        )
    if adopted and newest.stack is None:
        return _of_adopted(name, records, newest, adopted.revision)
    if newest.stack != stack:
        no_stack = "no stack: it was installed by hand or by another tool"
        owner = f"stack {newest.stack}" if newest.stack else no_stack
        raise RecoveryError(
            f"Helm release {name} exists already and is of {owner}; choose another name or namespace for this"
            f" stack, or remove it with `helm uninstall {name}`"
            + ("" if newest.stack else "; to bring it along as it runs: `make adopt`")
        )
    for found in complete:
        raise RecoveryError(f"Helm release {name} {_in_use(found, stack, newest.namespace)}")
    # What is adopted ran before any run of the stack.
    stale = newest.values != without_mark(values) and not adopted
    custom = [found for found in newest.objects if stale and is_ray_object(found)]
    return Leftover(tuple(records), tuple(custom))


def _of_adopted(name: str, records: Sequence[Record], newest: Record, revision: int) -> Leftover:
    """What has to go of a release that was made by hand: its records, so that Helm
    installs it anew over what runs.

    The stack's values render what that revision has rendered (commands/adopt), and Helm
    takes a custom resource as it stands.
    """
    if newest.revision != revision or newest.status != "deployed":
        raise RecoveryError(
            f"Helm release {name} is at revision {newest.revision} ({newest.status}), and the stack is to"
            f" take over revision {revision}; `make adopt` reads it anew"
        )
    return Leftover(tuple(records))


def before_upgrade(name: str, records: Sequence[Record]) -> Leftover:
    """What has to go before a release is upgraded that the state has: the record of an
    upgrade that was killed.

    Raises:
        RecoveryError: the release was removed, or half removed.
    """
    if not records:
        raise RecoveryError(
            f"Helm release {name} was removed by hand; `pulumi up --refresh` notices and installs it again"
        )
    if max(records, key=lambda record: record.revision).status == "uninstalling":
        raise RecoveryError(half_removed(name))
    pending = [record for record in records if record.status.startswith("pending-")]
    # Without any other record Helm would know of no release at all.
    return Leftover(tuple(pending) if len(pending) < len(records) else ())


def how_to_make_anew(release: str) -> str:
    """What to say where something of a release is gone: Helm never looks for it.

    With a refresh, for of the release itself there may be nothing left that could be
    replaced.
    """
    return f"`pulumi up --refresh --replace '**Release::{release}'` makes it anew"


def is_gone(kind: str, release: str) -> str:
    """What to say where the main object of a release is gone: by hand, or by a
    `destroy` that was killed, which tells Pulumi nothing.
    """
    return f"there is no such {kind}, though the state has its Helm release; {how_to_make_anew(release)}"


def half_removed(release: str) -> str:
    """What to say where Helm's record of a release says `uninstalling`: any part of it
    may be gone, and Helm upgrades it no more.
    """
    return f"Helm release {release} was being removed by a run that was killed; {how_to_make_anew(release)}"


def before_creating(
    kind: str,
    existing: Object | None,
    stack: str,
    records: Sequence[Record] = (),
    complete: Iterable[str] = (),
) -> None:
    """Whether an object that the state does not have may be made, or taken over where
    it exists.

    Args:
        kind: of the object.
        existing: the object of this name, if there is one.
        stack: this stack.
        records: Helm's, of all releases in a namespace.
        complete: objects of this stack's releases there that carry the mark of
            a release in some state.

    Raises:
        RecoveryError: the object is someone else's.
    """
    if existing is None:
        return
    what = f"{kind} {existing['metadata']['name']}"
    owner = stack_of(existing)
    remedy = "choose another name, or delete it"
    if kind == "Namespace":
        remedy = "to use it as it is set `createNamespace: false`, else choose another `namespace`"
        by_hand = sorted(
            {record.release for record in records if record.stack is None and record.chart in CHARTS}
        )
        if by_hand:
            remedy += f"; `make adopt` brings along what was installed there by hand ({', '.join(by_hand)})"
    if owner != stack:
        raise RecoveryError(
            f"{what} exists already and is of {f'stack {owner}' if owner else 'no stack'}; {remedy}"
        )
    for found in complete:
        raise RecoveryError(f"{what} {_in_use(found, stack, existing['metadata']['name'])}")


def _in_use(found: str, stack: str, namespace: str) -> str:
    free = f"kubectl annotate deployments,rayclusters --all --namespace {namespace} {COMPLETE_MARK}-"
    return (
        f"is in use ({found}) by a stack that is called {stack} too and has its state elsewhere; log in to"
        f" that state with `pulumi login`, or, where it is lost, let this one take over what runs: `{free}`"
    )


def what_it_waits_for(obj: Object) -> str:
    """What keeps an object that is being deleted: a namespace's conditions by their own
    words, else finalizers; empty where nothing does.

    ``", which waits: Some resources are remaining: rayclusters.ray.io has 1 resource
    instances"``
    """
    so = (each for each in conditions_of(obj) if each.get("status") == "True")
    told = [one_line(each["message"]) for each in so if each.get("message")]
    if finalizers := obj["metadata"].get("finalizers"):
        told = told or [f"for {', '.join(finalizers)}"]
    return f", which waits: {'; '.join(told)}" if told else ""
