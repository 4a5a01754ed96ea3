"""Which Ray pods a stack asks for, before and after a change, as the scheduler and a
price list count them. Pure.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from commands.preview.meaning.release_values import spec_of
from commands.preview.meaning.steps import COMPONENT, Operation, Preview, Properties
from commands.preview.meaning.workloads import JOB, SERVICE
from kuberay.facts.charts import RELEASE
from kuberay.facts.phrases import SECRET
from kuberay.facts.scheduling import requests_of
from kuberay.plan.made_pods import MadePods, made_pods

Kind = Literal["cluster", "job", "service"]
GroupDemands = list[MadePods] | None
"""None where a secret hides them."""


@dataclass(frozen=True)
class Demand:
    """A cluster, or the cluster of a job or a service."""

    kind: Kind
    name: str
    operation: Operation | None
    """None where it stays as it is."""
    before: GroupDemands
    """Empty where there is none before."""
    after: GroupDemands
    old: Properties
    new: Properties
    """The inputs of its release, or of the job or service."""

    @property
    def what(self) -> str:
        """``cluster training``"""
        return f"{self.kind} {self.name}"

    @property
    def stays(self) -> bool:
        """Whether its pods are there for as long as the stack is, and not for a job's
        time alone.
        """
        return self.kind != "job" or not any(
            (side.get("spec") or {}).get("shutdownAfterJobFinishes") for side in (self.old, self.new)
        )


def demands(preview: Preview) -> Iterator[Demand]:
    """Everything that has Ray pods: what changes, and what stays as far as the preview
    lists it.
    """
    for step in preview.steps:
        if kind := _kind(step.parents, step.type):
            after = _groups(kind, step.new)
            # A release that is taken over runs already; what is left in the cluster is
            # no longer the stack's.
            before = after if step.operation == "adopt" else _groups(kind, step.old)
            yield Demand(kind, step.name, step.operation, before, after, step.old, step.new)
    for (parents, type_, name), inputs in preview.unchanged.items():
        if kind := _kind(parents, type_):
            groups = _groups(kind, inputs)
            yield Demand(kind, name, None, groups, groups, inputs, inputs)


def _kind(parents: str, type_: str) -> Kind | None:
    if type_ == RELEASE and parents == f"{COMPONENT}RayCluster":
        return "cluster"
    return {JOB: "job", SERVICE: "service"}.get(type_)  # pyright: ignore[reportReturnType]


def _groups(kind: Kind, inputs: Properties) -> GroupDemands:
    if not inputs:
        return []
    try:
        spec = _spec(kind, inputs)
        groups = made_pods(spec) if spec else []
        for group in groups:
            requests_of(group.pod)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return None if any(_is_hidden(group.pod) for group in groups) else groups


def _is_hidden(pod: Mapping[str, Any]) -> bool:
    """Whether a secret says on which nodes a pod runs."""
    return SECRET in json.dumps([pod.get(key) for key in ("nodeSelector", "affinity", "tolerations")])


def _spec(kind: Kind, inputs: Properties) -> Any:
    """The RayCluster's; empty for a job that runs on a cluster of the stack."""
    if kind == "cluster":
        return spec_of(inputs["values"])
    return inputs["spec"].get("rayClusterSpec" if kind == "job" else "rayClusterConfig")
