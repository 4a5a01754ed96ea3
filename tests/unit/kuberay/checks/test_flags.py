"""Flags with which Ray would not start, or probes would fail, are refused before
anything changes.
"""

import json
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
            (
                f'kuberay:jobs.train.rayCluster.head.rayStartParams.dashboard-port: "9265" {NEEDS} 8265: no'
                " pod would get ready"
            ),
        ),
    ],
)
def test_a_port_that_probes_do_not_follow_is_refused_with_the_version_that_does(
    config: dict[str, Any], line: str
) -> None:
    assert refused(config) == [line]
    assert load(config | {"kuberayVersion": "1.6.0"})


@pytest.mark.parametrize(
    "config",
    [
        head(
            rayStartParams={
                "dashboard-port": "8265",
                "ray-client-server-port": 10002,
                "metrics-export-port": 9080,
            }
        ),
        worker(rayStartParams={"dashboard-port": 9265}),
        head(rayStartParams={"dashboard-port": 9265})
        | {"operator": {"values": {"env": [{"name": "ENABLE_PROBES_INJECTION", "value": "false"}]}}},
    ],
)
def test_what_no_probe_asks_is_for_every_version(config: dict[str, Any]) -> None:
    assert load(config)


NO_MAP = "is no map of numbers as JSON, which Ray reads there; write it as a map: resources: {NPU: 1}"


@pytest.mark.parametrize(
    ("resources", "shown"),
    [
        ("{NPU: 1}", "\"'{NPU: 1}'\""),
        ("NPU=1", '"NPU=1"'),
        ({"NPU": "one"}, """"'{\\"NPU\\": \\"one\\"}'\""""),
        ('["NPU"]', """"'[\\"NPU\\"]'\""""),
        (4, '"4"'),
    ],
)
def test_resources_that_are_no_map_of_numbers_are_refused(resources: Any, shown: str) -> None:
    assert refused(worker(rayStartParams={"resources": resources})) == [
        f"{WORKER}.rayStartParams.resources: {shown} {NO_MAP}"
    ]


@pytest.mark.parametrize(
    "resources", [{"NPU": 1, "slot": 0.5}, "{}", "'{\"a\": 1}'", '"{\\"a\\": 1}"', "$RESOURCES"]
)
def test_resources_that_ray_reads_are_taken(resources: Any) -> None:
    assert load(worker(rayStartParams={"resources": resources}))


@pytest.mark.parametrize(
    ("resources", "name", "flag"),
    [({"CPU": 4}, "CPU", "num-cpus"), ('{"memory": 1, "a": 1}', "memory", "memory")],
)
def test_a_resource_that_has_a_flag_of_its_own_is_refused(resources: Any, name: str, flag: str) -> None:
    (line,) = refused(worker(rayStartParams={"resources": resources}))
    assert line.endswith(f" is refused by `ray start`: {name} has a flag of its own, {flag}")


IS_REFUSED = "is refused by `ray start`: it must be"


@pytest.mark.parametrize(
    ("flag", "value", "kind"),
    [
        ("num-cpus", "two", "a whole number"),
        ("num-gpus", 0.5, "a whole number"),
        ("num-cpus", "$CPUS", "a whole number"),
        ("memory", "2Gi", "a whole number of bytes, without a unit"),
        ("object-store-memory", "2G", "a whole number of bytes, without a unit"),
        ("system-reserved-memory", "1G", "a whole number of bytes, without a unit"),
        ("system-reserved-cpu", "500m", "a number"),
        ("include-dashboard", "maybe", "true or false"),
        ("include-log-monitor", "", "true or false"),
        ("system-config", "[1]", "a map"),
        ("system-config", "{a}", "a map"),
        ("temp-dir", "ray", "an absolute path, such as /tmp/ray"),
        ("no-monitor", "yes", "true or false, for the flag takes no value"),
        ("disable-usage-stats", "1", "true or false, for the flag takes no value"),
    ],
)
def test_a_value_with_which_ray_would_end_at_once_is_refused(flag: str, value: Any, kind: str) -> None:
    shown = json.dumps(str(value))
    assert refused({"kuberayVersion": "1.7.0"} | head(rayStartParams={flag: value})) == [
        f"{HEAD}.rayStartParams.{flag}: {shown} {IS_REFUSED} {kind}"
    ]


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("include-log-monitor", "$LOGS"),
        ("include-log-monitor", "'Yes'"),
        ("system-reserved-cpu", 0.5),
        ("system-reserved-cpu", ".5"),
        ("system-reserved-memory", "'1000000000'"),
        ("system-config", {"a": 1}),
        ("system-config", "`cat config.json`"),
        ("temp-dir", "/data/ray"),
        ("temp-dir", "$DATA/ray"),
        ("no-monitor", True),
        ("verbose", "True"),
        # KubeRay writes its own in its place.
        ("block", "yes"),
    ],
)
def test_a_value_that_ray_reads_after_the_shell_is_taken(flag: str, value: Any) -> None:
    assert load({"kuberayVersion": "1.7.0"} | head(rayStartParams={flag: value}))


@pytest.mark.parametrize("port", [0, "9265", "$PORT"])
def test_a_dashboard_where_no_probe_asks_is_refused(port: Any) -> None:
    (line,) = refused(head(rayStartParams={"dashboard-port": port}))
    assert line == (
        f'{HEAD}.rayStartParams.dashboard-port: "{port}" needs KubeRay 1.6.0 or later; kuberayVersion is'
        " 1.3.0, whose probes ask port 8265: no pod would get ready"
    )


def test_the_ports_that_probes_ask_may_be_quoted() -> None:
    assert load(head(rayStartParams={"dashboard-port": "'8265'"}))
