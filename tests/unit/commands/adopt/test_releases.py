"""Which Helm releases are brought along."""

from dataclasses import dataclass
from typing import Any

import pytest

from commands.adopt.__main__ import releases
from commands.stack.cli import StackError
from kuberay.live.takeover.marks import Record


def record(release: str, chart: str, stack: str | None = None) -> Record:
    return Record(f"secret-{release}", release, 1, "deployed", stack, {}, "", "ray", chart, "1.6.2")


@dataclass
class ClusterDouble:
    """A cluster with these releases, which consist of nothing."""

    found: list[Record]

    def records(self, namespace: str | None) -> list[Record]:
        return self.found


OPERATOR, CLUSTER = record("kuberay-operator", "kuberay-operator"), record("train", "ray-cluster")


def found(*there: Record, names: tuple[str, ...] = ()) -> list[str]:
    cluster: Any = ClusterDouble(list(there))
    return [one.release for one in releases(cluster, None, names)]


def test_releases_of_kuberays_charts_are_brought_along_the_operators_first() -> None:
    assert found(CLUSTER, record("web", "nginx"), OPERATOR) == ["kuberay-operator", "train"]


def test_a_cluster_that_a_stack_has_made_by_the_programs_own_chart_is_not_passed_over() -> None:
    of_stack = record("chat", "raycluster", "kuberay/prod")
    with pytest.raises(StackError) as refused:
        found(OPERATOR, CLUSTER, of_stack)
    assert str(refused.value) == (
        "Helm release chat is of stack kuberay/prod already: go on with that stack, whose state `pulumi"
        " login` leads to, or name others with --release"
    )
    assert found(OPERATOR, CLUSTER, of_stack, names=("train",)) == ["kuberay-operator", "train"]
