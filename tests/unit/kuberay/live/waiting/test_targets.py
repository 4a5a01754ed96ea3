"""What Ray's autoscaler asks for is waited for; what is suspended is said to be."""

from typing import Any

import pytest

from kuberay.live.waiting.targets import GroupTarget, as_asked, group_target, stays_suspended, suspended
from kuberay.plan.stack import plan_stack
from tests.stack_config import load


def group(name: str, replicas: int, least: int = 0, most: int = 10) -> dict[str, Any]:
    return {"groupName": name, "replicas": replicas, "minReplicas": least, "maxReplicas": most}


def wait(*, at_least: int = 0, at_most: int | None = None) -> GroupTarget:
    return GroupTarget(
        "kuberay",
        "ray",
        "ray-kuberay",
        "a",
        at_least,
        at_most,
        "",
        replace_old=True,
        all_groups=None,
        timeout=1,
    )


def ray_cluster(*groups: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"workerGroupSpecs": list(groups)}}


def test_pods_that_the_ray_cluster_asks_for_are_waited_for_though_the_group_may_have_none() -> None:
    assert as_asked(wait(), ray_cluster(group("b", 9), group("a", 3))).at_least == 3
    assert as_asked(wait(), ray_cluster(group("a", 3) | {"numOfHosts": 2})).at_least == 6


def test_a_group_has_at_least_its_minimum_whatever_the_ray_cluster_says() -> None:
    assert as_asked(wait(at_least=2), ray_cluster(group("a", 0))).at_least == 2
    assert as_asked(wait(at_least=2), None).at_least == 2


def test_without_autoscaling_the_stack_alone_says_how_many_pods_there_are_to_be() -> None:
    assert as_asked(wait(at_least=1, at_most=1), ray_cluster(group("a", 3))).at_least == 1


def test_no_pods_of_a_cluster_that_the_settings_suspend_are_waited_for_though_it_scales() -> None:
    scaled = {"autoscaling": {}, "worker": {"replicas": 3, "maxReplicas": 5}}

    def target(**more: Any) -> GroupTarget:
        plan = plan_stack(load(clusters={"ray": scaled | more})).clusters["ray"]
        return as_asked(group_target(plan, plan.groups[1]), {"spec": plan.spec})

    assert (target().at_least, target().at_most) == (3, None)
    of_none = target(spec={"suspend": True})
    assert (of_none.at_least, of_none.at_most) == (0, 0)


def state(condition: str, **spec: Any) -> dict[str, Any]:
    return {"spec": spec, "status": {"conditions": [{"type": condition, "status": "True"}]}}


def test_a_cluster_that_somebody_has_suspended_is_told_of_with_what_ends_it() -> None:
    assert suspended(wait(), state("RayClusterSuspended", suspend=True)) == (
        "the RayCluster is suspended, which no setting asks for; `kubectl patch raycluster ray-kuberay"
        """ --namespace kuberay --type merge --patch '{"spec": {"suspend": false}}'` ends that, or, where"""
        " a run was killed, `pulumi up --refresh`"
    )
    assert suspended(wait(), state("HeadPodReady")) is None
    assert suspended(wait(), None) is None


@pytest.mark.parametrize("condition", ["RayClusterSuspending", "RayClusterSuspended"])
def test_a_cluster_whose_spec_says_nothing_of_suspend_any_more_stays_suspended(condition: str) -> None:
    assert stays_suspended(state(condition))
    assert not stays_suspended(state(condition, suspend=False))
    assert not stays_suspended(state(condition, suspend=True))
    assert not stays_suspended(state("HeadPodReady"))
    assert suspended(wait(), state(condition)) == (
        "the RayCluster is suspended, which no setting asks for any more; `pulumi up` ends that"
    )
