"""What a month costs, over recorded previews: right, or not known."""

from typing import Any

import pytest

from commands.preview.meaning.cost import add_costs
from commands.preview.meaning.report import Cost, StackReport, same_change
from commands.preview.meaning.steps import read_preview
from tests.unit.commands.preview.meaning.recorded import NAMES, digest_of, recorded

#: An hour of a pod with 1 CPU and 2G costs 0.05, of one with 4G 0.07, of one with a GPU
#: 1 more.
PRICES: dict[str, Any] = {
    "cpuHour": 0.03,
    "gbHour": 0.01,
    "deviceHour": {"nvidia.com/gpu": 1},
    "currency": "EUR",
}
#: What the stack of the recorded previews costs: four pods of 2G and two of 4G.
BEFORE = round(730 * (4 * 0.05 + 2 * 0.07), 2)


def priced(name: str, prices: dict[str, Any] = PRICES) -> StackReport:
    report, preview = recorded(name, prices)
    add_costs(report, preview)
    return report


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("secret-values")])
def test_every_recorded_change_has_its_price(name: str) -> None:
    hours = {
        "memory": 0.01,  # a worker with 3G
        "kept-pods": 0.01,
        "replicas": 2 * 0.05,
        "cluster-added": 2 * 0.05 + 1,
        "cluster-removed": -2 * 0.05,
        "group-removed": -2 * 0.07,
        "service-added": 2 * 0.05,
        "service-cluster": 0.01,
        "service-replicas": 0.05,
        "workloads-removed": -2 * 0.05,
    }
    # These start from a stack that has the service.
    runs_service = name in ("service-cluster", "service-replicas", "serve-config", "workloads-removed")
    report = priced(name)
    if name == "broken":
        assert report.cost is None
        return
    assert report.cost is not None
    if name == "new":
        assert (report.cost.before, report.cost.after) == (None, Cost(amount=73, least=73, most=73))
        return
    before = BEFORE + (73 if runs_service else 0)
    assert report.cost.before is not None
    assert report.cost.after is not None
    assert report.cost.before.amount == pytest.approx(before)
    assert report.cost.after.amount == pytest.approx(before + 730 * hours.get(name, 0))


def test_what_is_encrypted_has_no_price() -> None:
    report = priced("secret-values")
    assert report.cost is not None
    assert (report.cost.before, report.cost.after) == (None, None)
    assert "what cluster raycluster costs: a setting of it is kept encrypted" in report.unknown


def test_an_autoscaler_has_a_price_between_two() -> None:
    digest = digest_of("new")
    for step in digest["steps"]:
        if step["urn"].endswith("Release::raycluster"):
            values = step["newState"]["inputs"]["values"]
            values["head"]["enableInTreeAutoscaling"] = True
            values["head"]["autoscalerOptions"] = {"resources": {"requests": {"cpu": "0", "memory": "0"}}}
            values["worker"] |= {"replicas": 2, "minReplicas": 1, "maxReplicas": 10}
    digest["config"] = {"kuberay:prices": '{"cpuHour": 0.03, "gbHour": 0.01}'}
    report = StackReport(stack="dev")
    add_costs(report, read_preview(digest))
    assert report.cost is not None
    assert report.cost.after == Cost(amount=109.5, least=73, most=401.5)


def test_the_first_entry_of_nodes_that_a_pod_asks_for_counts() -> None:
    nodes = [
        {"labels": {"pool": "none"}, "cpuHour": 100},
        {"labels": {"kubernetes.io/arch": "amd64"}, "cpuHour": 0.06},
        {"labels": {"kubernetes.io/arch": "amd64"}, "cpuHour": 100},
    ]
    report = priced("architecture", PRICES | {"nodes": nodes})
    assert report.cost is not None
    assert report.cost.before is not None
    assert report.cost.after is not None
    assert round(report.cost.after.amount - report.cost.before.amount, 2) == round(730 * 6 * 0.03, 2)


def test_a_device_without_a_price_is_not_free() -> None:
    report = priced("cluster-added", {"cpuHour": 0.03})
    assert report.cost is not None
    assert report.cost.after is None
    assert report.unknown == ["what cluster third costs: prices.deviceHour has none for nvidia.com/gpu"]


def test_a_job_that_takes_its_cluster_along_costs_by_the_hour_and_is_not_in_the_month() -> None:
    digest = digest_of("service-added")
    (job,) = [step for step in digest["steps"] if "ray.io/v1:RayJob::" in step["urn"]]
    job["newState"]["inputs"]["spec"]["shutdownAfterJobFinishes"] = True
    digest["config"] = {"kuberay:prices": '{"cpuHour": 1}'}
    preview = read_preview(digest)
    report, _ = recorded("service-added")
    add_costs(report, preview)
    train = next(one for one in report.ray if one.name == "train")
    assert (train.cost_is_hourly, train.cost_after) == (True, Cost(amount=2, least=2, most=2))


def test_without_prices_nothing_is_said() -> None:
    report = priced("memory", {})
    assert report.cost is None
    assert report.ray[0].cost_after is None
    assert report.unknown == []


def test_prices_are_no_part_of_what_is_approved() -> None:
    assert same_change(priced("memory"), priced("memory", {"cpuHour": 1}))
    assert not same_change(priced("memory"), priced("replicas"))


def test_prices_that_are_encrypted_are_not_known() -> None:
    digest = digest_of("memory")
    digest["config"] = {"kuberay:prices": "[secret]"}
    report = StackReport(stack="dev")
    add_costs(report, read_preview(digest))
    assert (report.cost, report.unknown) == (None, ["what a month costs: the prices are encrypted"])
