"""What KubeRay's operator says in events of what it cannot bring about."""

from typing import Any

import pytest

from kuberay.live.diagnosis.operator import operator_trouble, will_last

TAKEN = 'Failed creating service kuberay/ray-head-svc, services "ray-head-svc" already exists'


def cluster(*, spec_written: str = "2026-11-27T10:00:00Z") -> dict[str, Any]:
    written = [
        {"manager": "helm", "time": spec_written, "fieldsV1": {"f:spec": {}}},
        {
            "manager": "operator",
            "time": "2026-11-27T12:00:00Z",
            "subresource": "status",
            "fieldsV1": {"f:status": {}},
        },
    ]
    return {
        "metadata": {
            "name": "ray",
            "uid": "1",
            "creationTimestamp": "2026-11-27T09:00:00Z",
            "managedFields": written,
        }
    }


def event(
    reason: str, message: str = "why", *, at: str = "2026-11-27T10:00:05Z", kind: str = "Warning"
) -> dict[str, Any]:
    return {
        "type": kind,
        "reason": reason,
        "message": message,
        "lastTimestamp": at,
        "metadata": {"creationTimestamp": at},
    }


def test_what_the_operator_refuses_it_refuses_for_good() -> None:
    found = operator_trouble(
        cluster(), [event("InvalidRayClusterSpec", "The RayCluster spec is invalid kuberay/ray: no")]
    )
    assert found
    assert (found.line, found.certain) == (
        (
            "KubeRay's operator says of ray: InvalidRayClusterSpec: The RayCluster spec is invalid"
            " kuberay/ray: no"
        ),
        True,
    )


@pytest.mark.parametrize(
    ("message", "lasts"),
    [
        (TAKEN, True),
        ('Failed creating service kuberay/x, services "x" is forbidden: exceeded quota: few', True),
        ('Failed creating service kuberay/x, Service "x" is invalid: spec.type: Unsupported value', True),
        ('Failed creating service kuberay/x, admission webhook "corp" denied the request: no', True),
        ("Failed creating service kuberay/x, etcdserver: request timed out", False),
    ],
)
def test_what_it_tries_in_vain_lasts_where_the_api_server_would_say_the_same_again(
    message: str, lasts: bool
) -> None:
    found = operator_trouble(cluster(), [event("FailedToCreateService", message)])
    assert found
    assert (found.certain, will_last(found)) == (False, lasts)


def test_the_last_that_it_says_is_told() -> None:
    events = [
        event("InvalidRayClusterSpec", "first"),
        event("FailedToCreateRole", "last"),
        event("Created", kind="Normal"),
    ]
    found = operator_trouble(cluster(), events)
    assert found
    assert found.text.endswith("FailedToCreateRole: last")


def test_what_it_said_before_the_spec_changed_is_of_no_interest() -> None:
    said = [event("InvalidRayClusterSpec", at="2026-11-27T10:00:05Z")]
    assert operator_trouble(cluster(spec_written="2026-11-27T10:00:06Z"), said) is None
    assert operator_trouble(cluster(spec_written="2026-11-27T10:00:05Z"), said)


def test_what_it_has_made_since_is_no_trouble() -> None:
    failed, made = (
        event("FailedToCreateService", TAKEN),
        event("CreatedService", at="2026-11-27T10:00:09Z", kind="Normal"),
    )
    assert operator_trouble(cluster(), [failed, made]) is None
    again = event("FailedToCreateService", TAKEN, at="2026-11-27T10:00:10Z")
    assert operator_trouble(cluster(), [made, again])


def test_other_events_are_no_trouble_and_pods_have_a_condition_of_their_own() -> None:
    assert (
        operator_trouble(
            cluster(), [event("FailedToDeletePod"), event("FailedToCreateHeadPod"), event("BackOff")]
        )
        is None
    )
