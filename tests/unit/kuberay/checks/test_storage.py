"""What groups cannot do with a claim is said before a pod waits for it."""

from typing import Any

import pytest

from kuberay.checks.loading import SettingsError
from kuberay.checks.storage import claim_advice
from kuberay.plan.stack import plan_stack
from tests.stack_config import load

HEAD = "kuberay:clusters.ray.head.storage"
CLAIM = {"name": "data", "persistentVolumeClaim": {"claimName": "x"}}


def stack(mode: str = "ReadWriteMany", head: Any = None, worker: Any = None) -> dict[str, Any]:
    clusters = {"ray": {"head": head or {}, "worker": worker or {}}}
    return {"storage": {"data": {"size": "1Gi", "accessMode": mode}}, "clusters": clusters}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            stack(head={"storage": {"date": "/data"}}),
            (
                f'{HEAD}.date: "/data" is for a claim that the stack\'s storage has not; did you mean'
                " 'data'?; it has: data"
            ),
        ),
        (
            stack(head={"storage": {"data": "/tmp/ray/"}}),
            f'{HEAD}.data: "/tmp/ray/" is where log-volume is mounted already; choose another folder',
        ),
        (
            stack(head={"storage": {"data": "/data"}, "volumes": [CLAIM]}),
            (
                f'{HEAD}.data: "/data" is for a claim with the name of a volume of this group; rename one of'
                " them"
            ),
        ),
        (
            stack(head={"storage": {"data": "data"}}),
            f'{HEAD}.data: "data" must be an absolute path, such as /data',
        ),
        (
            stack(
                "ReadWriteOncePod",
                head={"storage": {"data": "/data"}},
                worker={"storage": {"data": "/data"}, "replicas": 2},
            ),
            (
                'kuberay:storage.data.accessMode: "ReadWriteOncePod" is for one pod, and 3 pods '
                "(clusters.ray.head, clusters.ray.worker) would have it"
            ),
        ),
        (
            {"storage": {"data": {"size": "5"}}},
            'kuberay:storage.data.size: "5" is less than a megabyte; write the unit, such as 5Gi',
        ),
        (
            {"storage": {"data": {"size": "1Gi", "accessMode": "ReadWriteMony"}}},
            (
                'kuberay:storage.data.accessMode: "ReadWriteMony" must be one of ReadWriteOnce,'
                " ReadWriteMany, ReadOnlyMany, ReadWriteOncePod; did you mean 'ReadWriteMany'?"
            ),
        ),
    ],
)
def test_storage_that_cannot_be_as_it_says_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as error:
        load(**settings)
    assert error.value.problems == [said]


def test_pods_that_share_a_claim_of_one_node_are_warned_of() -> None:
    sees = {"storage": {"data": "/data"}}
    assert list(claim_advice(plan_stack(load(**stack("ReadWriteOnce", head=sees, worker=sees))))) == [
        "storage.data: 2 pods (clusters.ray.head, clusters.ray.worker) have it, and with accessMode"
        " ReadWriteOnce only those of one node can start: ReadWriteMany is for pods of all nodes"
    ]
    assert list(claim_advice(plan_stack(load(**stack("ReadWriteOnce", head=sees))))) == []
    assert list(claim_advice(plan_stack(load(**stack("ReadWriteMany", head=sees, worker=sees))))) == []
