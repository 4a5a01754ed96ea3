"""A version of KubeRay that is later than any known one is judged by its charts, which
are the official ones of 1.6.2, changed.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kuberay.live.crds.later_versions import LaterVersion, look_at_later_version
from kuberay.plan.stack import plan_stack
from tests.integration.harness.later_charts import Changes, serving_later_charts
from tests.stack_config import load

VERSIONS: dict[str, Changes] = {
    "1.8.0": {
        "componentOverride: kuberay-operator": "componentOverride: kuberay-operator\npodRestarts: true"
    },
    "1.8.1": {".Values.head.rayStartParams": ".Values.head.flags", "\n  rayStartParams: {}": "\n  flags: {}"},
    "1.8.2": {
        "replicas: 1\n\nimage:": "leaders: 1\n\nimage:",
        ".Values.replicas": ".Values.leaders",
        "                  rayStartParams:\n": "                  startParams:\n",
        "jobDeploymentStatus:": "deploymentStatus:",
    },
    "1.8.3": {"rayjobs.ray.io": "raytasks.ray.io"},
    "1.8.4": {"name: v1\n": "name: v2\n"},
}
JOB: dict[str, Any] = {"jobs": {"train": {"entrypoint": "python main.py", "cluster": "raycluster"}}}
TESTED = (
    "is later than 1.7.0, the newest known: its charts and CRDs have what this stack uses, by their texts; "
    "nothing else of it was tested, neither its operator nor its feature gates"
)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving_later_charts(tmp_path_factory.mktemp("charts"), VERSIONS) as address:
        yield address


def look(repository: str, version: str, **settings: Any) -> LaterVersion | None:
    plan = plan_stack(load(kuberayVersion=version, chartRepository=repository, **settings))
    return look_at_later_version(plan, Path())


def refused(version: str, problem: str) -> str:
    return f'kuberay:kuberayVersion: "{version}" cannot be used: {problem}; the newest known is 1.7.0'


def problems(found: LaterVersion | None) -> list[str]:
    assert found
    return found.problems


def test_one_that_has_all_is_taken_and_what_was_not_tested_is_told(repository: str) -> None:
    # 1.7.0 has no such selector any more.
    new = (
        "new values of its charts keep their defaults: kuberay-operator podRestarts, kuberay-operator"
        " metrics.serviceMonitor.selector"
    )
    assert look(repository, "1.8.0", **JOB) == LaterVersion([], f"KubeRay 1.8.0 {TESTED}; {new}")


def test_one_of_the_known_versions_is_not_looked_at() -> None:
    assert look("http://127.0.0.1:9/", "1.7.0") is None


def test_a_value_that_its_chart_does_not_read_is_named_where_the_stack_sets_it(repository: str) -> None:
    def with_flags(flags: dict[str, Any]) -> list[str]:
        clusters = {"raycluster": {"head": {"rayStartParams": flags}}}
        return problems(look(repository, "1.8.1", operator={"install": False}, clusters=clusters))

    assert with_flags({"num-cpus": 0}) == [
        refused("1.8.1", "its chart ray-cluster does not read head.rayStartParams, which this stack sets")
    ]
    assert with_flags({}) == []


def test_all_that_an_operator_lacks_is_named(repository: str) -> None:
    flags = "spec.headGroupSpec.rayStartParams, spec.workerGroupSpecs[].rayStartParams"
    assert problems(look(repository, "1.8.2", **JOB)) == [
        refused("1.8.2", "its chart kuberay-operator does not read replicas, which this stack sets"),
        refused("1.8.2", f"its CRD rayclusters.ray.io does not know {flags}, which this stack needs"),
        refused(
            "1.8.2", "its CRD rayjobs.ray.io does not know status.jobDeploymentStatus, which this stack needs"
        ),
    ]


def test_a_kind_that_it_lacks_is_named_where_the_stack_has_one(repository: str) -> None:
    expected = "its chart kuberay-operator has no CRD rayjobs.ray.io, and this stack has a RayJob"
    assert problems(look(repository, "1.8.3", **JOB)) == [refused("1.8.3", expected)]
    assert problems(look(repository, "1.8.3")) == []


def test_crds_of_another_version_of_the_api_are_no_use(repository: str) -> None:
    expected = "its CRD rayclusters.ray.io has no ray.io/v1, in which this stack writes its RayCluster"
    assert problems(look(repository, "1.8.4")) == [refused("1.8.4", expected)]


def test_one_that_there_is_not_is_refused(repository: str) -> None:
    why = (
        f"the chart kuberay-operator 1.8.9 of {repository} cannot be read: its index does not have that"
        " version"
    )
    assert problems(look(repository, "1.8.9")) == [
        refused("1.8.9", f"what it needs cannot be found out: {why}")
    ]


def test_with_an_operator_that_is_there_its_crds_are_not_of_the_charts(repository: str) -> None:
    found = look(repository, "1.8.2", operator={"install": False})
    assert found == LaterVersion([], f"KubeRay 1.8.2 {TESTED.replace('charts and CRDs', 'charts')}")


def test_what_kuberays_chart_does_not_write_it_need_not_read(repository: str) -> None:
    beyond = {"labels": {"team": "a"}, "worker": {"rayLabels": {"pool": "x"}}}
    assert problems(look(repository, "1.8.0", clusters={"raycluster": beyond})) == []
