"""Whether a stack fits into the quota and the limits of its own namespace."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from kuberay.checks.messages import Problem
from kuberay.facts.charts import Values
from kuberay.facts.quantities import add_quantities, parse_quantity
from kuberay.plan.job import submitter_resources
from kuberay.plan.made_pods import made_pods
from kuberay.plan.namespace import GPU, named_limits
from kuberay.plan.pods import limits_of
from kuberay.plan.stack import StackPlan
from kuberay.settings.workloads import JobSettings

Resources = dict[str, Decimal]


@dataclass(frozen=True)
class QuotaDemand:
    """Pods of one shape that the stack wants to run."""

    what: str
    """Who wants them: `operator`, `clusters.<name>, <group>`, `jobs.<name>, submitter`.
    """
    pods: int
    containers: tuple[Resources, ...]
    """Limits of each container."""
    init_containers: tuple[Resources, ...] = ()

    def of(self, resource: str) -> Decimal:
        """What all of them count for in a quota."""
        if resource == "pods":
            return Decimal(self.pods)
        running = sum((container.get(resource, Decimal(0)) for container in self.containers), Decimal(0))
        return self.pods * max(
            running, *(container.get(resource, Decimal(0)) for container in self.init_containers), Decimal(0)
        )


def quota_demands(plan: StackPlan) -> Iterator[QuotaDemand]:
    """All pods that the stack wants."""
    settings = plan.settings
    if settings.operator.install:
        yield QuotaDemand("operator", 1, (_limits(plan.operator.values),))
    for name, cluster in plan.clusters.items():
        yield from _cluster_demands(f"clusters.{name}", cluster.spec)
    # All at once; an upgrade of a service takes as much once more, for as long as it
    # lasts.
    for made in plan.workload_clusters.values():
        kind, _, name = made.what.partition(".")
        submitter = (
            [_submitter(settings.jobs[name])]
            if kind == "jobs" and settings.jobs[name].submission_mode == "SidecarMode"
            else []
        )
        yield from _cluster_demands(made.what, made.spec, beside_the_head=submitter)
    for name, job in settings.jobs.items():
        if job.submission_mode == "K8sJobMode":
            yield QuotaDemand(f"jobs.{name}, submitter", 1, (_limits(_submitter(job)),))


def quota_problems(plan: StackPlan) -> Iterator[Problem]:
    """Where the stack does not fit into its own quota and limits: the setting, its
    value, and by how much.
    """
    settings = plan.settings
    if settings.quota == type(settings.quota)() and settings.limit_range == type(settings.limit_range)():
        return
    wanted = list(quota_demands(plan))
    quota = settings.quota
    for key, resource, limit in (
        ("cpu", "cpu", quota.cpu),
        ("memory", "memory", quota.memory),
        ("gpus", GPU, quota.gpus),
        ("pods", "pods", quota.pods),
    ):
        if limit is not None:
            amounts = {demand.what: demand.of(resource) for demand in wanted}
            yield from _over(key, limit, {what: amount for what, amount in amounts.items() if amount})
    for key, most in named_limits(settings.limit_range.max).items():
        default = named_limits(settings.limit_range.default).get(key)
        if default and parse_quantity(default) > parse_quantity(most):
            yield Problem(
                ("limitRange", "default", key),
                default,
                f"is more than limitRange.max.{key} ({most}): Kubernetes refuses that",
            )
        for demand in wanted:
            largest = max(
                container.get(key, Decimal(0)) for container in (*demand.containers, *demand.init_containers)
            )
            if largest > parse_quantity(most):
                over = f"is less than the {_readable(largest)} of a container of {demand.what}"
                yield Problem(("limitRange", "max", key), most, over)
                break


def _over(key: str, limit: str | int, amounts: dict[str, Decimal]) -> Iterator[Problem]:
    total = sum(amounts.values(), Decimal(0))
    if total > parse_quantity(limit):
        parts = ", ".join(f"{what} {_readable(amount)}" for what, amount in amounts.items())
        short = _readable(total - parse_quantity(limit))
        yield Problem(
            ("quota", key),
            limit,
            f"is {short} less than the {_readable(total)} that the stack's own pods need ({parts})",
        )


def _submitter(job: JobSettings) -> Values:
    return {"resources": submitter_resources(job.submitter)}


def _cluster_demands(
    what: str, spec: Mapping[str, Any], *, beside_the_head: Sequence[Values] = ()
) -> Iterator[QuotaDemand]:
    for group in made_pods(spec):
        beside = beside_the_head if group.name == "head" else ()
        yield QuotaDemand(
            what=f"{what}, {group.name}",
            pods=group.pods,
            containers=tuple(_limits(container) for container in (*group.pod["containers"], *beside)),
            init_containers=tuple(_limits(container) for container in group.pod.get("initContainers") or []),
        )


def _limits(container: dict[str, Any]) -> Resources:
    return {resource: parse_quantity(amount) for resource, amount in limits_of(container).items()}


def _readable(amount: Decimal) -> str:
    """In the unit that reads best: `4.5G`, `512Mi`, `500m`; a mixture of units in
    megabytes, rounded up.
    """
    if amount < 1:
        return f"{amount * 1000:f}".rstrip("0").rstrip(".") + "m"
    exact = add_quantities([f"{amount:f}"])
    if len(exact) <= 6:
        return exact
    mebibytes = amount / 2**20
    return f"{mebibytes:f}Mi" if mebibytes == mebibytes.to_integral_value() else f"{-(-amount // 1_000_000)}M"
