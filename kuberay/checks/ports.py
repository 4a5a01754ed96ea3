"""Ports that KubeRay's probes do not follow. Pure: a plan in, problems out."""

from collections.abc import Iterator

from kuberay.checks.messages import Problem
from kuberay.facts.versions import lacking
from kuberay.plan.pods import rendered_groups
from kuberay.plan.ray_cluster_spec import ray_start_params
from kuberay.plan.stack import StackPlan
from kuberay.settings.stack import StackSettings

#: The flags that move what the probes ask (`initLivenessAndReadinessProbe`), and where Ray listens without them.
_PROBED = {"dashboard-port": "8265", "dashboard-agent-listen-port": "52365"}


def port_problems(plan: StackPlan) -> Iterator[Problem]:
    """Flags with which the kubelet would end Ray's containers again and again, for their probes ask other ports."""
    needs = lacking("probes of other ports", kuberay=plan.settings.kuberay_version)
    if needs is None or not _has_probes(plan.settings):
        return
    for placed in plan.placed:
        for name, group in rendered_groups(placed.plan.values).items():
            params = ray_start_params(group)
            for flag, default in _PROBED.items():
                if params.get(flag, default) != default and (name == "head" or flag != "dashboard-port"):
                    at = (*placed.place(name, "rayStartParams"), flag)
                    yield Problem(at, params[flag], f"{needs}, whose probes ask port {default}: no pod would get ready")


def _has_probes(settings: StackSettings) -> bool:
    variables = settings.operator.values.get("env") or []
    return not any(variable["name"] == "ENABLE_PROBES_INJECTION" and variable.get("value") == "false" for variable in variables)
