"""Workloads: jobs (RayJob), services (RayService), and the clusters that KubeRay makes
for them. Pure.

No chart renders these clusters, and KubeRay chooses their names.
"""

import json
from dataclasses import dataclass
from typing import Any

import yaml

from kuberay.facts.digests import fingerprint
from kuberay.facts.labels import CLUSTER_LABEL, SERVE_ANNOTATIONS
from kuberay.facts.quantities import canonical_quantity, parse_quantity
from kuberay.facts.versions import NEEDS, at_least
from kuberay.plan.cluster import ClusterPlan, head_service_type, plan_ray_cluster, secrets_of, with_resource
from kuberay.plan.expose import Route, Target, plan_routes
from kuberay.plan.ports import DEFAULT_PORTS, as_port
from kuberay.plan.protection import auth_options, mode_of, uses_token
from kuberay.settings.cluster import RayClusterSettings
from kuberay.settings.metrics import MetricsSettings
from kuberay.settings.overrides import merge, without_nulls
from kuberay.settings.stack import StackSettings
from kuberay.settings.workloads import (
    CLUSTER_FIELD,
    JobSettings,
    ServiceSettings,
    SubmitterSettings,
    application_name,
)

Spec = dict[str, Any]

#: What says how KubeRay goes about a job, and not what runs: a change of it takes no
#: new run.
_NOT_WHAT_RUNS = frozenset(
    """activeDeadlineSeconds backoffLimit deletionPolicy deletionStrategy managedBy preRunningDeadlineSeconds
    shutdownAfterJobFinishes submitterConfig submitterPodTemplate suspend ttlSecondsAfterFinished""".split()
)
#: What the submitter's pod takes over from the head's pod, whose image it runs.
_AS_THE_HEAD = ("imagePullSecrets", "nodeSelector", "securityContext", "tolerations")


# --- The clusters that KubeRay makes for them -----------------------------------------


@dataclass(frozen=True)
class WorkloadCluster:
    """The Ray cluster that KubeRay makes for one job or service."""

    what: str
    """Whose it is: ``jobs.train``, ``services.chat``."""
    plan: ClusterPlan
    token_options: dict[str, Any]
    """What in its spec lets KubeRay make a token; empty where the cluster asks for
    none, or the operator knows of none.
    """

    @property
    def spec(self) -> dict[str, Any]:
        """The RayCluster's spec."""
        return self.plan.spec if self.plan.resource else self.plan.spec | self.token_options


@dataclass(frozen=True)
class PlacedPlan:
    """Any cluster of a stack, and where its settings are."""

    here: tuple[str, ...]
    plan: ClusterPlan

    def path(self, group: str) -> tuple[str, ...]:
        """Where the settings of a group are, within the cluster's."""
        if group == "head":
            return ("head",)
        return (
            ("worker",)
            if group == self.plan.values["worker"].get("groupName")
            else ("additionalWorkerGroups", group)
        )

    def place(self, group: str, key: str) -> tuple[str, ...]:
        """Where a value of a group was set: among the settings, or the raw values that
        are laid over them.
        """
        if self.plan.resource and group in self.plan.resource.touched:
            field = "headGroupSpec" if group == "head" else "workerGroupSpecs"
            kind, name, *_ = self.here
            return (kind, name, "spec", *([CLUSTER_FIELD[kind]] if kind in CLUSTER_FIELD else []), field, key)
        path = self.path(group)
        raw: Any = self.plan.settings.values
        for part in path:
            raw = raw.get(part) or {}
        return (*self.here, *(["values"] if key in raw else []), *path, key)


def workload_cluster_settings(settings: StackSettings) -> dict[str, RayClusterSettings]:
    """The settings of all workload clusters of a stack, by whose they are:
    ``jobs.train``, ``services.chat``.
    """
    jobs = {
        f"jobs.{name}": job.ray_cluster or RayClusterSettings()
        for name, job in settings.jobs.items()
        if job.cluster is None
    }
    return jobs | {f"services.{name}": service.ray_cluster for name, service in settings.services.items()}


