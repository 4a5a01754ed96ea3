"""What `up` waits for of a schedule: that the operator has nothing against it."""

import asyncio
from typing import Any

import pytest

from kuberay.live.diagnosis import diagnoser
from kuberay.live.wait_loop import NotUpError
from kuberay.live.waiting import workloads
from kuberay.live.waiting.targets import WorkloadTarget
from kuberay.live.waiting.workloads import wait_for_schedule
from tests.unit.kuberay.live.api_server import Answering, ApiServer, serving, status

NIGHTLY = {
    "apiVersion": "ray.io/v1",
    "kind": "RayCronJob",
    "metadata": {
        "name": "nightly",
        "namespace": "kuberay",
        "uid": "1",
        "creationTimestamp": "2026-01-01T00:00:00Z",
    },
    "spec": {"schedule": "@daily"},
}
REFUSED = {
    "metadata": {"name": "e", "namespace": "kuberay"},
    "involvedObject": {"uid": "1"},
    "type": "Warning",
    "reason": "InvalidRayCronJobSpec",
    "message": "kuberay/nightly: invalid cron schedule",
    "lastTimestamp": "2026-01-01T00:00:01Z",
}


def wait(monkeypatch: pytest.MonkeyPatch, schedule: dict[str, Any] | None, *events: dict[str, Any]) -> None:
    class Answers(Answering):
        def do_GET(self) -> None:  # noqa: N802
            if "/raycronjobs/" in self.path:
                self.answer(schedule or status(404, "not found", reason="NotFound"), 200 if schedule else 404)
            else:
                self.answer(
                    {"kind": "List", "metadata": {}, "items": list(events) if "/events" in self.path else []}
                )

    monkeypatch.setattr(workloads, "_TAKEN", 0.2)
    monkeypatch.setattr(workloads, "_LOOK_AGAIN", 0.05)
    monkeypatch.setattr(diagnoser, "OPERATOR_LOOKS", 0.1)
    with serving(ApiServer(Answers)) as server:
        target = WorkloadTarget("kuberay", "nightly", 10)
        asyncio.run(wait_for_schedule(server.connection(), target, lambda _: None))


def test_a_schedule_of_which_the_operator_says_nothing_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    wait(monkeypatch, NIGHTLY)


def test_a_schedule_that_the_operator_refuses_fails_up_with_its_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(NotUpError, match="InvalidRayCronJobSpec: kuberay/nightly: invalid cron schedule"):
        wait(monkeypatch, NIGHTLY, REFUSED)


def test_a_schedule_that_is_gone_is_told_with_the_way_to_make_it_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(
        NotUpError, match="no such RayCronJob, though the state has it; `pulumi up --refresh` makes it anew"
    ):
        wait(monkeypatch, None)
