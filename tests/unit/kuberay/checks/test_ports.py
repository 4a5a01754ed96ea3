"""Ports that the probes of an operator cannot follow are refused by its version."""

from typing import Any

import pytest

from tests.bad_settings import HEAD, WORKER, head, job, worker
from tests.unit.kuberay.checks.test_loading import load, refused

NEEDS = "needs KubeRay 1.6.0 or later; kuberayVersion is 1.3.0, whose probes ask port"


@pytest.mark.parametrize(
    ("config", "line"),
    [
        (
            head(rayStartParams={"dashboard-port": 9265}),
            f'{HEAD}.rayStartParams.dashboard-port: "9265" {NEEDS} 8265: no pod would get ready',
        ),
        (
            worker(rayStartParams={"dashboard-agent-listen-port": 1}),
            f'{WORKER}.rayStartParams.dashboard-agent-listen-port: "1" {NEEDS} 52365: no pod would get ready',
        ),
        (
            {"clusters": {}} | job(rayCluster={"head": {"rayStartParams": {"dashboard-port": 9265}}}),
            f'kuberay:jobs.train.rayCluster.head.rayStartParams.dashboard-port: "9265" {NEEDS} 8265: no pod would get ready',
        ),
    ],
)
def test_a_port_that_probes_do_not_follow_is_refused_with_the_version_that_does(config: dict[str, Any], line: str) -> None:
    assert refused(config) == [line]
    assert load(config | {"kuberayVersion": "1.6.0"})


@pytest.mark.parametrize(
    "config",
    [
        head(rayStartParams={"dashboard-port": "8265", "ray-client-server-port": 10002, "metrics-export-port": 9080}),
        worker(rayStartParams={"dashboard-port": 9265}),
        head(rayStartParams={"dashboard-port": 9265})
        | {"operator": {"values": {"env": [{"name": "ENABLE_PROBES_INJECTION", "value": "false"}]}}},
    ],
)
def test_what_no_probe_asks_is_for_every_version(config: dict[str, Any]) -> None:
    assert load(config)
