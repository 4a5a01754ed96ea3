"""Flags of `ray start` with which Ray does not start, or KubeRay's probes fail. Pure: a
plan in, problems out.
"""

import json
import re
import shlex
from collections.abc import Iterator
from typing import Any

from kuberay.checks.messages import Problem
from kuberay.facts.versions import lacking
from kuberay.plan.pods import rendered_groups
from kuberay.plan.ports import is_port
from kuberay.plan.ray_cluster_spec import OFF, ON, as_ray_reads_it, is_filled_in, ray_start_params
from kuberay.plan.stack import StackPlan
from kuberay.settings.stack import StackSettings

#: The flags that move what the probes ask (`initLivenessAndReadinessProbe`), and where
#: Ray listens without them.
_PROBED = {"dashboard-port": "8265", "dashboard-agent-listen-port": "52365"}
_BYTES, _WHOLE = "a whole number of bytes, without a unit", "a whole number"
_SWITCH, _NUMBER, _MAP = "true or false", "a number", "a map"
#: Of flags without a value, which KubeRay passes on or leaves out (`convertParamMap`).
_BARE = "true or false, for the flag takes no value"
_FOLDER = "an absolute path, such as /tmp/ray"
_RESOURCES = "is no map of numbers as JSON, which Ray reads there; write it as a map: resources: {NPU: 1}"
#: What the flags have to be that take no text. Ports are checked with all other ports.
_KINDS = {
    "memory": _BYTES,
    "object-store-memory": _BYTES,
    "system-reserved-memory": _BYTES,
    "num-cpus": _WHOLE,
    "num-gpus": _WHOLE,
    "system-reserved-cpu": _NUMBER,
    "include-dashboard": _SWITCH,
    "include-log-monitor": _SWITCH,
    "enable-resource-isolation": _BARE,
    "disable-usage-stats": _BARE,
    "head": _BARE,
    "no-monitor": _BARE,
    "no-redirect-output": _BARE,
    "ray-debugger-external": _BARE,
    "verbose": _BARE,
    "system-config": _MAP,
    "resources": _RESOURCES,
    "temp-dir": _FOLDER,
}
#: Resources that flags of their own stand for.
_OWN_FLAGS = {
    "CPU": "num-cpus",
    "GPU": "num-gpus",
    "memory": "memory",
    "object_store_memory": "object-store-memory",
}
#: What KubeRay and this program read too, which know no shell.
_READ_AS_WRITTEN = ("memory", "object-store-memory", "num-cpus", "num-gpus")
#: What Ray shows Redis. Everyone reads a flag, so it names a variable for the shell:
#: `$REDIS_PASSWORD`.
PASSWORD_FLAG = "redis-password"


def is_plain_password(value: object) -> bool:
    """Whether a password itself stands there, and not the variable that holds it."""
    return re.fullmatch(r"""(["']?)\$(\w+|\{\w+\})\1""", str(value)) is None


def flag_problems(plan: StackPlan) -> Iterator[Problem]:
    """Every problem of the flags of a stack's groups."""
    yield from _port_problems(plan)
    for placed in plan.placed:
        for name, group in rendered_groups(placed.plan.values).items():
            for flag, text in ray_start_params(group).items():
                if why := _why_refused(flag, text):
                    yield Problem(placed.place(name, "rayStartParams", flag), text, why)


def _why_refused(flag: str, text: str) -> str | None:
    """Why Ray ends at once with this value; what only the shell can tell is taken, but
    for sizes that are read before.
    """
    kind, as_written = _KINDS.get(flag), flag in _READ_AS_WRITTEN
    if kind is None or (is_filled_in(text) and not as_written):
        return None
    if kind == _RESOURCES:
        return _why_no_resources(text)
    read = text if as_written else as_ray_reads_it(text)
    is_one = {
        _BYTES: read.isdecimal,
        _WHOLE: read.isdecimal,
        _SWITCH: lambda: read.lower() in (*OFF, *ON),
        _BARE: lambda: text.lower() in ("true", "false"),
        _NUMBER: lambda: re.fullmatch(r"\d+(\.\d*)?|\.\d+", read),
        _FOLDER: lambda: read.startswith("/"),
        _MAP: lambda: isinstance(_as_json(text), dict),
    }
    return None if is_one[kind]() else f"is refused by `ray start`: it must be {kind}"


def _why_no_resources(text: str) -> str | None:
    read = _as_json(text)
    if not isinstance(read, dict) or any(type(amount) not in (int, float) for amount in read.values()):
        return _RESOURCES
    name = next((name for name in _OWN_FLAGS if name in read), None)
    return name and f"is refused by `ray start`: {name} has a flag of its own, {_OWN_FLAGS[name]}"


def _as_json(text: str) -> Any:
    """As Ray reads it off its command line, which a shell has read first; None where it
    cannot.
    """
    try:
        (word,) = shlex.split(text)
        return json.loads(word)
    except ValueError:
        return None


def _port_problems(plan: StackPlan) -> Iterator[Problem]:
    """Flags with which the kubelet would end Ray's containers again and again, for
    their probes ask other ports.
    """
    needs = lacking("probes of other ports", kuberay=plan.settings.kuberay_version)
    if needs is None or not _has_probes(plan.settings):
        return
    for placed in plan.placed:
        for name, group in rendered_groups(placed.plan.values).items():
            params = ray_start_params(group)
            for flag, default in _PROBED.items():
                port = as_ray_reads_it(params.get(flag, default))
                if is_port(port) and port != default and (name == "head" or flag != "dashboard-port"):
                    at = placed.place(name, "rayStartParams", flag)
                    yield Problem(
                        at, params[flag], f"{needs}, whose probes ask port {default}: no pod would get ready"
                    )


def _has_probes(settings: StackSettings) -> bool:
    variables = settings.operator.values.get("env") or []
    return not any(
        variable["name"] == "ENABLE_PROBES_INJECTION" and variable.get("value") == "false"
        for variable in variables
    )
