"""What happens to jobs and services. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import yaml

from commands.preview.meaning.differences import ENCRYPTED_SETTING, hidden_changes, lines, shown_differences
from commands.preview.meaning.pods import pod_versions, pods_of_spec, totals, what_differs
from commands.preview.meaning.report import GroupChange, Level, RayChange, Totals
from commands.preview.meaning.steps import Preview, Step
from kuberay.facts.objects import schedule_of, value_at
from kuberay.facts.phrases import SECRET

JOB, SERVICE = "kubernetes:ray.io/v1:RayJob", "kubernetes:ray.io/v1:RayService"
SCHEDULE = "kubernetes:ray.io/v1:RayCronJob"
#: What says when a RayCronJob runs, and not what.
_WHEN = {"schedule", "suspend", "timeZone"}

#: What KubeRay changes on a RayService's running cluster, rather than bring up another
#: one.
_SCALED = ("replicas", "minReplicas", "maxReplicas", "scaleStrategy")


def workloads(preview: Preview) -> list[RayChange]:
    """Every job and service that changes."""
    of_type = {JOB: _job, SCHEDULE: _schedule, SERVICE: _service}
    return [of_type[step.type](step) for step in preview.steps if step.type in of_type]


def services_that_stay(preview: Preview) -> dict[str, Totals | None]:
    """What the cluster of each service that stays as it is comes to, as far as the
    preview lists it; None where it is encrypted.
    """
    return {
        name: totals(pods_of_spec(value_at(inputs, ("spec", "rayClusterConfig"))))
        for (_, type_, name), inputs in preview.unchanged.items()
        if type_ == SERVICE
    }


def _job(step: Step) -> RayChange:
    old, new = _read_spec(step.old.get("spec")), _read_spec(step.new.get("spec"))
    change = _workload("job", step, old, new, "rayClusterSpec")
    spec: Mapping[str, Any] = new if isinstance(new, Mapping) else {}
    entrypoint = spec.get("entrypoint")
    where = dict.fromkeys(one.top for one in shown_differences(old, new)) if isinstance(new, Mapping) else {}
    match change.operation:
        case "create":
            waits = "suspended, and then " if spec.get("suspend") else ""
            change.headline = f"new: {waits}runs `{entrypoint}`" if entrypoint else "new"
        case "delete":
            change.headline, change.level = "goes", "destroys"
        case "replace":
            change.headline = f"runs again: {', '.join(where) or ENCRYPTED_SETTING}"
        case _ if "suspend" in where and spec.get("suspend"):
            change.headline = (
                "is suspended: where it runs, its cluster goes, and it runs anew when suspend is false"
            )
            change.level = "destroys"
        case _ if "suspend" in where:
            change.headline = "is suspended no longer: runs, unless it has ended before"
        case _:
            change.headline = f"does not run again: {', '.join(where) or ENCRYPTED_SETTING}"
    return change


def _schedule(step: Step) -> RayChange:
    old, new = (_flat(step.old.get("spec")), _flat(step.new.get("spec")))
    change = _workload("job", step, old, new, "rayClusterSpec")
    where = dict.fromkeys(one.top for one in shown_differences(old, new)) if isinstance(new, Mapping) else {}
    spec: Mapping[str, Any] = new if isinstance(new, Mapping) else {}
    at = schedule_of(spec) if spec else ENCRYPTED_SETTING
    what = [name for name in where if name not in _WHEN]
    parts: list[str] = []
    match change.operation:
        case "create":
            parts.append(f"new: runs `{spec.get('entrypoint')}` at {at}" if spec else "new")
            parts += ["suspended for now"] if spec.get("suspend") else []
        case "delete":
            parts.append("goes, with all of its runs")
            change.level = "destroys"
        case "replace":
            parts.append("is deleted and made anew, with all of its runs")
            change.level = "destroys"
        case _:
            if {"schedule", "timeZone"} & where.keys():
                parts.append(f"runs at {at}")
            if "suspend" in where:
                parts.append(
                    "makes no more runs until suspend is false"
                    if spec.get("suspend")
                    else "makes runs again, at once what it has missed"
                )
            if what or not where:
                parts.append(f"its next run is changed: {', '.join(what) or ENCRYPTED_SETTING}")
            parts.append("a run that is under way goes on")
    change.headline = "; ".join(parts)
    return change


def _flat(spec: Any) -> Any:
    """The spec of a RayCronJob as that of the RayJobs that it makes, and
    when it does.
    """
    if not isinstance(spec, Mapping) or not isinstance(spec.get("jobTemplate"), Mapping):
        return spec
    return {
        **_read_spec(spec["jobTemplate"]),
        **{key: value for key, value in spec.items() if key != "jobTemplate"},
    }


def _service(step: Step) -> RayChange:
    old, new = _read_spec(step.old.get("spec")), _read_spec(step.new.get("spec"))
    change = _workload("service", step, old, new, "rayClusterConfig")
    match change.operation:
        case "create":
            change.headline = "new"
        case "delete":
            change.headline, change.level = "goes", "destroys"
        case "replace":
            change.headline, change.level = "is deleted and made anew", "destroys"
        case _:
            change.headline, change.level = _service_headline(change, old, new)
    return change


def _service_headline(change: RayChange, old: Any, new: Any) -> tuple[str, Level]:
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return f"{ENCRYPTED_SETTING} changes; whether it takes a second cluster is not known", "restarts"
    parts: list[str] = []
    level: Level = "changes"
    if takes_a_new_cluster(old.get("rayClusterConfig"), new.get("rayClusterConfig")):
        why = [f"{group.group}: {', '.join(group.why)}" for group in change.groups if group.why]
        if change.after:
            why += [f"group {group.group} goes" for group in change.groups if not group.after]
        if (new.get("upgradeStrategy") or {}).get("type") == "None":
            parts.append("its running cluster keeps the old spec (upgradeStrategy: None)")
        else:
            reason = "; ".join(why) or ", ".join(change.secrets and [ENCRYPTED_SETTING]) or "its spec"
            parts.append(
                f"all its pods are replaced: a second cluster comes up and takes over{_step_by_step(new)}"
                f" ({reason})"
            )
            parts += _room(change, new)
            level = "restarts"
    if old.get("serveConfigV2") != new.get("serveConfigV2"):
        parts.append(
            "a new Serve config goes to the running cluster"
            if level == "changes"
            else "with a new Serve config"
        )
    if old.get("serveService") != new.get("serveService"):
        parts.append("the Service of its applications changes in place")
    return "; ".join(parts) or "no pod restarts", level


def _step_by_step(new: Mapping[str, Any]) -> str:
    options = (new.get("upgradeStrategy") or {}).get("clusterUpgradeOptions")
    return (
        f", {options['stepSizePercent']} % of the requests every {options['intervalSeconds']} s"
        if options
        else ""
    )


def _room(change: RayChange, new: Mapping[str, Any]) -> Iterator[str]:
    """What the new cluster of an upgrade takes beside the old one; less at a time where
    it grows as the old one shrinks.
    """
    if change.before and change.after:
        up_to = "up to " if (new.get("upgradeStrategy") or {}).get("clusterUpgradeOptions") else ""
        yield (
            f"until then it needs {up_to}{_amounts(change.after)} beside the {_amounts(change.before)}"
            " that run"
        )


def _amounts(side: Totals) -> str:
    gpus = f"{side.gpus} GPU{'' if side.gpus == 1 else 's'}, " if side.gpus else ""
    return f"{gpus}{side.cpu} CPU, {side.memory} memory"


def takes_a_new_cluster(old: Any, new: Any) -> bool:
    """Whether KubeRay answers a changed cluster spec of a RayService with a second
    cluster: not for replicas, nor for groups at the end.
    """
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return old != new
    groups = [
        [{k: v for k, v in one.items() if k not in _SCALED} for one in side.get("workerGroupSpecs") or []]
        for side in (old, new)
    ]
    rest = [{key: value for key, value in side.items() if key != "workerGroupSpecs"} for side in (old, new)]
    return rest[0] != rest[1] or groups[1][: len(groups[0])] != groups[0]


def _workload(kind: Literal["job", "service"], step: Step, old: Any, new: Any, cluster: str) -> RayChange:
    before, after = (pods_of_spec(value_at(side, (cluster,))) for side in (old, new))
    found = shown_differences(old, new)
    operation = step.operation
    groups: list[GroupChange] = []
    sides = before or {}, after or {}
    for name in dict.fromkeys([*sides[0], *sides[1]]):
        was, will_be = (side.get(name) for side in sides)
        why = what_differs(was, will_be) if was and will_be else []
        effect = "new" if operation == "create" else "stays"
        groups.append(GroupChange(group=name, effect=effect, before=was, after=will_be, why=why))
    ray = [value_at(side, (cluster, "rayVersion")) for side in (old, new)]
    return RayChange(
        kind=kind,
        name=step.name,
        operation=operation,
        headline="",
        groups=groups,
        before=totals(before),
        after=totals(after),
        versions=pod_versions(before, after, ray) if operation in ("update", "replace") else [],
        secrets=hidden_changes(step.old, step.new, step.changed),
        values=lines(found) if operation != "delete" else [],
    )


def _read_spec(spec: Any) -> Any:
    """The YAML texts in it as what they say."""
    if not isinstance(spec, Mapping):
        return spec
    return {
        key: _load_yaml(value) if key in ("serveConfigV2", "runtimeEnvYAML") else value
        for key, value in spec.items()
    }


def _load_yaml(text: Any) -> Any:
    try:
        return yaml.safe_load(text) if isinstance(text, str) and text != SECRET else text
    except (yaml.YAMLError, ValueError, RecursionError):  # A date that is none, for one.
        return text
