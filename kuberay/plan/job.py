"""A job: from settings to a RayJob, or to the RayCronJob that makes one at each time of
a schedule. Pure.
"""

import json
from dataclasses import dataclass

import yaml

from kuberay.facts.digests import fingerprint
from kuberay.facts.labels import CLUSTER_LABEL
from kuberay.facts.quantities import canonical_quantity, parse_quantity
from kuberay.facts.versions import NEEDS, at_least
from kuberay.plan.cluster import ClusterPlan
from kuberay.plan.protection import mode_of
from kuberay.plan.workload_clusters import Spec, WorkloadCluster, WorkloadPlan, beside_cluster
from kuberay.settings.overrides import merge, without_nulls
from kuberay.settings.stack import StackSettings
from kuberay.settings.workloads import JobSettings, SubmitterSettings

#: What says how KubeRay goes about a job, and not what runs: a change of it takes no
#: new run.
_NOT_WHAT_RUNS = frozenset(
    """activeDeadlineSeconds backoffLimit deletionPolicy deletionStrategy managedBy preRunningDeadlineSeconds
    shutdownAfterJobFinishes submitterConfig submitterPodTemplate suspend ttlSecondsAfterFinished""".split()
)
#: What the submitter's pod takes over from the head's pod, whose image it runs.
_AS_THE_HEAD = ("imagePullSecrets", "nodeSelector", "securityContext", "tolerations")


@dataclass(frozen=True, kw_only=True)
class JobPlan(WorkloadPlan):
    """One RayJob, or the RayCronJob that makes one at each time of a schedule. Its
    fingerprint changes when the job has to run again; of a schedule, with anything.
    """

    settings: JobSettings

    @property
    def kind(self) -> str:
        return "RayCronJob" if self.settings.schedule else "RayJob"

    @property
    def run(self) -> Spec:
        """The spec of each RayJob."""
        return self.spec["jobTemplate"] if self.settings.schedule else self.spec

    @property
    def is_waited_for(self) -> bool:
        """Whether `up` waits for the job's end."""
        return self.settings.wait and not self.settings.schedule and not self.spec.get("suspend")


def plan_job(settings: StackSettings, name: str, runs_on: ClusterPlan | WorkloadCluster) -> JobPlan:
    """One of the stack's jobs as KubeRay takes it, on a cluster of the stack or on one
    that KubeRay makes for it.
    """
    job = settings.jobs[name]
    spec: Spec = {
        "entrypoint": job.entrypoint,
        "submissionMode": job.submission_mode,
        "backoffLimit": job.backoff_limit,
    }
    resources = job.entrypoint_resources
    given = {
        "runtimeEnvYAML": job.runtime_env and yaml.safe_dump(job.runtime_env),
        "metadata": job.metadata,
        "activeDeadlineSeconds": job.active_deadline_seconds,
        "preRunningDeadlineSeconds": job.pre_running_deadline_seconds,
        "entrypointNumCpus": job.entrypoint_num_cpus,
        "entrypointNumGpus": job.entrypoint_num_gpus,
        "entrypointResources": resources and json.dumps(resources, sort_keys=True),
    }
    spec |= {field: value for field, value in given.items() if value}

    if isinstance(runs_on, ClusterPlan):
        cluster = runs_on
        cluster_spec = cluster.spec
        spec["clusterSelector"] = {CLUSTER_LABEL: cluster.name}
        where = f"on {cluster.name}"
    else:
        cluster = runs_on.plan
        spec["rayClusterSpec"] = cluster_spec = runs_on.spec
        # Rules and these two exclude one another.
        if not job.deletion_rules:
            spec["shutdownAfterJobFinishes"] = job.shutdown_after_job_finishes
            spec["ttlSecondsAfterFinished"] = job.ttl_seconds_after_finished
        where = f"on {cluster.cpu} CPU, {cluster.memory} memory, {cluster.head.image}"
    if job.submission_mode == "K8sJobMode":
        spec["submitterPodTemplate"] = _submitter(
            cluster_spec["headGroupSpec"]["template"]["spec"], job.submitter
        )
        if job.submitter.backoff_limit is not None:
            spec["submitterConfig"] = {"backoffLimit": job.submitter.backoff_limit}
    if job.deletion_rules:
        spec |= _deletion(job, settings.kuberay_version)
    spec = merge(spec, beside_cluster(job.run_spec, "jobs"))
    if job.schedule:
        over = {key: value for key, value in job.spec.items() if key != "jobTemplate"}
        spec = merge(_scheduled(job, spec, settings.kuberay_version), over)
    elif job.suspend and "suspend" not in job.spec:
        # Never as false: an operator that writes the whole object leaves that out, and
        # each refresh would find a difference.
        spec["suspend"] = True

    return JobPlan(
        settings=job,
        namespace=settings.namespace,
        name=name,
        cluster=cluster,
        timeout=job.timeout_seconds or settings.timeout_seconds,
        delete_timeout=settings.timeout_seconds,
        spec=without_nulls(spec),
        # KubeRay gives them to the cluster that it makes.
        annotations=({} if job.cluster else without_nulls(cluster.values.get("annotations") or {}))
        | job.annotations,
        labels=job.all_labels,
        # Taken before nulls are dropped, as in earlier versions: by another fingerprint
        # every job would run again.
        fingerprint=fingerprint({key: value for key, value in spec.items() if key not in _NOT_WHAT_RUNS}),
        summary=f"{f'at {job.schedule}: ' if job.schedule else ''}{job.entrypoint} {where}",
    )


