"""What a change of a job or a service means, of those that no preview was
recorded of.
"""

from typing import Any

import pytest

from commands.preview.meaning.report import RayChange
from commands.preview.meaning.steps import Operation, Preview, Step
from commands.preview.meaning.workloads import JOB, SCHEDULE, SERVICE, workloads

NIGHTLY: dict[str, Any] = {
    "schedule": "0 2 * * *",
    "jobTemplate": {"entrypoint": "python main.py", "backoffLimit": 0},
}


def change(
    type_: str, operation: Operation, old: dict[str, Any] | None, new: dict[str, Any] | None
) -> RayChange:
    sides = [{"spec": side} if side else {} for side in (old, new)]
    step = Step(operation, type_, "nightly", "", sides[0], sides[1])
    [found] = workloads(Preview((step,), {}, {}, (), (), (), {}))
    return found


def said_of_schedule(
    operation: Operation, old: dict[str, Any] | None, new: dict[str, Any] | None
) -> tuple[str, str]:
    found = change(SCHEDULE, operation, old, new)
    return found.headline, found.level


def test_a_new_schedule_says_what_runs_and_when() -> None:
    assert said_of_schedule("create", None, NIGHTLY) == ("new: runs `python main.py` at 0 2 * * *", "changes")
    paused = NIGHTLY | {"schedule": "CRON_TZ=Europe/Berlin 0 2 * * *", "suspend": True}
    assert said_of_schedule("create", None, paused) == (
        "new: runs `python main.py` at 0 2 * * * (Europe/Berlin); suspended for now",
        "changes",
    )


@pytest.mark.parametrize(
    ("new", "headline"),
    [
        ({"schedule": "0 3 * * *"}, "runs at 0 3 * * *"),
        ({"timeZone": "Europe/Berlin"}, "runs at 0 2 * * * (Europe/Berlin)"),
        ({"suspend": True}, "makes no more runs until suspend is false"),
        (
            {"jobTemplate": {"entrypoint": "python other.py", "backoffLimit": 0}},
            "its next run is changed: entrypoint",
        ),
    ],
)
def test_a_changed_schedule_is_for_the_runs_after_it(new: dict[str, Any], headline: str) -> None:
    assert said_of_schedule("update", NIGHTLY, NIGHTLY | new) == (
        f"{headline}; a run that is under way goes on",
        "changes",
    )


def test_a_schedule_that_goes_on_makes_up_for_what_it_has_missed() -> None:
    headline = "makes runs again, at once what it has missed; a run that is under way goes on"
    assert said_of_schedule("update", NIGHTLY | {"suspend": True}, NIGHTLY) == (headline, "changes")


def test_a_schedule_takes_its_runs_along() -> None:
    assert said_of_schedule("delete", NIGHTLY, None) == ("goes, with all of its runs", "destroys")


def test_a_job_that_is_suspended_loses_what_it_has_done() -> None:
    once: dict[str, Any] = {"entrypoint": "python main.py"}
    paused = change(JOB, "update", once, once | {"suspend": True})
    assert (
        paused.headline
        == "is suspended: where it runs, its cluster goes, and it runs anew when suspend is false"
    )
    assert paused.level == "destroys"
    assert (
        change(JOB, "update", once | {"suspend": True}, once).headline
        == "is suspended no longer: runs, unless it has ended before"
    )
    assert (
        change(JOB, "create", None, once | {"suspend": True}).headline
        == "new: suspended, and then runs `python main.py`"
    )


def service(memory: str, **more: Any) -> dict[str, Any]:
    limits = {"cpu": "4", "memory": memory, "nvidia.com/gpu": 8}
    container = {"name": "ray", "image": "rayproject/ray:2.56.0", "resources": {"limits": limits}}
    head = {"rayStartParams": {}, "template": {"metadata": {}, "spec": {"containers": [container]}}}
    worker = {"groupName": "workergroup", "replicas": 1, "minReplicas": 1, "maxReplicas": 1} | head
    return {
        "rayClusterConfig": {"headGroupSpec": head, "workerGroupSpecs": [worker]},
        "serveConfigV2": "{}",
    } | more


def test_an_upgrade_says_what_it_needs_beside_what_runs() -> None:
    found = change(SERVICE, "update", service("16G"), service("32G"))
    assert found.level == "restarts"
    assert (
        found.headline
        == "all its pods are replaced: a second cluster comes up and takes over (head: memory 16G → 32G;"
        " workergroup: memory 16G → 32G); until then it needs 16 GPUs, 8 CPU, 64G memory beside the 16"
        " GPUs, 8 CPU, 32G memory that run"
    )


def test_an_incremental_upgrade_says_its_steps() -> None:
    options = {
        "gatewayClassName": "istio",
        "stepSizePercent": 10,
        "intervalSeconds": 60,
        "maxSurgePercent": 100,
    }
    strategy = {
        "upgradeStrategy": {"type": "NewClusterWithIncrementalUpgrade", "clusterUpgradeOptions": options}
    }
    found = change(SERVICE, "update", service("16G", **strategy), service("32G", **strategy))
    assert "a second cluster comes up and takes over, 10 % of the requests every 60 s (" in found.headline
    assert "until then it needs up to 16 GPUs, 8 CPU, 64G memory beside" in found.headline


def test_the_service_of_applications_changes_in_place() -> None:
    found = change(
        SERVICE, "update", service("16G"), service("16G", serveService={"spec": {"type": "LoadBalancer"}})
    )
    assert (found.headline, found.level) == ("the Service of its applications changes in place", "changes")
