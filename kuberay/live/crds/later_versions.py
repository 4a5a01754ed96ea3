"""Whether a version of KubeRay that is later than any known one has what a stack needs:
its charts and CRDs tell.

Helm drops a value that a chart does not read, and the API server a field that a CRD
does not know, both without a word.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

from kuberay.facts.chart_reading import ValuePath, is_listed, is_read, read_values, value_paths
from kuberay.facts.chart_source import chart_source
from kuberay.facts.charts import ANY, EACH, Chart, Keys, Values, chart_keys
from kuberay.facts.objects import plural
from kuberay.facts.phrases import first_few
from kuberay.facts.versions import NEWEST_KNOWN, is_later
from kuberay.live.charts.contents import ChartError, ChartTexts, chart_texts
from kuberay.live.crds.schemas import lost_fields
from kuberay.plan.dry_run import Manifest, questions, what_changes
from kuberay.plan.stack import StackPlan
from kuberay.settings.overrides import without_nulls

_SERVING: Final = {"rayClusterName": "", "applicationStatuses": {"any": {"status": "", "message": ""}}}
#: What `up` and the doctor read of a resource's status.
_STATUS: Final[Mapping[str, Any]] = {
    "RayCluster": {"conditions": [{"type": "", "status": "", "reason": "", "message": ""}]},
    "RayJob": dict.fromkeys("jobDeploymentStatus jobStatus reason message failed rayClusterName".split(), ""),
    "RayService": {
        "conditions": [],
        "observedGeneration": 0,
        "activeServiceStatus": _SERVING,
        "pendingServiceStatus": _SERVING,
    },
}


@dataclass(frozen=True)
class LaterVersion:
    """What a look at the charts of a later version has found out."""

    problems: list[str]
    """What keeps the stack from it, a line each."""
    remark: str
    """What was not tested, in one line."""


def look_at_later_version(plan: StackPlan, project_folder: Path) -> LaterVersion | None:
    """Reads the charts where the stack's version of KubeRay is later than any known
    one; None where it is known. ``project_folder``: what a local chart folder is
    relative to.
    """
    version = plan.settings.kuberay_version
    if not is_later(version):
        return None
    problems: list[str] = []
    new: list[str] = []
    try:
        for chart, values in _releases(plan).items():
            repository = plan.settings.chart_repository
            texts = chart_texts(
                chart_source(chart, version=version, repository=repository, project_folder=project_folder)
            )
            known = chart_keys(chart, version)
            read = read_values(texts.templates, texts.values, known)
            if unread := [path for path in _set_paths(values, known) if not is_read(_general(path), read)]:
                paths = first_few(list(dict.fromkeys(map(".".join, unread))), 5)
                problems.append(f"its chart {chart} does not read {paths}, which this stack sets")
            new += [
                f"{chart} {'.'.join(path)}"
                for path in value_paths(texts.values, known)
                if not is_listed(path, known)
            ]
            if chart == "kuberay-operator":
                problems += _crd_problems(plan, texts)
    except ChartError as error:
        problems = [f"what it needs cannot be found out: {error}"]
    refusal = f'kuberay:kuberayVersion: "{version}" cannot be used'
    looked_at = "charts and CRDs" if plan.operator.settings.install else "charts"
    remark = (
        f"KubeRay {version} is later than {NEWEST_KNOWN}, the newest known: its {looked_at} have what this"
        " stack uses, by their texts; nothing else of it was tested, neither its operator nor its feature"
        " gates"
    )
    if new:
        remark += f"; new values of its charts keep their defaults: {first_few(new, 5)}"
    return LaterVersion(
        [f"{refusal}: {problem}; the newest known is {NEWEST_KNOWN}" for problem in problems], remark
    )


def _releases(plan: StackPlan) -> dict[Chart, list[Values]]:
    """The values of the stack's releases, by chart."""
    releases: dict[Chart, list[Values]] = {}
    if plan.operator.settings.install:
        releases["kuberay-operator"] = [plan.operator.values]
    # One whose RayCluster is written here is of the program's own chart, which reads
    # all of it.
    if of_chart := [cluster.values for cluster in plan.clusters.values() if cluster.resource is None]:
        releases["ray-cluster"] = of_chart
    return releases


def _set_paths(releases: Iterable[Values], known: Keys) -> Iterator[ValuePath]:
    for values in releases:
        yield from _paths_below(without_nulls(values), known)


def _paths_below(values: Mapping[str, Any], known: Keys, above: ValuePath = ()) -> Iterator[ValuePath]:
    """Where values say something: an empty one says nothing."""
    for key, value in values.items():
        below = known.get(EACH if EACH in known else key, ANY)
        if below is not ANY and isinstance(value, Mapping):
            yield from _paths_below(value, below, (*above, key))  # pyright: ignore[reportUnknownArgumentType]
        elif value not in ("", [], {}):
            yield (*above, key)


def _general(path: ValuePath) -> ValuePath:
    return (path[0], EACH, *path[2:]) if path[0] == "additionalWorkerGroups" else path


def _crd_problems(plan: StackPlan, texts: ChartTexts) -> Iterator[str]:
    by_kind: dict[str, list[Manifest]] = defaultdict(list)
    for question in chain.from_iterable(questions(plan, whose) for whose in what_changes(plan)):
        if question.is_custom:
            by_kind[question.manifest["kind"]].append(question.manifest)
    for kind, objects in by_kind.items():
        name, api = f"{plural(kind)}.ray.io", objects[0]["apiVersion"]
        crd = texts.crd(name)
        if crd is None:
            yield f"its chart kuberay-operator has no CRD {name}, and this stack has a {kind}"
            continue
        versions = (each for each in crd["spec"]["versions"] if each["served"])
        served = next((each for each in versions if api.endswith(f"/{each['name']}")), None)
        if not served:
            yield f"its CRD {name} has no {api}, in which this stack writes its {kind}"
            continue
        schema = served["schema"]["openAPIV3Schema"]["properties"]
        lost = [
            re.sub(r"\[\d+\]", "[]", field)
            for obj in objects
            for field in lost_fields(obj["spec"], {}, schema["spec"], "spec")
        ]
        lost += lost_fields(_STATUS.get(kind, {}), {}, schema.get("status", {}), "status")
        if lost:
            yield (
                f"its CRD {name} does not know {first_few(list(dict.fromkeys(lost)), 5)}, which this stack"
                " needs"
            )