def plan_workload_cluster(settings: StackSettings, what: str) -> WorkloadCluster:
    """The workload cluster of ``jobs.train`` or ``services.chat``."""
    cluster = workload_cluster_settings(settings)[what]
    if what.startswith("jobs."):
        # Another variable is another job to KubeRay: it would run again for a panel in
        # a dashboard that goes with it.
        settings = settings.model_copy(update={"metrics": MetricsSettings()})
    token = uses_token(settings.protection, cluster.ray_version or settings.ray_version)
    # A name for the Secrets with a Redis password and a token: KubeRay gives the
    # cluster another one.
    name = what.replace(".", "-")
    kind, _, key = what.partition(".")
    owner = settings.jobs[key] if kind == "jobs" else settings.services[key]
    secret = f"{name}-token" if token and owner.own_token else None
    plan = plan_ray_cluster(
        settings, name, cluster, token_secret=secret, serve_port=_serve_port(settings, what)
    )
    options = auth_options(settings.kuberay_version, secret) if token else {}
    if over := _spec_over(owner):
        secrets = secrets_of(settings, name, cluster, token=secret is not None)
        plan = with_resource(plan, over, labels={}, more=options, secrets=secrets)
    return WorkloadCluster(what, plan, options)


def _spec_over(owner: JobSettings | ServiceSettings) -> Spec:
    """What the owner of a job or a service has merged over the spec of its cluster."""
    if isinstance(owner, JobSettings):
        return owner.run_spec.get(CLUSTER_FIELD["jobs"]) or {}
    return owner.spec.get(CLUSTER_FIELD["services"]) or {}


def _serve_port(settings: StackSettings, what: str) -> int | None:
    """Where the applications of a service answer by its Serve config, if that is not
    Ray's default.
    """
    kind, _, name = what.partition(".")
    options: Any = settings.services[name].serve_config.get("http_options") if kind == "services" else None
    port = as_port(options.get("port")) if isinstance(options, dict) else None  # pyright: ignore[reportUnknownArgumentType]
    return port if port != DEFAULT_PORTS["serve"] else None


# --- Jobs -----------------------------------------------------------------------------


@dataclass(frozen=True)
class JobPlan:
    """One RayJob, or the RayCronJob that makes one at each time of a schedule."""

    settings: JobSettings
    namespace: str
    name: str
    cluster: ClusterPlan
    """The cluster that it runs on: the one of the stack that the settings name, or one
    that KubeRay makes for it.
    """
    timeout: int
    """How long `up` waits for the job's end, in seconds."""
    delete_timeout: int
    """How long its deletion may take, in seconds."""
    spec: Spec
    annotations: dict[str, str]
    labels: dict[str, str]
    fingerprint: str
    """Changes when the job has to run again; of a schedule, with anything of it."""
    summary: str
    """One line for a reviewer."""

    @property
    def kind(self) -> str:
        """The kind of the resource."""
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
    if job.runtime_env:
        spec["runtimeEnvYAML"] = yaml.safe_dump(job.runtime_env)
    if job.metadata:
        spec["metadata"] = job.metadata
    if job.active_deadline_seconds is not None:
        spec["activeDeadlineSeconds"] = job.active_deadline_seconds
    if job.pre_running_deadline_seconds is not None:
        spec["preRunningDeadlineSeconds"] = job.pre_running_deadline_seconds
    if job.entrypoint_num_cpus:
        spec["entrypointNumCpus"] = job.entrypoint_num_cpus
    if job.entrypoint_num_gpus:
        spec["entrypointNumGpus"] = job.entrypoint_num_gpus
    if job.entrypoint_resources:
        spec["entrypointResources"] = json.dumps(job.entrypoint_resources, sort_keys=True)

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
    spec = merge(spec, _beside_cluster(job.run_spec, "jobs"))
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


def _beside_cluster(over: Spec, kind: str) -> Spec:
    """What is merged over a spec: that of its cluster is there already."""
    return {key: value for key, value in over.items() if key != CLUSTER_FIELD[kind]}


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


