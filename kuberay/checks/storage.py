"""Claims of the stack that more pods share than may. Pure."""

from collections.abc import Iterator

from kuberay.checks.messages import Problem
from kuberay.facts.phrases import first_few
from kuberay.plan.stack import StackPlan


def claim_problems(plan: StackPlan) -> Iterator[Problem]:
    """Claims that Kubernetes gives to one pod alone, and that settings give to more."""
    for name, pods in _users(plan).items():
        mode = plan.settings.storage[name].access_mode
        if mode == "ReadWriteOncePod" and sum(pods.values()) > 1:
            yield Problem(
                ("storage", name, "accessMode"), mode, f"is for one pod, and {_counted(pods)} would have it"
            )


def claim_advice(plan: StackPlan) -> Iterator[str]:
    """Claims that only pods of one node can share."""
    for name, pods in _users(plan).items():
        if plan.settings.storage[name].access_mode == "ReadWriteOnce" and sum(pods.values()) > 1:
            yield (
                f"storage.{name}: {_counted(pods)} have it, and with accessMode ReadWriteOnce only those of"
                " one node can start: ReadWriteMany is for pods of all nodes"
            )


def _users(plan: StackPlan) -> dict[str, dict[str, int]]:
    """For each claim, how many pods of which groups have it."""
    found: dict[str, dict[str, int]] = {name: {} for name in plan.settings.storage}
    for placed in plan.placed if found else ():
        most = {group.name: group.at_most for group in placed.plan.groups}
        cluster, worker = placed.plan.settings, placed.plan.settings.worker
        groups = {"head": cluster.head, worker.group_name: worker, **cluster.additional_worker_groups}
        for name, group in groups.items():
            for claim in group.storage:
                found[claim][".".join((*placed.here, *placed.path(name)))] = most.get(name, 0)
    return found


def _counted(pods: dict[str, int]) -> str:
    return f"{sum(pods.values())} pods ({first_few([where for where, count in pods.items() if count])})"
