"""Two renderings are the same where Kubernetes sees the same."""

import pytest

from commands.adopt.manifests import differences, objects_of

CLUSTER = """
apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: ray, labels: {helm.sh/chart: ray-cluster-1.3.0}}
spec: {rayVersion: 2.46.0, resources: {limits: {cpu: 1, memory: 2000M}, requests: {memory: 1G}},
  env: [{name: A, value: secret}]}
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("cpu: 1,", 'cpu: "1",'),
        ("2000M", "2G"),
        ("ray-cluster-1.3.0", "ray-cluster-1.3.1"),
        ("rayVersion:", "affinity: null, rayVersion:"),
    ],
)
def test_what_means_the_same_is_the_same(before: str, after: str) -> None:
    assert differences(objects_of(CLUSTER), objects_of(CLUSTER.replace(before, after))) == []


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("2000M", "3G", "RayCluster ray: spec.resources.limits.memory is another"),
        ("value: secret", "value: other", "RayCluster ray: spec.env[0].value is another"),
        ("rayVersion: 2.46.0, ", "", "RayCluster ray: spec.rayVersion would go"),
        ("rayVersion:", "affinity: {}, rayVersion:", "RayCluster ray: spec.affinity would be new"),
    ],
)
def test_what_differs_is_named_by_its_place_and_not_by_its_value(before: str, after: str, line: str) -> None:
    assert differences(objects_of(CLUSTER), objects_of(CLUSTER.replace(before, after))) == [line]


def test_objects_that_come_and_go_are_named() -> None:
    assert differences(objects_of(CLUSTER), {}) == ["RayCluster ray would go"]
    assert differences({}, objects_of(CLUSTER)) == ["RayCluster ray would be new"]
