"""The fields that an owner merges over the spec of a resource, as far as a plan reads
them. Pure.

Whatever else may be wrong with them, the CRD of that version says
(kuberay/live/crds/spec_check.py), and the API server.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from kuberay.checks.messages import Place, Problem
from kuberay.checks.raw_values import group_value_problems
from kuberay.facts.objects import value_at
from kuberay.plan.ray_cluster_spec import values_of_group
from kuberay.settings.stack import StackSettings
from kuberay.settings.workloads import CLUSTER_FIELD, JobSettings

_MAPS = (
    "autoscalerOptions authOptions gcsFaultToleranceOptions headGroupSpec headServiceAnnotations"
    " historyServerOptions upgradeStrategy".split()
)
#: What has the fields of a container that KubeRay makes of it.
_CONTAINERS = (("autoscalerOptions",), ("historyServerOptions", "collectorOptions"))
_OF_CONTAINERS = "env envFrom resources volumeMounts".split()
_SWITCHES = "enableInTreeAutoscaling suspend".split()
#: The maps of a RayJob and a RayService beside their clusters that a plan reads.
_MAPS_OF_WORKLOADS = [
    tuple(path.split("."))
    for path in (
        "submitterPodTemplate submitterPodTemplate.metadata submitterPodTemplate.spec"
        " serveService serveService.metadata serveService.spec"
    ).split()
]
_SUBMITTER = ("submitterPodTemplate", "spec", "containers")
#: What values call otherwise.
_IN_SPECS = {
    "containerEnv": "env",
    "podSecurityContext": "securityContext",
    "sidecarContainers": "containers",
}


def spec_problems(settings: StackSettings) -> Iterator[Problem]:
    """Every problem of the specs that a stack's settings give."""
    for name, cluster in settings.clusters.items():
        yield from _cluster_problems(("clusters", name, "spec"), cluster.spec)
    for kind, workloads in (("jobs", settings.jobs), ("services", settings.services)):
        for name, workload in workloads.items():
            field, here, spec = CLUSTER_FIELD[kind], (kind, name, "spec"), workload.spec
            if isinstance(workload, JobSettings) and workload.schedule:
                here, spec = (*here, "jobTemplate"), spec.get("jobTemplate", {})
            if not isinstance(spec, Mapping):
                yield Problem(here, spec, "must be a map")
                continue
            yield from _workload_problems(here, spec)  # pyright: ignore[reportUnknownArgumentType]
            if field not in spec:
                continue
            here, over = (*here, field), spec[field]
            if kind == "jobs" and settings.jobs[name].cluster:
                yield Problem(here, over, "is for a cluster of the job's own; it has none with cluster")
            elif not isinstance(over, Mapping):
                yield Problem(here, over, "must be a map")
            else:
                yield from _cluster_problems(here, over)  # pyright: ignore[reportUnknownArgumentType]


def _workload_problems(here: Place, spec: Mapping[str, Any]) -> Iterator[Problem]:
    for path in _MAPS_OF_WORKLOADS:
        above = value_at(spec, path[:-1])
        if isinstance(above, Mapping) and not isinstance(above.get(path[-1], {}), Mapping):  # pyright: ignore[reportUnknownMemberType]
            yield Problem((*here, *path), above[path[-1]], "must be a map")
    template = value_at(spec, _SUBMITTER[:-1])
    if isinstance(template, Mapping) and _SUBMITTER[-1] in template:
        whose = "the container that submits the job"
        yield from _container_problems((*here, *_SUBMITTER), template[_SUBMITTER[-1]], whose)


def _cluster_problems(here: Place, over: Mapping[str, Any]) -> Iterator[Problem]:
    for key in _MAPS:
        if key in over and not isinstance(over[key], Mapping):
            yield Problem((*here, key), over[key], "must be a map")
    for path in _CONTAINERS:
        container = value_at(over, path)
        if isinstance(container, Mapping):
            given = {key: container.get(key) for key in _OF_CONTAINERS}  # pyright: ignore[reportUnknownMemberType]
            yield from group_value_problems((*here, *path), given)
        elif container is not None and len(path) > 1:
            yield Problem((*here, *path), container, "must be a map")
    for key in _SWITCHES:
        if not isinstance(over.get(key), bool | None):
            yield Problem((*here, key), over[key], "must be true or false, without quotes")
    if isinstance(head := over.get("headGroupSpec"), Mapping):
        yield from _group_problems((*here, "headGroupSpec"), head)  # pyright: ignore[reportUnknownArgumentType]
    workers = over.get("workerGroupSpecs", [])
    if not (isinstance(workers, list) and all(isinstance(group, Mapping) for group in workers)):  # pyright: ignore[reportUnknownVariableType]
        yield Problem((*here, "workerGroupSpecs"), workers, "must be a list of maps")
        return
    names: set[str] = set()
    for index, group in enumerate(workers):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        at = (*here, "workerGroupSpecs", str(index))
        name: Any = group.get("groupName")
        if not (isinstance(name, str) and name) or name in names or name == "head":
            yield Problem(
                (*at, "groupName"),
                name,
                "must be text, and no other group's name; head is kept for the head pod",
            )
        names.add(str(name))
        if "template" not in group:
            yield Problem(
                (*at, "template"),
                None,
                "is required: a group of this list stands in place of the settings' groups",
            )
        else:
            yield from _group_problems(at, group)  # pyright: ignore[reportUnknownArgumentType]


def _group_problems(here: Place, group: Mapping[str, Any]) -> Iterator[Problem]:
    template: Any = group.get("template", {})
    parts: list[tuple[Place, Any]] = [((*here, "template"), template)]
    if isinstance(template, Mapping):
        parts += [((*here, "template", key), template.get(key, {})) for key in ("metadata", "spec")]  # pyright: ignore[reportUnknownMemberType]
    wrong = [Problem(at, part, "must be a map") for at, part in parts if not isinstance(part, Mapping)]
    pod: Any = parts[-1][1]
    # What is merged over the head's template keeps its containers; a worker group
    # stands in place of the settings' own.
    if not wrong and ("containers" in pod or here[-2] == "workerGroupSpecs"):
        wrong += _container_problems((*here, "template", "spec", "containers"), pod.get("containers"))
    yield from wrong
    if not wrong:
        for problem in group_value_problems((), values_of_group(group)):
            key, *rest = problem.path
            yield replace(problem, path=(*here, _IN_SPECS.get(key, key), *rest))


def _container_problems(here: Place, containers: Any, whose: str = "Ray's container") -> Iterator[Problem]:
    named = (
        isinstance(containers, list)
        and containers
        and all(isinstance(one, Mapping) and one.get("name") for one in containers)
    )  # pyright: ignore[reportUnknownVariableType]
    if not named:
        yield Problem(here, containers, f"must be a list of maps with a name each, {whose} first")
    elif not isinstance(containers[0].get("image"), str):
        yield Problem(
            (*here, "0", "image"), containers[0].get("image"), f"must be text: the image of {whose}"
        )
