"""What a RayJob or a RayService says of itself, and when it is certain."""

from typing import Any

import pytest

from kuberay.live.diagnosis.workloads import (
    Verdict,
    job_verdict,
    operator_has_seen,
    schedule_text,
    service_verdict,
    shortened,
    with_last_lines,
)


def job(backoff_limit: int = 0, **status: Any) -> Verdict:
    return job_verdict({"spec": {"backoffLimit": backoff_limit}, "status": status})


def app(status: str, message: str = "", **deployments: str) -> dict[str, Any]:
    told = {name: {"status": "UNHEALTHY", "message": text} for name, text in deployments.items()}
    return {"status": status, "message": message, "serveDeploymentStatuses": told}


def service(
    active: dict[str, Any] | None = None,
    pending: dict[str, Any] | None = None,
    *,
    ready: str = "True",
    reason: str = "NonZeroServeEndpoints",
    wanted: tuple[str, ...] = ("chat",),
) -> Verdict:
    status: dict[str, Any] = {
        "conditions": [
            {"type": "Ready", "status": ready, "reason": reason, "message": "the reason's message"}
        ]
    }
    if active is not None:
        status["activeServiceStatus"] = {"rayClusterName": "old", "applicationStatuses": active}
    if pending is not None:
        status["pendingServiceStatus"] = {"rayClusterName": "new", "applicationStatuses": pending}
    return service_verdict({"status": status}, set(wanted))


def test_a_job_is_over_when_kuberay_says_so_and_not_when_ray_alone_does() -> None:
    assert job(jobStatus="SUCCEEDED", jobDeploymentStatus="Complete").good
    assert not job(jobStatus="SUCCEEDED", jobDeploymentStatus="Running").good


def test_a_failed_job_is_told_with_its_own_message() -> None:
    found = job(
        jobStatus="FAILED",
        jobDeploymentStatus="Failed",
        reason="AppFailed",
        message="exit code 1,\nlast logs:\nValueError",
    )
    assert found.failed
    assert found.text == "exit code 1, last logs: ValueError"


def test_a_job_that_failed_in_ray_is_certain_before_kuberay_gives_up_its_submitter() -> None:
    assert job(jobStatus="FAILED", jobDeploymentStatus="Running", message="x").failed


def test_a_job_that_may_be_tried_again_is_not_given_up() -> None:
    assert not job(backoff_limit=1, jobStatus="FAILED", jobDeploymentStatus="Running").failed
    assert not job(backoff_limit=1, failed=1, jobStatus="FAILED", jobDeploymentStatus="Retrying").failed
    assert job(backoff_limit=1, failed=1, jobStatus="FAILED", jobDeploymentStatus="Running").failed


@pytest.mark.parametrize("status", ["Failed", "ValidationFailed"])
def test_a_job_that_never_got_to_ray_has_failed_too(status: str) -> None:
    found = job(
        jobDeploymentStatus=status, reason="DeadlineExceeded", message="passed the activeDeadlineSeconds"
    )
    assert found.failed
    assert found.text == "DeadlineExceeded: passed the activeDeadlineSeconds"


def test_a_stopped_job_has_not_succeeded() -> None:
    assert job(jobStatus="STOPPED", jobDeploymentStatus="Complete").failed


def test_a_job_that_waits_for_its_cluster_names_it_so_that_its_pods_are_looked_at() -> None:
    found = job(jobDeploymentStatus="Initializing", rayClusterName="train-raycluster-abcde")
    assert found.cluster == "train-raycluster-abcde"
    # A running job may wait for workers of an autoscaler that never come; that is
    # between Ray and the job.
    assert job(jobStatus="RUNNING", jobDeploymentStatus="Running", rayClusterName="x").cluster is None
    assert not job().failed


def test_a_service_is_good_when_it_takes_requests_and_all_applications_run() -> None:
    assert service({"chat": app("RUNNING")}).good
    assert not service({"chat": app("RUNNING")}, ready="False").good
    assert not service({"chat": app("DEPLOYING")}).good
    assert not service({}).good


def test_a_service_is_not_good_while_an_application_is_to_come_or_to_go() -> None:
    assert not service({"chat": app("RUNNING")}, wanted=("chat", "search")).good
    found = service({"chat": app("RUNNING"), "old": app("RUNNING")})
    assert not found.good
    assert "old RUNNING (to go)" in found.text


