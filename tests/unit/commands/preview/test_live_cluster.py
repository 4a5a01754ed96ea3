"""What is asked of the cluster for a drift report, and what of its answers
may be told.
"""

import base64
import gzip
import json
from typing import Any, cast

import pytest
from httpx2 import Request, Response
from lightkube import ApiError

from commands.preview.live_cluster import ClusterError, drift_of_releases
from kuberay.facts.objects import Object
from kuberay.live.inventory import Cluster
from kuberay.live.takeover.marks import Record, read_record

MANIFEST = """
apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: ray}
spec:
  replicas: 1
  env: [{name: PASSWORD, value: hunter2}]
"""


class ClusterDouble:
    """Helm's record of one release, and the object as it is now; or an API server that
    refuses to apply it.
    """

    def __init__(self, live: Object, refuses: int | None = None) -> None:
        self._live, self._refuses = live, refuses

    def records(self, namespace: str, release: str) -> list[Record]:
        record = {"name": release, "version": 1, "info": {"status": "deployed"}, "manifest": MANIFEST}
        text = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(record).encode()))).decode()
        return [read_record({"metadata": {"name": "s"}, "data": {"release": text}})]

    def get(self, obj: Object) -> Object:
        return self._live

    def as_applied(self, obj: Object) -> Object:
        if self._refuses is None:
            return obj
        status = {
            "code": self._refuses,
            "reason": "Refused",
            "message": 'spec.env[0].value: Invalid value: "hunter2"',
        }
        raise ApiError(Request("PATCH", "https://cluster"), Response(self._refuses, json=status))


def told(values: Any, **double: Any) -> list[str]:
    release = {"namespace": "team", "name": "ray", "values": values}
    live = {
        "apiVersion": "ray.io/v1",
        "kind": "RayCluster",
        "metadata": {"name": "ray", "namespace": "team"},
        "spec": {"replicas": 2, "env": [{"name": "PASSWORD", "value": "opensesame"}]},
    }
    (drift,) = drift_of_releases(cast("Cluster", ClusterDouble(live, **double)), [release])
    return drift.fields


def test_an_encrypted_variable_that_was_edited_is_told_without_either_value() -> None:
    assert told({"head": {"containerEnv": "[secret]"}}) == [
        "spec.replicas is 2, not 1",
        "spec.env differs",
    ]


def test_of_a_stack_without_a_secret_the_name_of_a_variable_is_told() -> None:
    assert told({"head": {"containerEnv": [{"name": "PASSWORD", "value": "x"}]}}) == [
        "spec.replicas is 2, not 1",
        "spec.env[PASSWORD].value differs",
    ]


def test_of_a_release_whose_values_are_all_encrypted_no_value_is_told() -> None:
    assert told("[secret]") == ["spec.replicas differs", "spec.env differs"]


def test_what_the_api_server_quotes_of_an_object_that_it_refuses_is_not_told() -> None:
    with pytest.raises(ClusterError) as refused:
        told({}, refuses=422)
    assert str(refused.value) == "the API server refuses: Refused"
