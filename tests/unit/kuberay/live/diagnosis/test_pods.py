"""What pods tell about why Ray is not up, and when it is certain."""

from typing import Any

import pytest

from kuberay.facts.scheduling import no_node_will_do
from kuberay.live.diagnosis.pods import (
    Trouble,
    cluster_trouble,
    failed_pods_trouble,
    is_ready,
    pod_trouble,
    refused_for_good,
    starting_trouble,
    with_logs,
)


def pod(status: dict[str, Any] | None = None, *, memory: str = "2G", arch: str = "arm64") -> dict[str, Any]:
    resources = {"requests": {"cpu": "1", "memory": memory}, "limits": {"cpu": "1", "memory": memory}}
    container = {"name": "ray-worker", "image": "rayproject/ray:2.46.0-py310", "resources": resources}
    return {
        "metadata": {"name": "raycluster-kuberay-workergroup-worker-abcde"},
        "spec": {"nodeSelector": {"kubernetes.io/arch": arch}, "containers": [container]},
        "status": status or {},
    }


def container(state: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "containerStatuses": [
            {"name": "ray-worker", "image": "rayproject/ray:2.46.0-py310", "state": state, **more}
        ]
    }


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    return container({"waiting": {"reason": reason, "message": message}}, **more)


def crashed(**terminated: Any) -> dict[str, Any]:
    return waiting(
        "CrashLoopBackOff", lastState={"terminated": {"exitCode": 1, **terminated}}, restartCount=1
    )


def trouble(status: dict[str, Any]) -> Trouble:
    found = pod_trouble(pod(status))
    assert found is not None
    return found


def node(arch: str, memory: str = "64Gi", cpu: str = "16") -> dict[str, Any]:
    return {
        "metadata": {"labels": {"kubernetes.io/arch": arch}},
        "status": {"allocatable": {"cpu": cpu, "memory": memory}},
    }


def test_a_pod_that_is_just_starting_is_no_trouble() -> None:
    assert pod_trouble(pod({"phase": "Pending"})) is None
    assert pod_trouble(pod(waiting("ContainerCreating"))) is None
    assert not is_ready(pod({"phase": "Running"}))


@pytest.mark.parametrize(
    "message",
    [
        'failed to resolve "rayproject/ray:9": not found',
        "manifest unknown",
        "pull access denied",
        "no match for platform in manifest",
    ],
)
def test_an_image_that_the_registry_does_not_have_is_certain(message: str) -> None:
    found = trouble(waiting("ErrImagePull", message))
    assert found.certain
    assert "rayproject/ray:2.46.0-py310 cannot be pulled" in found.text
    assert message in found.text


def test_a_registry_that_does_not_answer_may_come_back() -> None:
    assert not trouble(waiting("ImagePullBackOff", "dial tcp: i/o timeout")).certain


def test_a_container_that_is_killed_for_memory_again_and_again_is_certain() -> None:
    found = trouble(crashed(reason="OOMKilled", exitCode=137))
    assert found.certain
    assert "OOMKilled" in found.text
    assert "memory limit of 2G" in found.text


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("ray-worker", "raise memory"),
        ("autoscaler", "raise autoscaling.memory"),
        (
            "wait-gcs-ready",
            (
                "KubeRay fixes it; `operator.values.env: [{name: ENABLE_INIT_CONTAINER_INJECTION, value:"
                ' "false"}]` leaves this container out'
            ),
        ),
        ("ray-job-submitter", "`submissionMode: HTTPMode` does without it"),
        ("sidecar", "raise its limit in `values`"),
    ],
)
def test_what_to_do_for_memory_fits_the_container(name: str, advice: str) -> None:
    found = pod(crashed(reason="OOMKilled", exitCode=137))
    found["spec"]["containers"][0]["name"] = found["status"]["containerStatuses"][0]["name"] = name
    told = pod_trouble(found)
    assert told
    assert told.text == f"OOMKilled: container {name} needed more than its memory limit of 2G; {advice}"


def test_a_container_that_was_killed_once_may_do_better() -> None:
    killed = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
    assert not trouble(container({"running": {}}, ready=False, lastState=killed)).certain


def test_a_crash_is_told_with_its_last_lines() -> None:
    found = trouble(crashed())
    assert found.certain
    assert found.crashed_container == "ray-worker"
    told = with_logs(found, pod(), ["ValueError: object store too small", ""])
    assert told.certain
    assert "exit code 1" in told.text
    assert "its last lines: ValueError: object store too small" in told.text


def test_an_exec_format_error_is_the_wrong_architecture_from_its_first_crash() -> None:
    first = pod_trouble(pod(container({"terminated": {"exitCode": 255}})))
    assert first is not None
    assert not first.certain
    told = with_logs(first, pod(), ["exec /bin/bash: exec format error"])
    assert told.certain
    assert "exec format error" in told.text
    assert "architecture (arm64)" in told.text


