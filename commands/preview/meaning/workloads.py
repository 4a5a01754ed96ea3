"""What happens to jobs and services. Pure."""

from collections.abc import Mapping
from typing import Any, Literal

import yaml

from commands.preview.meaning.differences import HIDDEN, hidden_changes, lines, shown_differences
from commands.preview.meaning.pods import pod_versions, pods_of_spec, totals, what_differs
from commands.preview.meaning.report import GroupChange, Level, RayChange
from commands.preview.meaning.steps import SECRET, Preview, Step

JOB, SERVICE = "kubernetes:ray.io/v1:RayJob", "kubernetes:ray.io/v1:RayService"

#: What KubeRay changes on a RayService's running cluster, rather than bring up another one.
_SCALED = ("replicas", "minReplicas", "maxReplicas", "scaleStrategy")


def workloads(preview: Preview) -> list[RayChange]:
    """Every job and service that changes."""
    return [_job(step) if step.type == JOB else _service(step) for step in preview.steps if step.type in (JOB, SERVICE)]


def _job(step: Step) -> RayChange:
    old, new = _read_spec(step.old.get("spec")), _read_spec(step.new.get("spec"))
    change = _workload("job", step, old, new, "rayClusterSpec")
    entrypoint = new.get("entrypoint") if isinstance(new, Mapping) else None
    where = dict.fromkeys(one.top for one in shown_differences(old, new)) if isinstance(new, Mapping) else {}
    match change.operation:
        case "create":
            change.headline = f"new: runs `{entrypoint}`" if entrypoint else "new"
        case "delete":
            change.headline, change.level = "goes", "destroys"
        case "replace":
            change.headline = f"runs again: {', '.join(where) or HIDDEN}"
        case _:
            change.headline = f"does not run again: {', '.join(where) or HIDDEN}"
    return change


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
        return f"{HIDDEN} changes; whether it takes a second cluster is not known", "restarts"
    parts: list[str] = []
    level: Level = "changes"
    if takes_a_new_cluster(old.get("rayClusterConfig"), new.get("rayClusterConfig")):
        why = [f"{group.group}: {', '.join(group.why)}" for group in change.groups if group.why]
        if (new.get("upgradeStrategy") or {}).get("type") == "None":
            parts.append("its running cluster keeps the old spec (upgradeStrategy: None)")
        else:
            reason = "; ".join(why) or ", ".join(change.secrets and [HIDDEN]) or "its spec"
            parts.append(f"all its pods are replaced: a second cluster comes up and takes over ({reason})")
            level = "restarts"
    if old.get("serveConfigV2") != new.get("serveConfigV2"):
        parts.append("a new Serve config goes to the running cluster" if level == "changes" else "with a new Serve config")
    return "; ".join(parts) or "no pod restarts", level


def takes_a_new_cluster(old: Any, new: Any) -> bool:
    """Whether KubeRay answers a changed cluster spec of a RayService with a second cluster: not for replicas, nor for groups at the end."""
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return old != new
    groups = [[{k: v for k, v in one.items() if k not in _SCALED} for one in side.get("workerGroupSpecs") or []] for side in (old, new)]
    rest = [{key: value for key, value in side.items() if key != "workerGroupSpecs"} for side in (old, new)]
    return rest[0] != rest[1] or groups[1][: len(groups[0])] != groups[0]


def _workload(kind: Literal["job", "service"], step: Step, old: Any, new: Any, cluster: str) -> RayChange:
    old_spec, new_spec = (side.get(cluster) if isinstance(side, Mapping) else None for side in (old, new))
    before, after = pods_of_spec(old_spec), pods_of_spec(new_spec)
    found = shown_differences(old, new)
    operation = step.operation
    sides = before or {}, after or {}
    groups = [
        GroupChange(
            group=name,
            effect="stays",
            before=sides[0].get(name),
            after=sides[1].get(name),
            why=what_differs(sides[0][name], sides[1][name]) if name in sides[0] and name in sides[1] else [],
        )
        for name in dict.fromkeys([*sides[0], *sides[1]])
    ]
    ray = (_ray(old_spec), _ray(new_spec))
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
    return {key: _load_yaml(value) if key in ("serveConfigV2", "runtimeEnvYAML") else value for key, value in spec.items()}


def _load_yaml(text: Any) -> Any:
    try:
        return yaml.safe_load(text) if isinstance(text, str) and text != SECRET else text
    except yaml.YAMLError:
        return text


def _ray(spec: Any) -> str | None:
    return spec.get("rayVersion") if isinstance(spec, Mapping) else None
