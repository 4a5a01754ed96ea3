"""Where Ray listens. Pure.

KubeRay makes the head's Service, the one of Serve and the probes of applications by the
named ports of the Ray containers, and by Ray's own defaults where there are none
(`getServicePorts`, `FindContainerPort`): a flag that moves a port moves no Service. So
the containers are given the ports that settings move.
"""

from typing import Any

from kuberay.facts.charts import Values
from kuberay.plan.pods import rendered_groups
from kuberay.plan.ray_cluster_spec import as_ray_reads_it, is_filled_in, ray_start_params

#: The ports of a head by the names that KubeRay gives them (`getDefaultPorts`).
DEFAULT_PORTS = {"client": 10001, "gcs-server": 6379, "dashboard": 8265, "metrics": 8080, "serve": 8000}
#: The flags of `ray start` that move them. Serve has its port from its own config.
FLAGS = {
    "client": "ray-client-server-port",
    "gcs-server": "port",
    "dashboard": "dashboard-port",
    "metrics": "metrics-export-port",
}
#: Those that the pods of every group have.
_OF_ALL = ("metrics", "serve")


def write_ports(values: Values, serve_port: int | None) -> dict[str, int]:
    """Names the ports that are not Ray's defaults in the containers of merged values;
    those of the head are given back.

    A port that the owner has named already stays as it is.
    """
    of_head: dict[str, int] = {}
    for group_name, group in rendered_groups(values).items():
        own: list[Values] = group.get("ports") or []
        moved = moved_ports(group) | ({"serve": serve_port} if serve_port else {})
        named = {port.get("name") for port in own}
        moved = {
            name: port
            for name, port in moved.items()
            if name not in named and (group_name == "head" or name in _OF_ALL)
        }
        if group_name == "head":
            of_head = moved
        if moved:
            # A list stands in for all of the defaults.
            every = DEFAULT_PORTS | moved if group_name == "head" and not own else moved
            group["ports"] = [*own, *({"name": name, "containerPort": port} for name, port in every.items())]
    return of_head


def head_ports(values: Values) -> dict[str, int]:
    """Where the head of a cluster with these values listens, by KubeRay's names."""
    ports: list[Values] = values["head"].get("ports") or []
    return DEFAULT_PORTS | {
        str(port["name"]): int(port["containerPort"]) for port in ports if port.get("name")
    }


def as_port(value: Any) -> int | None:
    """A port given as a number or as digits; None where it is no port."""
    number = int(value) if str(value).isdecimal() else 0
    return number if 0 < number < 65536 else None


def is_port(text: str) -> bool:
    """Whether a flag of `ray start` has a port: a number, 0 for Ray to choose one, or
    what the shell fills in.
    """
    read = as_ray_reads_it(text)
    return is_filled_in(read) or (read.isdecimal() and (not int(read) or bool(as_port(read))))


def moved_ports(group: Values) -> dict[str, int]:
    """The ports of a group that flags of `ray start` move away from Ray's defaults."""
    params = ray_start_params(group)
    given = {name: as_port(as_ray_reads_it(params.get(flag, ""))) for name, flag in FLAGS.items()}
    return {name: port for name, port in given.items() if port and port != DEFAULT_PORTS[name]}
