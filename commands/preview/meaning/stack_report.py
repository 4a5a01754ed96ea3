"""From the steps of a preview to what they mean for a whole stack. Pure."""

from commands.preview.meaning.clusters import clusters
from commands.preview.meaning.differences import hidden_changes, lines, shown_differences
from commands.preview.meaning.pods import add_totals, versions
from commands.preview.meaning.protection import protection_of
from commands.preview.meaning.report import (
    Level,
    OtherChange,
    RayChange,
    StackReport,
    Totals,
    VersionChange,
    worst,
)
from commands.preview.meaning.steps import COMPONENT, WAIT_FOR, Preview, Step
from commands.preview.meaning.workloads import JOB, SCHEDULE, SERVICE, services_that_stay, workloads
from kuberay.facts.charts import OPERATOR_RELEASE, RELEASE

#: A new one is not the old one: what it held is gone. A Secret of the same name is as
#: good as another.
_HOLDERS = (":Release", ":Namespace", ":PersistentVolumeClaim")


def stack_report(stack: str, preview: Preview) -> StackReport:
    """The report of a stack, but for what Helm renders and what the cluster says."""
    if preview.errors:
        return StackReport(
            stack=stack, level="failed", errors=list(preview.errors), warnings=list(preview.warnings)
        )
    ray = [*clusters(preview), *workloads(preview)]
    others = [_other(step) for step in preview.steps if _is_other(step)]
    changed: list[Level] = (
        ["changes"] if any(count for name, count in preview.operations.items() if name != "same") else []
    )
    staying = services_that_stay(preview)
    before, after = _with_services(ray, list(staying.values()), *_cluster_totals(preview, ray))
    report = StackReport(
        stack=stack,
        level=worst([*(one.level for one in (*ray, *others)), *changed]),
        is_new=not preview.outputs and any(step.type == "pulumi:pulumi:Stack" for step in preview.steps),
        operations=dict(preview.operations),
        before=before,
        after=after,
        versions=_versions(preview),
        protection=protection_of(preview),
        ray=ray,
        others=others,
        warnings=list(preview.warnings),
    )
    released = {step.name for step in preview.steps if step.type == RELEASE and step.operation != "delete"}
    if hidden := [
        one.name for one in ray if one.kind == "cluster" and one.name in released and one.after is None
    ]:
        report.unknown.append(
            f"CPU, memory and GPUs of {', '.join(hidden)}: all of its Helm values are encrypted"
        )
    if hidden := [
        *(name for name, total in staying.items() if total is None),
        *(one.name for one in ray if one.kind == "service" and one.operation != "delete" and not one.after),
    ]:
        report.unknown.append(f"CPU, memory and GPUs of service {', '.join(hidden)}: its spec is encrypted")
    return report


def _is_other(step: Step) -> bool:
    if step.type.startswith((COMPONENT, "pulumi:pulumi:")) or step.type in (WAIT_FOR, JOB, SCHEDULE, SERVICE):
        return False
    return not (step.type == RELEASE and step.parents == f"{COMPONENT}RayCluster")


def _other(step: Step) -> OtherChange:
    old, new = (
        (step.old.get("values"), step.new.get("values")) if step.type == RELEASE else (step.old, step.new)
    )
    found = shown_differences(old, new)
    operation = step.operation
    is_claim = step.type.endswith(":PersistentVolumeClaim")
    # Another one beside it: in another namespace, for Kubernetes takes no second one of
    # a name.
    is_second = is_claim and operation == "replace" and step.is_kept
    is_lost = operation == "delete" or (
        operation == "replace" and step.type.endswith(_HOLDERS) and not is_second
    )
    return OtherChange(
        kind="Helm release" if step.type == RELEASE else step.type.rpartition(":")[2],
        name=step.name,
        operation="create" if is_second else operation,
        values=lines(found) if operation in ("update", "replace") else [],
        secrets=hidden_changes(step.old, step.new, step.changed),
        about=_of_data(step) if is_claim else "",
        level="destroys" if is_lost else "changes",
    )


def _of_data(claim: Step) -> str:
    """What becomes of the data of a claim."""
    match claim.operation:
        case "delete":
            return "its data goes with it"
        case "replace":
            return "empty; the one before stays, with its data" if claim.is_kept else "its data goes"
        case "retain":
            return "its data stays"
        case _:
            return ""


def _versions(preview: Preview) -> list[VersionChange]:
    for step in preview.steps:
        if step.type == RELEASE and step.name == OPERATOR_RELEASE and step.operation != "delete":
            old, new = [step.old.get("version")], [step.new.get("version")]
            # The hook before the operator's release brings the CRDs of that version
            # (kuberay/live/crds/upgrade.py).
            return [*versions("KubeRay operator", old, new), *versions("CRDs", old, new)]
    return []


def _cluster_totals(preview: Preview, ray: list[RayChange]) -> tuple[Totals | None, Totals | None]:
    known = {
        name: Totals(cpu=str(cluster["cpu"]), memory=str(cluster["memory"]), gpus=int(cluster["gpus"]))
        for name, cluster in (preview.outputs.get("clusters") or {}).items()
    }
    before = add_totals(list(known.values())) if preview.outputs else None
    changed = {one.name: one for one in ray if one.kind == "cluster"}
    after: list[Totals | None] = [total for name, total in known.items() if name not in changed]
    for one in changed.values():
        if one.operation != "delete":
            stays = all(group.effect == "stays" for group in one.groups)
            after.append(one.after or (known.get(one.name) if stays else None))
    return before, _sum(after)


def _with_services(
    ray: list[RayChange], stay: list[Totals | None], before: Totals | None, after: Totals | None
) -> tuple[Totals | None, Totals | None]:
    """Both sides with the clusters of services, which are there for as long as these;
    a job's is there for a time. ``stay``: those of services that do not change.
    """
    changed = [one for one in ray if one.kind == "service"]
    old = [*stay, *(one.before for one in changed if one.operation != "create")]
    new = [*stay, *(one.after for one in changed if one.operation != "delete")]
    return _sum([before, *old]), _sum([after, *new])


def _sum(each: list[Totals | None]) -> Totals | None:
    known = [one for one in each if one is not None]
    return add_totals(known) if len(known) == len(each) else None
