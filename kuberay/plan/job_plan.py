"""A RayJob, from the stack's settings. Pure: no Pulumi resource is made here."""

import json
from dataclasses import dataclass
from typing import Any

import yaml

from kuberay.facts.digests import fingerprint
from kuberay.facts.labels import CLUSTER_LABEL
from kuberay.plan.ray_cluster_spec import ray_cluster_spec
from kuberay.plan.values import plan_cluster
from kuberay.plan.workloads import own_cluster
from kuberay.settings.stack import StackSettings

Spec = dict[str, Any]

#: What says how KubeRay goes about a job, and not what runs: a change of it takes no new run.
_NOT_WHAT_RUNS = ("activeDeadlineSeconds", "backoffLimit", "shutdownAfterJobFinishes", "submitterPodTemplate", "ttlSecondsAfterFinished")
#: What the submitter's pod takes over from the head's pod, whose image it runs.
_AS_THE_HEAD = ("imagePullSecrets", "nodeSelector", "securityContext", "tolerations")


@dataclass(frozen=True)
class JobPlan:
    """One RayJob."""

    name: str
    spec: Spec
    annotations: dict[str, str]
    fingerprint: str
    """Changes when the job has to run again."""
    summary: str
    """One line for a reviewer."""


def plan_job(settings: StackSettings, name: str) -> JobPlan:
    """One of the stack's jobs as KubeRay takes it."""
    job = settings.jobs[name]
    spec: Spec = {"entrypoint": job.entrypoint, "submissionMode": job.submission_mode, "backoffLimit": job.backoff_limit}
    if job.runtime_env:
        spec["runtimeEnvYAML"] = yaml.safe_dump(job.runtime_env)
    if job.metadata:
        spec["metadata"] = job.metadata
    if job.active_deadline_seconds is not None:
        spec["activeDeadlineSeconds"] = job.active_deadline_seconds
    if job.entrypoint_num_cpus:
        spec["entrypointNumCpus"] = job.entrypoint_num_cpus
    if job.entrypoint_num_gpus:
        spec["entrypointNumGpus"] = job.entrypoint_num_gpus
    if job.entrypoint_resources:
        spec["entrypointResources"] = json.dumps(job.entrypoint_resources, sort_keys=True)

    if job.cluster is not None:
        cluster = plan_cluster(settings, job.cluster)
        cluster_spec = ray_cluster_spec(cluster.values)
        spec["clusterSelector"] = {CLUSTER_LABEL: cluster.name}
        where = f"on {cluster.name}"
    else:
        own = own_cluster(settings, f"jobs.{name}")
        cluster = own.plan
        spec["rayClusterSpec"] = cluster_spec = own.spec
        spec["shutdownAfterJobFinishes"] = job.shutdown_after_job_finishes
        spec["ttlSecondsAfterFinished"] = job.ttl_seconds_after_finished
        where = f"on {cluster.cpu} CPU, {cluster.memory} memory, {cluster.head.image}"
    if job.submission_mode == "K8sJobMode":
        spec["submitterPodTemplate"] = _submitter(cluster_spec["headGroupSpec"]["template"]["spec"])

    return JobPlan(
        name=name,
        spec=spec,
        # KubeRay gives them to the cluster that it makes.
        annotations={} if job.cluster else cluster.values.get("annotations") or {},
        fingerprint=fingerprint({key: value for key, value in spec.items() if key not in _NOT_WHAT_RUNS}),
        summary=f"{job.entrypoint} {where}",
    )


def _submitter(head: Spec) -> Spec:
    """The pod that submits the job and follows its log. KubeRay's own default would run the head's image on a node of any architecture."""
    ray = head["containers"][0]
    submitter = {
        "name": "ray-job-submitter",
        # Without a command: KubeRay fills in `ray job submit …`. The resources are those of its default.
        "image": ray["image"],
        "imagePullPolicy": ray["imagePullPolicy"],
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m", "memory": "200Mi"}},
    }
    if "securityContext" in ray:
        submitter["securityContext"] = ray["securityContext"]
    taken = {key: head[key] for key in _AS_THE_HEAD if key in head}
    return {"spec": {"restartPolicy": "Never", "containers": [submitter], **taken}}
