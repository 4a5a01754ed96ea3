"""What the settings of jobs and services must agree on, and which version of KubeRay
honours them.

The rules are those of `ValidateRayJobSpec`, `ValidateRayCronJobSpec` and
`ValidateRayServiceSpec` (KubeRay 1.3.0 to 1.7.0,
`controllers/ray/utils/validation.go`): where they are broken, the operator does nothing
for the job or service.
"""

from collections.abc import Iterator
from itertools import pairwise

from kuberay.checks.groups import cluster_problems, request_problems
from kuberay.checks.messages import Place, Problem
from kuberay.facts.charts import feature_gates
from kuberay.facts.objects import value_at
from kuberay.facts.phrases import did_you_mean
from kuberay.facts.versions import NEWEST_KNOWN, Feature, lacking
from kuberay.plan.feature_gates import needed_gates
from kuberay.plan.protection import auth_options, no_token_environment, uses_token
from kuberay.settings.cluster import RayClusterSettings
from kuberay.settings.stack import StackSettings
from kuberay.settings.workloads import INCREMENTAL, JobSettings, ServiceSettings

#: `<name>-<minute>` has to be the name of a RayJob (`MaxRayCronJobNameLength`, KubeRay
#: 1.7); 1.6 would take a few letters more.
LONGEST_SCHEDULED_NAME = 36
#: KubeRay 1.3 calls a job's cluster `<name>-raycluster-<5 letters>`, which has to fit a
#: label: 63 characters. From 1.4 on it takes 47.
LONGEST_JOB_NAME = 63 - len("-raycluster-") - 5
#: `<name>-serve-svc` has to stay whole (`CheckName`, all versions).
LONGEST_SERVICE_NAME = 50 - len("-serve-svc")
#: What goes has to go in this order (`validateTTLConsistency`).
_ORDER = ("DeleteWorkers", "DeleteCluster", "DeleteSelf")
_FOR_ANOTHER_MODE = {
    "SidecarMode": "has no effect: KubeRay gives the container of SidecarMode its own resources",
    "HTTPMode": "has no effect: the operator submits the job itself in HTTPMode",
}


def job_setting_problems(settings: StackSettings, name: str, job: JobSettings) -> Iterator[Problem]:
    """Every problem between settings of one job, or between them and the version."""
    here = ("jobs", name)
    yield from _schedule_problems(settings, here, job)
    yield from _suspend_problems(here, job)
    yield from _submitter_problems(settings, here, job)
    yield from _deletion_problems(settings, here, job)
    if job.pre_running_deadline_seconds is not None:
        yield from _lacking(
            settings,
            (*here, "preRunningDeadlineSeconds"),
            job.pre_running_deadline_seconds,
            "deadline before it runs",
        )
    if not job.schedule:
        yield from _length_problems(here, "RayJob", LONGEST_JOB_NAME)
    if job.ttl_seconds_after_finished and not job.shutdown_after_job_finishes:
        at = (*here, "ttlSecondsAfterFinished")
        yield Problem(
            at, job.ttl_seconds_after_finished, "has no effect with shutdownAfterJobFinishes: false"
        )
    if job.cluster is None:
        own = job.ray_cluster or RayClusterSettings()
        yield from _token_problems(settings, here, job.own_token, own)
        yield from _workload_cluster_problems(settings, here, own)
    else:
        yield from _cluster_choice_problems(settings, here, job, job.cluster)


def service_setting_problems(
    settings: StackSettings, name: str, service: ServiceSettings
) -> Iterator[Problem]:
    """Every problem that lies between the settings of one service, or between them and
    the version.
    """
    here = ("services", name)
    yield from _length_problems(here, "RayService", LONGEST_SERVICE_NAME)
    yield from _workload_cluster_problems(settings, here, service.ray_cluster)
    strategy, options = service.upgrade_strategy, service.cluster_upgrade_options
    if strategy == INCREMENTAL:
        at = (*here, "upgradeStrategy")
        yield from _lacking(settings, at, strategy, "incremental upgrade")
        if options is None:
            yield Problem(
                (*here, "clusterUpgradeOptions"),
                None,
                "is required with upgradeStrategy: NewClusterWithIncrementalUpgrade",
            )
        if service.ray_cluster.autoscaling is None:
            yield Problem(
                at,
                strategy,
                "needs an autoscaler, which makes room for the new cluster as it goes: set"
                " rayCluster.autoscaling",
            )
        if service.serve_service is not None:
            why = (
                "has no effect with upgradeStrategy: NewClusterWithIncrementalUpgrade: requests come by the"
                " Gateway; leave it out"
            )
            yield Problem((*here, "serveService"), service.serve_service.as_given(), why)
    elif options is not None:
        why = f"is for upgradeStrategy: {INCREMENTAL}; here it is {strategy}"
        yield Problem((*here, "clusterUpgradeOptions"), options.as_given(), why)
    yield from _token_problems(settings, here, service.own_token, service.ray_cluster)