def test_a_missing_secret_is_certain() -> None:
    found = trouble(waiting("CreateContainerConfigError", 'secret "token" not found'))
    assert found.certain
    assert 'secret "token" not found' in found.text


def test_a_worker_that_waits_for_the_head_says_so() -> None:
    status = {
        "initContainerStatuses": [{"name": "wait-gcs-ready", "state": {"running": {}}}],
        "containerStatuses": [],
    }
    assert trouble(status).text == "waits for the head"


OWN_LIMIT = "Pod ephemeral local storage usage exceeds the total limit of containers 100Ki. "


def evicted(message: str) -> dict[str, Any]:
    return pod({"phase": "Failed", "reason": "Evicted", "message": message})


def test_a_pod_that_was_evicted_may_do_better_the_next_time() -> None:
    found = failed_pods_trouble([evicted(OWN_LIMIT)])
    assert found is not None
    assert not found.certain
    assert (
        found.text
        == "evicted: Pod ephemeral local storage usage exceeds the total limit of containers 100Ki."
    )


@pytest.mark.parametrize(
    ("message", "certain"), [(OWN_LIMIT, True), ("The node was low on resource: ephemeral-storage.", False)]
)
def test_pods_that_are_evicted_again_and_again_are_certain_where_it_is_their_own_limit(
    message: str, certain: bool
) -> None:
    found = failed_pods_trouble([evicted(message)] * 3)
    assert found is not None
    assert found.certain == certain
    assert found.text.endswith("(as 2 before it)")


def test_where_no_pod_has_failed_there_is_nothing_to_tell() -> None:
    assert failed_pods_trouble([]) is None


def test_an_unschedulable_pod_is_told_with_what_the_scheduler_lacks() -> None:
    message = (
        "0/2 nodes are available: 1 Insufficient memory. no new claims to deallocate, preemption: 0/2 nodes"
        " are available: 2 No."
    )
    found = trouble(
        {
            "conditions": [
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
            ]
        }
    )
    assert found.unschedulable
    assert not found.certain
    assert found.text == "unschedulable: 0/2 nodes are available: 1 Insufficient memory"


@pytest.mark.parametrize(
    ("asked", "nodes", "why"),
    [
        (
            pod(memory="512G"),
            [node("arm64"), node("amd64", "1Ti")],
            "asks for 512G of memory, the largest such node has 64Gi",
        ),
        (pod(arch="arm64"), [node("amd64"), node("amd64")], "none of 2 nodes has kubernetes.io/arch=arm64"),
        (pod(), [], "none of 0 nodes has kubernetes.io/arch=arm64"),
        (
            pod(memory="32G"),
            [node("arm64", "64Gi", "500m"), node("arm64", "1Gi")],
            "asks for more cpu, memory together",
        ),
        (pod(), [node("arm64")], None),
    ],
)
def test_a_pod_that_no_node_could_ever_take_is_told_why(
    asked: dict[str, Any], nodes: list[dict[str, Any]], why: str | None
) -> None:
    found = no_node_will_do(asked, nodes)
    assert (found is None) if why is None else (found is not None and why in found)


def test_a_quota_that_refuses_pods_is_read_from_the_raycluster() -> None:
    message = 'pods "head-x" is forbidden: exceeded quota: team, requested: memory=2G'
    failure = {"type": "ReplicaFailure", "status": "True"}
    found = cluster_trouble({"status": {"conditions": [failure | {"message": message}]}})
    assert found == message
    assert refused_for_good(message)
    assert cluster_trouble({}) is None


def test_a_pod_that_the_operator_no_longer_found_to_delete_is_no_trouble() -> None:
    message = 'FailedDeleteWorkerPod pods "ray-worker-v94cq" not found'
    failure = {"type": "ReplicaFailure", "status": "True", "message": message}
    assert cluster_trouble({"status": {"conditions": [failure]}}) is None


