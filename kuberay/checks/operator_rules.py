"""What the operator refuses of a RayCluster, told before it does. Pure.

It says so in an event, and from then on does nothing for the cluster: `up` would
replace running pods, and wait for new ones until its time is over. The rules are those
of `ValidateRayClusterSpec` (KubeRay 1.3.0 to 1.7.0,
`controllers/ray/utils/validation.go`), as far as settings or raw values can break them;
a rule without a version is in all of them.
"""

from collections.abc import Iterable, Iterator

from kuberay.checks.messages import Place, Problem
from kuberay.facts.charts import Values
from kuberay.facts.labels import FAULT_TOLERANT, STORAGE_NAMESPACE
from kuberay.facts.objects import value_at
from kuberay.facts.versions import at_least
from kuberay.plan.pods import AUTOSCALER_V2, COLLECTED_VOLUME, LOG_FOLDER, rendered_groups
from kuberay.plan.ray_cluster_spec import head_environment, ray_start_params
from kuberay.plan.workload_clusters import PlacedPlan

#: Variables of the head that `gcsFaultTolerance` stands for.
_BY_OPTIONS = {"RAY_REDIS_ADDRESS": "redisAddress", "REDIS_PASSWORD": "redisPassword"}


def operator_rule_problems(plans: Iterable[PlacedPlan], version: str) -> Iterator[Problem]:
    """Of all clusters of a stack; ``version`` is KubeRay's."""
    for placed in plans:
        yield from _group_problems(placed, version)
        yield from _redis_problems(placed)
        yield from _autoscaler_problems(placed, version)
        yield from _collector_problems(placed)


def _group_problems(placed: PlacedPlan, version: str) -> Iterator[Problem]:
    for name, group in rendered_groups(placed.plan.values).items():
        labels = ray_start_params(group).get("labels")
        if labels is not None and at_least(version, "1.5.0"):
            why = "is refused by KubeRay from 1.5.0 on; set rayLabels instead"
            yield Problem(placed.place(name, "rayStartParams", "labels"), labels, why)
        idle = group.get("idleTimeoutSeconds")
        if idle is not None and not _scales_by_v2(placed.plan.values):
            why = "is read by the second version of the autoscaler alone; set autoscaling.version: v2"
            yield Problem(placed.place(name, "idleTimeoutSeconds"), idle, why)
        least, most = group.get("minReplicas") or 0, group.get("maxReplicas") or 0
        if name != "head" and 0 < most < least and at_least(version, "1.6.0"):
            why = f"is more than maxReplicas ({most}): KubeRay refuses that from 1.6.0 on"
            yield Problem(placed.place(name, "minReplicas"), least, why)


def _scales_by_v2(values: Values) -> bool:
    """As KubeRay finds out (`IsAutoscalingV2Enabled`)."""
    head = values["head"]
    chosen = (head.get("autoscalerOptions") or {}).get("version") == "v2" or head_environment(values).get(
        AUTOSCALER_V2
    ) in ("1", "true")
    return bool(head.get("enableInTreeAutoscaling")) and chosen


def _redis_problems(placed: PlacedPlan) -> Iterator[Problem]:
    values, params = placed.plan.values, ray_start_params(placed.plan.values["head"])
    environment = head_environment(values)
    why = "is refused by KubeRay; it takes a user from gcsFaultTolerance.redisUsername alone"
    if params.get("redis-username"):
        yield Problem(placed.place("head", "rayStartParams", "redis-username"), params["redis-username"], why)
    if "REDIS_USERNAME" in environment:
        yield Problem(_place_of(placed, "REDIS_USERNAME"), "…", why)

    annotations: Values = values.get("annotations") or {}
    if (values.get("gcsFaultTolerance") or {}).get("enabled"):
        if params.get("redis-password"):
            why = "is refused by KubeRay together with gcsFaultTolerance; set its redisPassword"
            yield Problem(placed.place("head", "rayStartParams", "redis-password"), "…", why)
        for variable, setting in _BY_OPTIONS.items():
            if variable in environment:
                yield Problem(
                    _place_of(placed, variable),
                    "…",
                    f"is refused by KubeRay together with gcsFaultTolerance; set its {setting}",
                )
        for annotation in (FAULT_TOLERANT, STORAGE_NAMESPACE):
            if annotations.get(annotation):
                why = "is refused by KubeRay together with gcsFaultTolerance; leave it out"
                yield Problem(
                    (*placed.here, "values", "annotations", annotation), annotations[annotation], why
                )
    elif str(annotations.get(FAULT_TOLERANT)).lower() != "true" and "RAY_REDIS_ADDRESS" in environment:
        yield Problem(
            _place_of(placed, "RAY_REDIS_ADDRESS"),
            "…",
            "is refused by KubeRay without gcsFaultTolerance; set its redisAddress",
        )


def _autoscaler_problems(placed: PlacedPlan, version: str) -> Iterator[Problem]:
    values = placed.plan.values
    environment, head = head_environment(values), values["head"]
    if AUTOSCALER_V2 not in environment:
        return
    if not head.get("enableInTreeAutoscaling"):
        if environment[AUTOSCALER_V2] in ("1", "true") and at_least(version, "1.5.0"):
            why = (
                "is refused by KubeRay from 1.5.0 on without an autoscaler; set autoscaling.version: v2"
                " instead"
            )
            yield Problem(_place_of(placed, AUTOSCALER_V2), environment[AUTOSCALER_V2], why)
    elif (chosen := (head.get("autoscalerOptions") or {}).get("version")) and at_least(version, "1.4.0"):
        why = (
            f"is refused by KubeRay from 1.4.0 on beside {AUTOSCALER_V2}, which autoscaling.version: v2 sets;"
            " leave it out"
        )
        yield Problem(placed.place("head", "autoscalerOptions", "version"), chosen, why)


def _collector_problems(placed: PlacedPlan) -> Iterator[Problem]:
    """KubeRay takes this one too, and the collector then copies an empty folder: it
    mounts a volume of a fixed name (`addEmptyDir`, 1.7.0).
    """
    if not value_at(placed.plan.spec, ("historyServerOptions", "collectorOptions")):
        return
    for name, group in rendered_groups(placed.plan.values).items():
        for mount in group.get("volumeMounts") or []:
            is_of_logs = str(mount.get("mountPath")).rstrip("/") == LOG_FOLDER
            if is_of_logs and mount.get("name") != COLLECTED_VOLUME:
                why = (
                    f"is where Ray writes its logs, and the collector sees those in {COLLECTED_VOLUME} alone;"
                    " call the volume so, or set historyServer, which does"
                )
                yield Problem(placed.place(name, "volumeMounts"), f"{mount.get('name')} at {LOG_FOLDER}", why)
                return


def _place_of(placed: PlacedPlan, variable: str) -> Place:
    """Where a variable of the head's container was set."""
    raw: Values = placed.plan.settings.values
    common: list[Values] = (raw.get("common") or {}).get("containerEnv") or []
    if any(each["name"] == variable for each in common):
        return (*placed.here, "values", "common", "containerEnv", variable)
    if "containerEnv" in (raw.get("head") or {}):
        return (*placed.here, "values", "head", "containerEnv", variable)
    return (*placed.here, "head", "env", variable)
