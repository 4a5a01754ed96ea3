"""What is said of whatever Kueue holds back."""

import asyncio
from typing import Any

import pytest

from kuberay.live.api.client import connect
from kuberay.live.diagnosis.queue import held_in_queue
from tests.unit.kuberay.live.api_server import Answering, ApiServer, serving, status

NO_ROOM = "couldn't assign flavors to pod set head: insufficient unused quota for memory"


def ray_cluster(**spec: Any) -> dict[str, Any]:
    labels = {"kueue.x-k8s.io/queue-name": "team"}
    metadata = {"name": "ray", "namespace": "kuberay", "uid": "mine", "labels": labels}
    return {"kind": "RayCluster", "metadata": metadata, "spec": spec}


def workload(owner: str, made: str, *, queue: str = "team", priority: int = 0, **conditions: str) -> Any:
    told = {"QuotaReserved": "False"} | conditions
    return {
        "metadata": {
            "name": f"raycluster-{owner}",
            "namespace": "kuberay",
            "creationTimestamp": f"2026-01-01T00:00:{made}Z",
            "ownerReferences": [{"uid": owner}],
        },
        "spec": {"queueName": queue, "priority": priority},
        "status": {
            "conditions": [
                {"type": type_, "status": value, "message": NO_ROOM} for type_, value in told.items()
            ]
        },
    }


def said(
    obj: dict[str, Any], *workloads: Any, version: str = "v1beta2", code: int = 404
) -> tuple[str | None, list[str]]:
    """With the versions of Kueue's API that were asked for."""
    asked = list[str]()

    class Answers(Answering):
        def do_GET(self) -> None:  # noqa: N802
            asked.append(self.path.split("/")[3])
            if asked[-1] == version:
                self.answer({"kind": "List", "metadata": {}, "items": list(workloads)})
            else:
                self.answer(status(code, "no", reason="No"), code)

    async def ask(server: ApiServer) -> str | None:
        return await held_in_queue(connect(server.connection(), "kuberay"), obj)

    with serving(ApiServer(Answers)) as server:
        return asyncio.run(ask(server)), asked


def test_its_place_among_those_that_wait_in_its_queue_and_what_there_is_too_little_of() -> None:
    others = [
        workload("older", "01"),
        workload("urgent", "09", priority=5),
        workload("younger", "08"),
        workload("runs", "00", QuotaReserved="True", Admitted="True"),
        workload("over", "00", Finished="True"),
        workload("elsewhere", "00", queue="other"),
    ]
    text, asked = said(ray_cluster(suspend=True), *others, workload("mine", "05"))
    assert text == f"queued in team, 3 of 4: {NO_ROOM}"
    assert asked == ["v1beta2"]


def test_a_kueue_that_has_only_the_older_api_is_asked_by_that() -> None:
    text, asked = said(ray_cluster(suspend=True), workload("mine", "05"), version="v1beta1")
    assert text == f"queued in team, 1 of 1: {NO_ROOM}"
    assert asked == ["v1beta2", "v1beta1"]


@pytest.mark.parametrize("code", [403, 404])
def test_without_access_to_kueues_objects_only_the_queue_is_named(code: int) -> None:
    assert said(ray_cluster(suspend=True), version="none", code=code)[0] == "queued in team"


@pytest.mark.parametrize("spec", [{}, {"suspend": False}, {"rayClusterConfig": {"suspend": False}}])
def test_what_runs_is_in_no_queue_and_nothing_is_asked(spec: dict[str, Any]) -> None:
    assert said(ray_cluster(**spec), workload("mine", "05")) == (None, [])


def test_a_service_waits_by_its_cluster() -> None:
    text, _ = said(ray_cluster(rayClusterConfig={"suspend": True}), workload("mine", "05"))
    assert text == f"queued in team, 1 of 1: {NO_ROOM}"


def test_what_is_suspended_without_a_queue_is_not_held_by_kueue() -> None:
    obj = ray_cluster(suspend=True)
    obj["metadata"]["labels"] = {}
    assert said(obj, workload("mine", "05")) == (None, [])