def gate_problems(settings: StackSettings, given: dict[str, bool]) -> Iterator[Problem]:
    """Settings whose gate the raw values of the operator leave off, which replace the
    whole list. ``given``: what those turn on and off.
    """
    # What this version does not know is for the CRDs and the setting itself to refuse.
    known = feature_gates(settings.kuberay_version)
    for gate, place in needed_gates(settings).items():
        if gate in known and not given.get(gate):
            why = f"leaves {gate} off, which {'.'.join(place)} needs; add {{name: {gate}, enabled: true}}"
            yield Problem(
                ("operator", "values", "featureGates"),
                [name for name, enabled in given.items() if enabled],
                why,
            )


def _cluster_choice_problems(
    settings: StackSettings, here: Place, job: JobSettings, chosen: str
) -> Iterator[Problem]:
    """A job on a cluster of the stack's."""
    if chosen in settings.clusters:
        ray_version = settings.clusters[chosen].ray_version or settings.ray_version
        if uses_token(settings.protection, ray_version) and not auth_options(settings.kuberay_version):
            needs = lacking("token authentication", kuberay=settings.kuberay_version)
            remedy = f"{needs}; or set protection.tokenAuthentication: disabled"
            yield Problem(
                (*here, "cluster"), chosen, f"asks for a token, and an operator that has it {remedy}"
            )
    else:
        known = f"{did_you_mean(chosen, settings.clusters)}; it has: {', '.join(settings.clusters) or 'none'}"
        yield Problem((*here, "cluster"), chosen, f"is no cluster of this stack{known}")
    for key, value in job.as_given().items():
        if key in ("ownToken", "rayCluster", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished"):
            yield Problem((*here, key), value, "is for a cluster of the job's own; it has none with cluster")
    if job.backoff_limit:
        # KubeRay 1.3 deletes the cluster that the job was given before it tries again;
        # 1.4 and later refuse the job.
        yield Problem(
            (*here, "backoffLimit"),
            job.backoff_limit,
            "takes a new cluster for each try; it must be 0 with cluster",
        )
    if job.metadata and job.submission_mode == "K8sJobMode":
        # KubeRay up to 1.4 crashes on it, later ones drop it (GetK8sJobCommand,
        # BuildJobSubmitCommand).
        yield Problem(
            (*here, "metadata"),
            job.metadata,
            "never gets to a job with cluster this way; set submissionMode: HTTPMode",
        )


def _workload_cluster_problems(
    settings: StackSettings, of: Place, cluster: RayClusterSettings
) -> Iterator[Problem]:
    """A cluster that KubeRay makes for a job or a service: what holds for any, and no
    name, which is for KubeRay to choose.
    """
    here = (*of, "rayCluster")
    # No chart renders it (ray_cluster_spec.py): what any of them knows is rendered at
    # every version.
    yield from cluster_problems(settings, here, cluster, chart_version=NEWEST_KNOWN)
    for key in ("fullnameOverride", "nameOverride"):
        if key in cluster.values:
            yield Problem(
                (*here, "values", key),
                cluster.values[key],
                "has no effect: KubeRay names this cluster itself",
            )
    path = ("head", "headService", "metadata", "name")
    if name := value_at(cluster.values, path):
        yield Problem((*here, "values", *path), name, "must be left out: KubeRay names this Service itself")


def _length_problems(here: Place, kind: str, longest: int) -> Iterator[Problem]:
    if len(here[-1]) > longest:
        why = f"is too long a {kind} name for KubeRay: {longest} characters at most"
        yield Problem(here, here[-1], why)


def _schedule_problems(settings: StackSettings, here: Place, job: JobSettings) -> Iterator[Problem]:
    if not job.schedule:
        if job.time_zone:
            yield Problem((*here, "timeZone"), job.time_zone, "has no effect without schedule")
        return
    yield from _lacking(settings, (*here, "schedule"), job.schedule, "schedule")
    yield from _length_problems(here, "RayCronJob", LONGEST_SCHEDULED_NAME)
    no_effect = "has no effect with schedule: `up` waits for no run"
    if job.wait and "wait" in job.model_fields_set:
        yield Problem((*here, "wait"), True, no_effect)
    if job.timeout_seconds is not None:
        yield Problem((*here, "timeoutSeconds"), job.timeout_seconds, no_effect)
    if job.ray_cluster and job.ray_cluster.values.get("annotations"):
        why = (
            "never gets to the clusters of a schedule: KubeRay gives its runs annotations of its own alone;"
            " leave it out"
        )
        yield Problem(
            (*here, "rayCluster", "values", "annotations"), job.ray_cluster.values["annotations"], why
        )


def _suspend_problems(here: Place, job: JobSettings) -> Iterator[Problem]:
    if not job.suspend or job.schedule:
        return
    at = (*here, "suspend")
    if job.cluster:
        yield Problem(
            at,
            True,
            "is for a cluster of the job's own, which KubeRay takes away meanwhile; it has none with cluster",
        )
    elif not job.shutdown_after_job_finishes or job.deletion_rules:
        other = "deletionRules" if job.deletion_rules else "shutdownAfterJobFinishes: false"
        yield Problem(at, True, f"is refused by KubeRay together with {other}")


def _submitter_problems(settings: StackSettings, here: Place, job: JobSettings) -> Iterator[Problem]:
    at, mode, submitter = (*here, "submissionMode"), job.submission_mode, job.submitter
    if mode == "SidecarMode":
        yield from _lacking(settings, at, mode, "SidecarMode")
        if job.cluster:
            yield Problem(
                at,
                mode,
                "puts the submitter into the head of a cluster of the job's own; it has none with cluster",
            )
        cluster = job.ray_cluster or RayClusterSettings()
        if no_token_environment(settings.protection, cluster.ray_version or settings.ray_version):
            why = (
                "cannot be with this Ray and protection.tokenAuthentication: disabled: KubeRay tells its"
                " container of none; set K8sJobMode"
            )
            yield Problem(at, mode, why)
        policy = (cluster.values.get("head") or {}).get("restartPolicy")
        if policy and policy != "Never":
            why = "must be Never, or left out, with submissionMode: SidecarMode"
            yield Problem((*here, "rayCluster", "values", "head", "restartPolicy"), policy, why)
    if mode in _FOR_ANOTHER_MODE:
        for key, value in submitter.as_given().items():
            yield Problem((*here, "submitter", key), value, _FOR_ANOTHER_MODE[mode])
        return
    yield from request_problems((*here, "submitter"), submitter)


def _deletion_problems(settings: StackSettings, here: Place, job: JobSettings) -> Iterator[Problem]:
    rules, at = job.deletion_rules, (*here, "deletionRules")
    if not rules:
        return
    shown = [rule.as_given() for rule in rules]
    if problem := lacking("deletion rules", kuberay=settings.kuberay_version):
        plain = len(rules) == 1 and rules[0].job_status is None and not rules[0].ttl_seconds
        if not plain:
            yield Problem(at, shown, f"of more than one rule, or with jobStatus or ttlSeconds, {problem}")
    if job.shutdown_after_job_finishes and "shutdown_after_job_finishes" in job.model_fields_set:
        yield Problem(
            (*here, "shutdownAfterJobFinishes"),
            True,
            "is refused by KubeRay together with deletionRules; leave it out",
        )
    if job.ttl_seconds_after_finished:
        why = "has no effect with deletionRules, each of which has ttlSeconds"
        yield Problem((*here, "ttlSecondsAfterFinished"), job.ttl_seconds_after_finished, why)
    cluster = job.ray_cluster or RayClusterSettings()
    due: dict[tuple[str, str], int] = {}
    for index, rule in enumerate(rules):
        on = (*at, str(index), "policy")
        if job.cluster and rule.policy in ("DeleteCluster", "DeleteWorkers"):
            yield Problem(on, rule.policy, "is for a cluster of the job's own; it has none with cluster")
        elif rule.policy == "DeleteWorkers" and cluster.autoscaling is not None:
            yield Problem(
                on, rule.policy, "is refused by KubeRay with an autoscaler, which would make them anew"
            )
        elif rule.policy == "DeleteSelf" and not job.schedule:
            why = (
                "is for the runs of a schedule: `up --refresh` would make this job anew, and run it again;"
                " set DeleteCluster"
            )
            yield Problem(on, rule.policy, why)
        ends = [rule.job_status] if rule.job_status else ["SUCCEEDED", "FAILED"]
        if twice := [end for end in ends if (end, rule.policy) in due]:
            yield Problem(on, rule.policy, f"is said twice of jobs that end as {' or '.join(twice)}")
        due |= {(end, rule.policy): rule.ttl_seconds for end in ends}
    times = [
        [(due[end, policy], policy) for policy in _ORDER if (end, policy) in due]
        for end in ("SUCCEEDED", "FAILED")
    ]
    for (first, sooner), (then, later) in dict.fromkeys(
        pair for of_end in times for pair in pairwise(of_end)
    ):
        if then < first:
            why = f"let {later} come after {then} s, before {sooner} after {first} s: KubeRay refuses that"
            yield Problem(at, shown, why)


def _token_problems(
    settings: StackSettings, here: Place, own_token: bool, cluster: RayClusterSettings
) -> Iterator[Problem]:
    if not own_token:
        return
    ray_version = cluster.ray_version or settings.ray_version
    if settings.protection.token_authentication == "disabled":
        yield Problem(
            (*here, "ownToken"), True, "has no effect with protection.tokenAuthentication: disabled"
        )
    elif problem := lacking("own token", kuberay=settings.kuberay_version, ray=ray_version):
        yield Problem((*here, "ownToken"), True, problem)


def _lacking(settings: StackSettings, at: Place, value: object, feature: Feature) -> Iterator[Problem]:
    if problem := lacking(feature, kuberay=settings.kuberay_version):
        yield Problem(at, value, problem)
