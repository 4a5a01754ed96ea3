"""Ports on which Ray could not listen, or by which KubeRay would find nothing, are
refused before anything changes.
"""

from typing import Any

import pytest

from tests.bad_settings import HEAD, cluster, head, job, service, worker
from tests.unit.kuberay.checks.test_loading import load, refused

NO_PORT = "is no port: a whole number, 1 to 65535"
SERVE = "kuberay:services.chat.serveConfig.http_options.port"
OWN = {"values": {"head": {"ports": [{"name": "serve", "containerPort": 8000}]}}}


def serving(port: Any) -> dict[str, Any]:
    config = service({"import_path": "a:b"})
    config["services"]["chat"]["serveConfig"]["http_options"] = {"port": port}
    return config


def twice(one: str, other: str) -> str:
    return (
        f"is the port of both {one} and {other}, of which Kubernetes makes no Service; choose another for one"
        " of them"
    )


@pytest.mark.parametrize(
    ("config", "line"),
    [
        (
            head(rayStartParams={"ray-client-server-port": 70000}),
            f'{HEAD}.rayStartParams.ray-client-server-port: "70000" {NO_PORT}',
        ),
        (
            worker(rayStartParams={"metrics-export-port": 65536}),
            f'kuberay:clusters.raycluster.worker.rayStartParams.metrics-export-port: "65536" {NO_PORT}',
        ),
        *(
            (
                head(rayStartParams={"port": port}),
                f'{HEAD}.rayStartParams.port: "{port}" {NO_PORT}',
            )
            for port in ("x", -1, 6379.5, "'x'")
        ),
        # Probes that do not follow are of no matter then.
        (
            head(rayStartParams={"dashboard-port": "x"}),
            f'{HEAD}.rayStartParams.dashboard-port: "x" {NO_PORT}',
        ),
        (serving(0), f"{SERVE}: 0 {NO_PORT}"),
        (serving("70000"), f'{SERVE}: "70000" {NO_PORT}'),
        (serving(True), f"{SERVE}: true {NO_PORT}"),
        *(
            (
                cluster(values={"head": {"ports": [{"containerPort": port}]}}),
                f"kuberay:clusters.raycluster.values.head.ports.0.containerPort: {port} {NO_PORT}",
            )
            for port in (0, 70000)
        ),
        (
            head(rayStartParams={"ray-client-server-port": 8265}),
            f"{HEAD}.rayStartParams.ray-client-server-port: 8265 {twice('client', 'dashboard')}",
        ),
        (
            {"kuberayVersion": "1.6.2"} | head(rayStartParams={"dashboard-port": 10001}),
            f"{HEAD}.rayStartParams.dashboard-port: 10001 {twice('client', 'dashboard')}",
        ),
        (serving(8265), f"{SERVE}: 8265 {twice('dashboard', 'serve')}"),
        (
            cluster(
                values={
                    "head": {"ports": [{"name": "a", "containerPort": 1}, {"name": "b", "containerPort": 1}]}
                }
            ),
            f"kuberay:clusters.raycluster.values.head.ports.1.containerPort: 1 {twice('a', 'b')}",
        ),
    ],
)
def test_a_port_that_there_is_not_or_that_is_anothers_is_refused(config: dict[str, Any], line: str) -> None:
    assert refused(config) == [line]


@pytest.mark.parametrize("port", [0, "0", "00", "'10002'", "$PORT", "$(cat /etc/port)", "`cat /etc/port`"])
def test_a_port_that_ray_or_the_shell_chooses_or_reads_is_taken(port: Any) -> None:
    assert load(head(rayStartParams={"node-manager-port": port, "min-worker-port": port}))


@pytest.mark.parametrize(
    ("flag", "port"),
    [
        ("ray-client-server-port", 80),
        ("ray-client-server-port", 0),
        ("runtime-env-agent-port", 0),
        ("min-worker-port", 1023),
    ],
)
def test_a_port_that_ray_takes_none_of_is_refused(flag: str, port: int) -> None:
    assert refused(head(rayStartParams={flag: port})) == [
        f'{HEAD}.rayStartParams.{flag}: "{port}" is refused by `ray start`: it must be a port from 1024 on'
    ]


@pytest.mark.parametrize(
    ("params", "least"),
    [({"min-worker-port": 12000, "max-worker-port": 11000}, 12000), ({"max-worker-port": 10002}, 10002)],
)
def test_the_last_port_of_workers_comes_after_the_first(params: dict[str, int], least: int) -> None:
    assert refused(worker(rayStartParams=params)) == [
        f"kuberay:clusters.raycluster.worker.rayStartParams.max-worker-port: {params['max-worker-port']} is"
        f" refused by `ray start`: it must be more than min-worker-port, which is {least}"
    ]


@pytest.mark.parametrize(
    "params",
    [
        {"min-worker-port": 12000, "max-worker-port": 12001},
        {"min-worker-port": 20000, "max-worker-port": 0},
        {"min-worker-port": "$LEAST", "max-worker-port": 1024},
        {"max-worker-port": 10003},
    ],
)
def test_ports_of_workers_that_ray_takes_are_taken(params: dict[str, Any]) -> None:
    assert load(worker(rayStartParams=params))


def test_jobs_and_services_need_the_dashboard_among_ports_of_ones_own() -> None:
    lacks = (
        "lacks one of the name dashboard: KubeRay finds Ray's dashboard by that; add {name: dashboard,"
        " containerPort: 8265}"
    )
    shown = '[{"name": "serve", "containerPort": 8000}]'
    assert refused(job(rayCluster=OWN) | service({"import_path": "a:b"}, rayCluster=OWN)) == [
        f"kuberay:jobs.train.rayCluster.values.head.ports: {shown} {lacks}",
        f"kuberay:services.chat.rayCluster.values.head.ports: {shown} {lacks}",
    ]
    assert refused(cluster(**OWN) | job(cluster="raycluster")) == [
        'kuberay:jobs.train.cluster: "raycluster" has no port of the name dashboard (values.head.ports), '
        "by which KubeRay finds where to submit jobs"
    ]
    assert load(cluster(**OWN))