def _scheduled(job: JobSettings, run: Spec, kuberay_version: str) -> Spec:
    """The spec of a RayCronJob."""
    # 1.6 has no field for the zone; its operator takes it in the schedule, which that
    # of 1.7 refuses.
    has_field = at_least(kuberay_version, NEEDS["time zone field"].kuberay)
    zone = {"timeZone": job.time_zone} if job.time_zone and has_field else {}
    schedule = f"CRON_TZ={job.time_zone} {job.schedule}" if job.time_zone and not has_field else job.schedule
    return {"schedule": schedule, **zone, **({"suspend": True} if job.suspend else {}), "jobTemplate": run}


def _deletion(job: JobSettings, kuberay_version: str) -> Spec:
    """The deletion rules as a version of KubeRay has them
    (kuberay/checks/workload_settings.py).
    """
    if not at_least(kuberay_version, NEEDS["deletion rules"].kuberay):
        return {"deletionPolicy": job.deletion_rules[0].policy}
    rules: list[Spec] = []
    for rule in job.deletion_rules:
        ends: list[Spec] = [
            {"jobStatus": status}
            for status in ([rule.job_status] if rule.job_status else ["SUCCEEDED", "FAILED"])
        ]
        if rule.job_status is None and at_least(
            kuberay_version, NEEDS["deletion rules of deployments"].kuberay
        ):
            # A job that never got to Ray.
            ends.append({"jobDeploymentStatus": "Failed"})
        rules += [
            {"policy": rule.policy, "condition": {**end, "ttlSeconds": rule.ttl_seconds}} for end in ends
        ]
    return {"deletionStrategy": {"deletionRules": rules}}


def _submitter(head: Spec, settings: SubmitterSettings) -> Spec:
    """The pod that submits the job and follows its log. KubeRay's own default would run
    the head's image on a node of any architecture.
    """
    ray = head["containers"][0]
    submitter = {
        "name": "ray-job-submitter",
        # Without a command: KubeRay fills in `ray job submit …`. The resources are
        # those of its default.
        "image": ray["image"],
        **({"imagePullPolicy": ray["imagePullPolicy"]} if "imagePullPolicy" in ray else {}),
        "resources": submitter_resources(settings),
    }
    if "securityContext" in ray:
        submitter["securityContext"] = ray["securityContext"]
    # KubeRay tells it of a token, and not of none.
    if told := [
        variable for variable in mode_of(ray.get("env") or []) if variable.get("value") == "disabled"
    ]:
        submitter["env"] = told
    taken = {key: head[key] for key in _AS_THE_HEAD if key in head}
    account = {"serviceAccountName": settings.service_account_name} if settings.service_account_name else {}
    return {"spec": {"restartPolicy": "Never", "containers": [submitter], **account, **taken}}


def submitter_resources(settings: SubmitterSettings) -> Spec:
    """What the submitter's container asks for."""
    limits = {"cpu": settings.cpu, "memory": settings.memory}
    requests = {
        "cpu": settings.cpu_request or min("500m", settings.cpu, key=parse_quantity),
        "memory": settings.memory_request or min("200Mi", settings.memory, key=parse_quantity),
    }
    # As the operator writes them: else each refresh would find a difference.
    return {
        kind: {name: canonical_quantity(amount) for name, amount in each.items()}
        for kind, each in (("limits", limits), ("requests", requests))
    }
