"""Flags of `ray start` with which Ray does not start, or KubeRay's probes fail. Pure: a
plan in, problems out.
"""

import json
import re
import shlex
from collections.abc import Iterator

from kuberay.checks.messages import Problem
from kuberay.facts.versions import lacking
from kuberay.plan.pods import rendered_groups
from kuberay.plan.ray_cluster_spec import ray_start_params
from kuberay.plan.stack import StackPlan
from kuberay.settings.stack import StackSettings

#: The flags that move what the probes ask (`initLivenessAndReadinessProbe`), and where
#: Ray listens without them.
_PROBED = {"dashboard-port": "8265", "dashboard-agent-listen-port": "52365"}
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
            resources = ray_start_params(group).get("resources")
            if resources is not None and not _are_resources(resources):
                why = (
                    "is no map of numbers as JSON, which Ray reads there; write it as a map: resources:"
                    " {NPU: 1}"
                )
                yield Problem((*placed.place(name, "rayStartParams"), "resources"), resources, why)


def _are_resources(text: str) -> bool:
    """As Ray reads them off its command line, which a shell has read first; what only
    that one can tell is taken.
    """
    if "$" in text or "`" in text:
        return True
    try:
        (word,) = shlex.split(text)
        read = json.loads(word)
    except ValueError:
        return False
    return isinstance(read, dict) and all(type(amount) in (int, float) for amount in read.values())


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
                if params.get(flag, default) != default and (name == "head" or flag != "dashboard-port"):
                    at = (*placed.place(name, "rayStartParams"), flag)
                    yield Problem(
                        at, params[flag], f"{needs}, whose probes ask port {default}: no pod would get ready"
                    )


def _has_probes(settings: StackSettings) -> bool:
    variables = settings.operator.values.get("env") or []
    return not any(
        variable["name"] == "ENABLE_PROBES_INJECTION" and variable.get("value") == "false"
        for variable in variables
    )