def test_of_a_traceback_only_what_was_raised_is_told() -> None:
    # The end of a worker's log whose memory is too small for Ray 2.46.
    lines = [
        "/bin/bash: line 1: ulimit: open files: cannot modify limit: Operation not permitted",
        "    ) = ray._private.services.determine_plasma_store_config(",
        "        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        "    raise ValueError(",
        (
            "ValueError: Attempting to cap object store memory usage at 64493568 bytes, but the minimum"
            " allowed is 78643200 bytes."
        ),
    ]
    told = with_logs(trouble(crashed()), pod(), lines)
    assert (
        told.text
        == "container ray-worker crashed with exit code 1; its last lines: ValueError: Attempting to cap"
        " object store memory usage at 64493568 bytes, but the minimum allowed is 78643200 bytes."
    )


def test_what_every_pod_says_at_its_start_is_no_cause() -> None:
    told = with_logs(
        trouble(crashed()),
        pod(),
        ["/bin/bash: line 1: ulimit: open files: cannot modify limit: Operation not permitted"],
    )
    assert told.text == "container ray-worker crashed with exit code 1"


def event(
    reason: str, message: str, at: str, kind: str = "Warning", field: str = "lastTimestamp"
) -> dict[str, Any]:
    return {
        "type": kind,
        "reason": reason,
        "message": message,
        "metadata": {"creationTimestamp": "2026-01-01T10:00:00Z"},
        field: at,
    }


WORKER = {"metadata": {"name": "worker"}}
MISSING = event(
    "FailedMount",
    'MountVolume.SetUp failed for volume "licence" : secret "team" not found',
    "2026-01-01T10:00:09Z",
)


def test_a_volume_that_is_not_there_is_named_by_the_events_of_the_pod() -> None:
    scheduled = event(
        "Scheduled", "Successfully assigned", "2026-01-01T10:00:01.000000Z", "Normal", "eventTime"
    )
    found = starting_trouble(WORKER, [MISSING, scheduled])
    assert found is not None
    assert (
        found.line
        == 'pod worker: FailedMount: MountVolume.SetUp failed for volume "licence" : secret "team" not found'
    )
    assert not found.certain


def test_a_probe_that_says_nothing_is_named_all_the_same() -> None:
    found = starting_trouble(WORKER, [event("Unhealthy", "Readiness probe failed: ", "2026-01-01T10:02:00Z")])
    assert found is not None
    assert found.text == "Unhealthy: Readiness probe failed"


def test_a_large_image_on_its_way_is_told() -> None:
    found = starting_trouble(
        WORKER,
        [event("Pulling", 'Pulling image "rayproject/ray:2.46.0"', "2026-01-01T10:00:02Z", "Normal")],
    )
    assert found is not None
    assert found.text == 'Pulling: Pulling image "rayproject/ray:2.46.0"'


PULLING = event("Pulling", "Pulling image", "2026-01-01T10:00:02Z", "Normal")
STARTED = event("Started", "Started container", "2026-01-01T10:00:02Z", "Normal")


@pytest.mark.parametrize(
    "after",
    [
        [],
        [MISSING, event("Started", "Started container", "2026-01-01T10:01:00Z", "Normal")],
        [PULLING, STARTED],
    ],
)
def test_a_pod_whose_last_event_is_good_is_just_starting(after: list[dict[str, Any]]) -> None:
    assert starting_trouble(WORKER, after) is None


def test_what_only_an_event_tells_is_told_after_all_else_that_is_known() -> None:
    told = starting_trouble(WORKER, [MISSING])
    assert told is not None
    crashed_once = Trouble("other", "container ray-worker crashed with exit code 1")
    wrong_image = Trouble("other", "image cannot be pulled", certain=True)
    assert sorted([told, crashed_once, wrong_image], key=lambda one: one.rank) == [
        wrong_image,
        crashed_once,
        told,
    ]


@pytest.mark.parametrize(
    ("requirement", "met"),
    [
        ({"key": "pool", "operator": "In", "values": ["ray", "other"]}, True),
        ({"key": "pool", "operator": "In", "values": ["other"]}, False),
        ({"key": "pool", "operator": "NotIn", "values": ["ray"]}, False),
        ({"key": "zone", "operator": "NotIn", "values": ["a"]}, True),
        ({"key": "pool", "operator": "Exists"}, True),
        ({"key": "zone", "operator": "Exists"}, False),
        ({"key": "zone", "operator": "DoesNotExist"}, True),
        ({"key": "size", "operator": "Gt", "values": ["7"]}, True),
        ({"key": "size", "operator": "Gt", "values": ["8"]}, False),
        ({"key": "size", "operator": "Lt", "values": ["9"]}, True),
        ({"key": "pool", "operator": "Lt", "values": ["9"]}, False),
    ],
)
def test_an_affinity_that_no_node_meets_is_as_certain_as_a_lack_of_room(
    requirement: dict[str, Any], met: bool
) -> None:
    there = node("arm64")
    there["metadata"]["labels"] |= {"pool": "ray", "size": "8"}
    asked = pod()
    required = {"nodeSelectorTerms": [{}, {"matchExpressions": [requirement]}]}
    asked["spec"]["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    assert (no_node_will_do(asked, [there]) is None) == met


def test_an_affinity_that_no_node_meets_is_told_as_it_was_asked_for() -> None:
    asked = pod()
    terms = [
        {
            "matchExpressions": [
                {"key": "pool", "operator": "In", "values": ["a", "b"]},
                {"key": "gpu", "operator": "Exists"},
            ]
        },
        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-7"]}]},
    ]
    asked["spec"]["affinity"] = {
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    }
    assert (
        no_node_will_do(asked, [node("arm64")])
        == "none of 1 nodes is what its affinity asks for: pool In (a, b) and gpu Exists or metadata.name In"
        " (node-7)"
    )