def test_a_service_that_is_being_upgraded_is_judged_by_its_new_cluster() -> None:
    upgrading = service({"chat": app("RUNNING")}, {"chat": app("RUNNING")})
    assert not upgrading.good
    assert upgrading.cluster == "new"
    assert service({"chat": app("RUNNING")}, {"chat": app("DEPLOY_FAILED", "no module")}).failed


def test_a_failed_application_is_told_with_its_message_and_those_of_its_deployments() -> None:
    found = service({"chat": app("DEPLOY_FAILED", "No module named\n'chat'", Model="replica died")})
    assert found.failed
    assert found.grace == 0
    assert found.text == "application chat is DEPLOY_FAILED: No module named 'chat'; Model: replica died"


def test_an_unhealthy_application_may_get_well() -> None:
    found = service({"chat": app("UNHEALTHY")})
    assert found.failed
    assert found.grace > 0


def test_a_spec_that_kuberay_refuses_is_certain() -> None:
    found = service(ready="False", reason="ValidationFailed")
    assert found.failed
    assert found.text == "ValidationFailed: the reason's message"


def test_a_status_from_before_the_last_change_is_known_as_such() -> None:
    assert operator_has_seen({"metadata": {"generation": 2}, "status": {"observedGeneration": 2}})
    assert not operator_has_seen({"metadata": {"generation": 2}, "status": {"observedGeneration": 1}})
    assert not operator_has_seen({"metadata": {"generation": 1}})


def test_a_long_message_keeps_its_end() -> None:
    told = shortened("x" * 5000 + "\nValueError: the cause")
    assert told.endswith("ValueError: the cause")
    assert len(told) < 700


def test_a_task_killed_by_rays_memory_monitor_is_named_though_ray_gives_advice_alone() -> None:
    # As Ray 2.46 told of one: the error's own line is not among the ten that it keeps.
    message = "\n".join(
        [
            (
                "Job entrypoint command failed with exit code 1, last available logs (truncated to 20,000"
                " chars):"
            ),
            (
                "1\t0.08\t/usr/bin/python3 /usr/local/bin/ray start --head --block"
                " --dashboard-agent-listen-port=52365 --dashb..."
            ),
            "578\t0.06\tray::JobSupervisor",
            (
                "Refer to the documentation on how to address the out of memory issue:"
                " https://docs.ray.io/en/latest/ray-core/scheduling/ray-oom-prevention.html. Consider"
                " provisioning more memory on this node"
            ),
        ]
    )
    verdict = job(jobStatus="FAILED", jobDeploymentStatus="Failed", reason="AppFailed", message=message)
    assert verdict.failed
    assert verdict.text.startswith("OutOfMemoryError: Ray's memory monitor killed a task")


def test_last_lines_are_told_where_the_message_does_not_hold_them() -> None:
    assert (
        with_last_lines("job failed", ["", "ValueError: no  data", "bye"])
        == "job failed; its last lines: ValueError: no data | bye"
    )
    assert (
        with_last_lines("failed: ValueError: no data", ["  ValueError: no data"])
        == "failed: ValueError: no data"
    )


def test_a_suspended_job_has_neither_failed_nor_succeeded() -> None:
    assert job(jobDeploymentStatus="Suspended") == Verdict("is suspended")


@pytest.mark.parametrize(
    "spec",
    [{"schedule": "0 2 * * *", "timeZone": "Europe/Berlin"}, {"schedule": "CRON_TZ=Europe/Berlin 0 2 * * *"}],
)
def test_a_schedule_is_told_with_its_time_and_its_last_run(spec: dict[str, Any]) -> None:
    assert schedule_text({"spec": spec}, None) == "runs at 0 2 * * * (Europe/Berlin); no run yet"
    status = {"jobStatus": "SUCCEEDED", "jobDeploymentStatus": "Complete"}
    run = {"metadata": {"name": "nightly-x"}, "spec": {}, "status": status}
    assert (
        schedule_text({"spec": spec}, run)
        == "runs at 0 2 * * * (Europe/Berlin); its last run nightly-x: SUCCEEDED"
    )
    assert schedule_text({"spec": spec | {"suspend": True}}, None) == "suspended; no run yet"


def test_an_incremental_upgrade_says_how_far_it_is() -> None:
    status = {
        "activeServiceStatus": {"rayClusterName": "old", "applicationStatuses": {"chat": app("RUNNING")}},
        "pendingServiceStatus": {
            "rayClusterName": "new",
            "applicationStatuses": {"chat": app("RUNNING")},
            "trafficRoutedPercent": 30,
        },
    }
    assert (
        service_verdict({"status": status}, {"chat"}).text
        == "its applications: chat RUNNING; 30 % of the requests go to new"
    )
