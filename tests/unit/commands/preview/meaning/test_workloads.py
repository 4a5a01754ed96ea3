"""What a change of a job or a service means, of those that no preview was
recorded of.
"""

from typing import Any

import pytest

from commands.preview.meaning.report import RayChange, Totals
from commands.preview.meaning.stack_report import stack_report
from commands.preview.meaning.steps import Operation, Preview, Step
from commands.preview.meaning.workloads import JOB, SCHEDULE, SERVICE, workloads
from kuberay.facts.phrases import SECRET

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


def test_a_group_that_goes_is_the_reason_for_a_second_cluster() -> None:
    old, new = service("16G"), service("16G")
    new["rayClusterConfig"]["workerGroupSpecs"] = []
    assert (
        "a second cluster comes up and takes over (group workergroup goes);"
        in change(SERVICE, "update", old, new).headline
    )
    hidden = new | {"rayClusterConfig": SECRET}
    assert "goes" not in change(SERVICE, "update", old, hidden).headline


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


def test_a_new_service_shows_the_pods_of_its_cluster() -> None:
    found = change(SERVICE, "create", None, service("16G"))
    assert [(group.group, group.effect, group.after and group.after.memory) for group in found.groups] == [
        ("head", "new", "16G"),
        ("workergroup", "new", "16G"),
    ]


def totals_with(
    *changed: Step, stays: dict[str, Any] | None = None
) -> tuple[Totals | None, Totals | None, list[str]]:
    """What the stack comes to before and after, beside a cluster of 1 CPU and 2G."""
    outputs = {"clusters": {"ray": {"cpu": "1", "memory": "2G", "gpus": 0}}}
    unchanged = {("", SERVICE, "chat"): {"spec": stays}} if stays else {}
    report = stack_report("dev", Preview(changed, outputs, {}, (), (), (), {}, unchanged=unchanged))
    return report.before, report.after, report.unknown


def test_the_clusters_of_services_count_in_what_a_stack_comes_to() -> None:
    alone, both = Totals(cpu="1", memory="2G", gpus=0), Totals(cpu="9", memory="34G", gpus=16)
    new = Step("create", SERVICE, "llm", "", {}, {"spec": service("16G")})
    assert totals_with(new) == (alone, both, [])
    goes = Step("delete", SERVICE, "llm", "", {"spec": service("16G")}, {})
    assert totals_with(goes) == (both, alone, [])
    grows = Step("update", SERVICE, "llm", "", {"spec": service("16G")}, {"spec": service("32G")})
    assert totals_with(grows) == (both, Totals(cpu="9", memory="66G", gpus=16), [])
    assert totals_with(stays=service("16G")) == (both, both, [])


def test_of_an_encrypted_service_the_sum_is_not_known() -> None:
    before, after, unknown = totals_with(stays=SECRET)  # pyright: ignore[reportArgumentType]
    assert (before, after) == (None, None)
    assert unknown == ["CPU, memory and GPUs of service chat: its spec is encrypted"]


def test_the_cluster_of_a_job_is_there_for_a_time_and_does_not_count() -> None:
    job = {"entrypoint": "true", "rayClusterSpec": service("16G")["rayClusterConfig"]}
    before, after, _ = totals_with(Step("create", JOB, "train", "", {}, {"spec": job}))
    assert before == after