# --- Services -------------------------------------------------------------------------


@dataclass(frozen=True)
class ServicePlan:
    """One RayService."""

    settings: ServiceSettings
    namespace: str
    name: str
    cluster: ClusterPlan
    """The cluster that KubeRay makes; its name is for KubeRay to choose."""
    timeout: int
    """How long `up` waits until the service serves, in seconds."""
    delete_timeout: int
    """How long its deletion may take, in seconds."""
    spec: Spec
    annotations: dict[str, str]
    labels: dict[str, str]
    applications: frozenset[str]
    port: int
    """Where the applications answer."""
    fingerprint: str
    """Changes with anything of it."""
    summary: str
    """One line for a reviewer."""

    routes: tuple[Route, ...] = ()
    """The ways in to it from outside the Kubernetes cluster."""

    @property
    def serve_service(self) -> str:
        """The Kubernetes Service of the applications; KubeRay makes it once they run,
        and leads it over to each new cluster.
        """
        return _services_of(self.name)["serve"]

    @property
    def serve_service_type(self) -> str:
        """The type of that Service."""
        return (
            self.settings.serve_service.type
            if self.settings.serve_service
            else head_service_type(self.cluster.values)
        )

    @property
    def head_service(self) -> str:
        """The dashboard's Service; KubeRay leads it over to each new cluster."""
        return _services_of(self.name)["dashboard"]

    @property
    def gateway(self) -> str | None:
        """The Gateway of the applications, which stands in for their Service where
        upgrades are incremental.
        """
        return f"{self.name}-gateway" if self.settings.cluster_upgrade_options else None


def _services_of(name: str) -> dict[Target, str]:
    return {"dashboard": f"{name}-head-svc", "serve": f"{name}-serve-svc"}


def service_routes(settings: StackSettings, name: str, made: WorkloadCluster) -> tuple[Route, ...]:
    """The ways in to a service from outside the Kubernetes cluster."""
    return plan_routes(
        settings, f"services.{name}", settings.services[name].expose, _services_of(name), made.plan.ports
    )


def plan_service(settings: StackSettings, name: str, made: WorkloadCluster) -> ServicePlan:
    """One of the stack's services as KubeRay takes it, on the cluster that KubeRay
    makes for it.
    """
    service = settings.services[name]
    cluster = made.plan
    spec: Spec = {
        "serveConfigV2": yaml.safe_dump(service.serve_config),
        "rayClusterConfig": made.spec,
        "upgradeStrategy": {"type": service.upgrade_strategy},
    }
    if options := service.cluster_upgrade_options:
        spec["upgradeStrategy"]["clusterUpgradeOptions"] = options.model_dump(by_alias=True)
    if service.serve_service:
        annotations = service.serve_service.annotations
        # Which are the stack's: clouds write annotations of their own.
        written = {**annotations, SERVE_ANNOTATIONS: ",".join(sorted(annotations))}
        spec["serveService"] = {
            "metadata": {"annotations": written},
            "spec": {"type": service.serve_service.type},
        }
    if service.exclude_head_pod_from_serve_svc:
        # Never as false: an operator that writes the whole object leaves that out, and
        # each refresh would find a difference.
        spec["excludeHeadPodFromServeSvc"] = True
    spec = merge(spec, _beside_cluster(service.spec, "services"))
    applications = [application_name(application) for application in service.serve_config["applications"]]
    return ServicePlan(
        settings=service,
        namespace=settings.namespace,
        name=name,
        cluster=cluster,
        timeout=service.timeout_seconds or settings.timeout_seconds,
        delete_timeout=settings.timeout_seconds,
        spec=without_nulls(spec),
        annotations=without_nulls(cluster.values.get("annotations") or {}) | service.annotations,
        labels=service.all_labels,
        applications=frozenset(applications),
        port=cluster.ports["serve"],
        fingerprint=fingerprint(spec),
        summary=(
            f"{', '.join(applications)} on {cluster.cpu} CPU, {cluster.memory} memory, {cluster.head.image}"
        ),
        routes=service_routes(settings, name, made),
    )
