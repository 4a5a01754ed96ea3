"""Ports on which Ray could not listen, or by which KubeRay would make no Service. Pure:
a plan in, problems out.
"""

from collections.abc import Iterator, Mapping

from kuberay.checks.messages import Place, Problem
from kuberay.facts.charts import Values
from kuberay.facts.objects import value_at
from kuberay.plan.pods import rendered_groups
from kuberay.plan.ports import FLAGS, as_port, is_port
from kuberay.plan.ray_cluster_spec import as_ray_reads_it, is_filled_in, ray_start_params
from kuberay.plan.stack import StackPlan
from kuberay.plan.workload_clusters import PlacedPlan

_NO_PORT = "is no port: a whole number, 1 to 65535"
_RESERVED = "is refused by `ray start`: it must be a port from 1024 on"
#: Flags that take none below 1024, and what else they take (`RayParams._check_usage`).
_NEVER_RESERVED = {
    "min-worker-port": 0,
    "max-worker-port": 0,
    "ray-client-server-port": None,
    "runtime-env-agent-port": None,
}
_SERVE_PORT = ("serveConfig", "http_options", "port")


def port_problems(plan: StackPlan) -> Iterator[Problem]:
    """Every problem of the ports of a stack."""
    for name, service in plan.settings.services.items():
        port = value_at(service.serve_config, _SERVE_PORT[1:])
        if port is not None and not as_port(port):
            yield Problem(("services", name, *_SERVE_PORT), port, _NO_PORT)
    for placed in plan.placed:
        for name, group in rendered_groups(placed.plan.values).items():
            for flag, text in ray_start_params(group).items():
                if flag.endswith("port") and (why := _why_refused(flag, text)):
                    yield Problem(placed.place(name, "rayStartParams", flag), text, why)
            yield from _worker_ports(placed, name, ray_start_params(group))
        yield from _shared_ports(placed)


def _why_refused(flag: str, text: str) -> str | None:
    if not is_port(text):
        return _NO_PORT
    if flag not in _NEVER_RESERVED or is_filled_in(text):
        return None
    port = int(as_ray_reads_it(text))
    return None if port >= 1024 or port == _NEVER_RESERVED[flag] else _RESERVED


def _worker_ports(placed: PlacedPlan, group: str, params: Mapping[str, str]) -> Iterator[Problem]:
    """The last of workers' ports has to come after the first, which has a default."""
    least, most = (
        as_port(as_ray_reads_it(params.get(flag, default)))
        for flag, default in (("min-worker-port", "10002"), ("max-worker-port", ""))
    )
    if least and most and most <= least:
        at = placed.place(group, "rayStartParams", "max-worker-port")
        yield Problem(
            at, most, f"is refused by `ray start`: it must be more than min-worker-port, which is {least}"
        )


def _shared_ports(placed: PlacedPlan) -> Iterator[Problem]:
    """KubeRay makes the head's Service of its ports, and Kubernetes takes none that has
    one twice.
    """
    seen: dict[int, str] = {}
    for index, port in enumerate(placed.plan.values["head"].get("ports") or []):
        number, name = port["containerPort"], str(port.get("name") or index)
        if number in seen:
            at = _place(placed, name, index) or _place(placed, seen[number], index)
            both = "of which Kubernetes makes no Service; choose another for one of them"
            yield Problem(
                at or placed.place("head", "ports"),
                number,
                f"is the port of both {seen[number]} and {name}, {both}",
                f"is the port of two, {both}",
            )
        seen.setdefault(number, name)


def _place(placed: PlacedPlan, name: str, index: int) -> Place | None:
    """Where the port of a name was set, if it was."""
    own: list[Values] = (placed.plan.settings.values.get("head") or {}).get("ports") or []
    if index < len(own):
        return (*placed.here, "values", "head", "ports", str(index), "containerPort")
    if FLAGS.get(name) in ray_start_params(placed.plan.values["head"]):
        return placed.place("head", "rayStartParams", FLAGS[name])
    return (
        ("services", placed.here[1], *_SERVE_PORT)
        if name == "serve" and placed.here[0] == "services"
        else None
    )
