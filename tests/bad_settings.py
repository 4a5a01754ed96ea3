"""Settings that must be refused, and what the one line of each refusal has to say."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Bad:
    """One mistake."""

    mistake: str
    config: dict[str, Any]
    """Keys of the stack's config without the project's prefix; maps and lists as YAML
    has them.
    """
    says: tuple[str, ...]
    """What the error line must contain."""
    cli_says: tuple[str, ...] | None = None
    """The same, where the CLI refuses it by the types in Pulumi.yaml before the program
    runs.
    """


def cluster(**settings: Any) -> dict[str, Any]:
    return {"clusters": {"raycluster": settings}}


def head(**settings: Any) -> dict[str, Any]:
    return cluster(head=settings)


def worker(**settings: Any) -> dict[str, Any]:
    return cluster(worker=settings)


def job(**settings: Any) -> dict[str, Any]:
    return {"jobs": {"train": {"entrypoint": "python train.py"} | settings}}


def scheduled(**settings: Any) -> dict[str, Any]:
    return job(schedule="0 2 * * *", **settings) | {"kuberayVersion": "1.6.2"}


def ruled(*rules: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return job(deletionRules=list(rules), **settings) | {"kuberayVersion": "1.6.2"}


APP = {"import_path": "a:b"}


def service(*applications: Any, **settings: Any) -> dict[str, Any]:
    return {"services": {"chat": {"serveConfig": {"applications": list(applications)}} | settings}}


#: What copies logs to a store.
HISTORY: dict[str, Any] = {
    "image": "quay.io/kuberay/collector:nightly",
    "store": "s3",
    "env": {"S3_BUCKET": "ray", "S3_REGION": "eu"},
}


def collector(options: Any) -> dict[str, Any]:
    return {"historyServerOptions": {"collectorOptions": options}}


def incremental(**settings: Any) -> dict[str, Any]:
    upgrade = {
        "upgradeStrategy": "NewClusterWithIncrementalUpgrade",
        "clusterUpgradeOptions": {"gatewayClassName": "istio"},
    }
    cluster = {"rayCluster": {"autoscaling": {}, "worker": {"maxReplicas": 2}}}
    return service(APP, **(upgrade | cluster | settings)) | {"kuberayVersion": "1.6.2"}


HEAD = "kuberay:clusters.raycluster.head"
WORKER = "kuberay:clusters.raycluster.worker"

BAD_SETTINGS = [
    # Unknown and misspelt keys, at every level
    Bad(
        "stack key misspelt", {"architcture": "x86"}, ("kuberay:architcture", "did you mean 'architecture'?")
    ),
    Bad(
        "stack key in snake case",
        {"ray_version": "2.46.0"},
        ("kuberay:ray_version", "did you mean 'rayVersion'?"),
    ),
    Bad(
        "stack key unknown",
        {"flavour": "big"},
        ("kuberay:flavour", "is not a setting", "known here: accelerator"),
    ),
    Bad(
        "cluster key misspelt",
        cluster(rayVerison="2.46.0"),
        ("clusters.raycluster.rayVerison", "'rayVersion'"),
    ),
    Bad("worker key misspelt", worker(memroy="2G"), (f"{WORKER}.memroy", '"2G"', "did you mean 'memory'?")),
    Bad("worker key on the head", head(replicas=2), (f"{HEAD}.replicas", "is not a setting")),
    Bad(
        "group key misspelt",
        cluster(additionalWorkerGroups={"gpu": {"replcas": 1}}),
        ("additionalWorkerGroups.gpu.replcas", "'replicas'"),
    ),
    Bad("operator key misspelt", {"operator": {"memroy": "1Gi"}}, ("kuberay:operator.memroy", "'memory'")),
    Bad(
        "toleration key misspelt", head(tolerations=[{"kye": "gpu"}]), (f"{HEAD}.tolerations.0.kye", "'key'")
    ),
    Bad(
        "volume source unknown",
        head(volumes=[{"name": "data", "pvc": {}}]),
        (f"{HEAD}.volumes.0.pvc", "persistentVolumeClaim"),
    ),
    # Types
    Bad(
        "timeout is a word",
        {"timeoutSeconds": "soon"},
        ("kuberay:timeoutSeconds", '"soon"', "whole number"),
        ("'timeoutSeconds' must be of type 'integer'",),
    ),
    Bad(
        "timeout too short",
        {"timeoutSeconds": 5},
        ("kuberay:timeoutSeconds", "5", "greater than or equal to 10"),
    ),
    Bad(
        "clusters is a list",
        {"clusters": ["raycluster"]},
        ("kuberay:clusters", "must be a map"),
        ("'clusters' must be of type 'object'",),
    ),
    Bad("head is text", cluster(head="2G"), (HEAD, '"2G"', "must be a map with keys of: accelerator")),
    Bad("replicas is a fraction", worker(replicas=1.5), (f"{WORKER}.replicas", "1.5", "whole number")),
    Bad(
        "replicas is negative",
        worker(replicas=-1),
        (f"{WORKER}.replicas", "-1", "greater than or equal to 0"),
    ),
    Bad("env value is a boolean", head(env={"DEBUG": True}), (f"{HEAD}.env.DEBUG", 'quote it: "true"')),
    Bad("env value is empty", head(env={"DEBUG": None}), (f"{HEAD}.env.DEBUG", 'quote it: ""')),
    Bad(
        "env value has two sources",
        head(env={"A": {"value": "x", "valueFrom": {}}}),
        (f"{HEAD}.env.A", "either value or valueFrom"),
    ),
    Bad(
        "node selector is a number",
        head(nodeSelector={"zone": 1}),
        (f"{HEAD}.nodeSelector.zone", "must be text; quote it"),
    ),
    # Quantities
    Bad("memory without a unit", head(memory="2"), (f"{HEAD}.memory", '"2"', "2G or 2Gi")),
    Bad("memory in an unknown unit", worker(memory="2GB"), (f"{WORKER}.memory", '"2GB"', "Ki, Mi, Gi")),
    Bad("memory in milli", worker(memory="2000m"), (f"{WORKER}.memory", "less than a megabyte")),
    Bad(
        "an object store smaller than Ray's smallest",
        head(rayStartParams={"object-store-memory": 70_000_000}),
        (f"{HEAD}.rayStartParams.object-store-memory", "78643200"),
    ),
    Bad(
        "an object store larger than the pod",
        head(memory="4G", rayStartParams={"object-store-memory": 5_000_000_000}),
        (f"{HEAD}.rayStartParams.object-store-memory", "more than the pod's memory (4G)"),
    ),
    Bad("memory too small for Ray", worker(memory="200M"), (f"{WORKER}.memory", "object store", "250Mi")),
    Bad("memory negative", worker(memory="-2G"), (f"{WORKER}.memory", "not a Kubernetes quantity")),
    Bad("cpu is zero", head(cpu=0), (f"{HEAD}.cpu", "more than 0")),
    Bad("cpu in bytes", head(cpu="2G"), (f"{HEAD}.cpu", "more cores than any node has")),
    Bad(
        "cpu request over its limit",
        head(cpu=1, cpuRequest=2),
        (f"{HEAD}.cpuRequest", "more than the limit 1"),
    ),
    Bad(
        "memory request over its limit",
        head(memory="2G", memoryRequest="2Gi"),
        (f"{HEAD}.memoryRequest", "more than the limit 2G"),
    ),
    # Choices
    Bad(
        "architecture misspelt",
        {"architecture": "arm46"},
        ("kuberay:architecture", "aarch64 (or arm64)", "did you mean 'arm64'?"),
    ),
    Bad(
        "group architecture unknown",
        worker(architecture="riscv"),
        (f"{WORKER}.architecture", "x86 (or amd64, x86_64)"),
    ),
    Bad(
        "KubeRay version too old",
        {"kuberayVersion": "1.2.0"},
        ("kuberay:kuberayVersion", '"1.2.0"', "1.3.0", "1.7.0"),
    ),
    Bad(
        "KubeRay version with a v",
        {"kuberayVersion": "v1.6.2"},
        ("kuberay:kuberayVersion", '"v1.6.2"', "did you mean '1.6.2'?"),
    ),
    Bad(
        "Ray version not whole",
        {"rayVersion": "2.46"},
        ("kuberay:rayVersion", '"2.46"', "three numbers, such as 2.46.0"),
    ),
    Bad("Python version unquoted", {"pythonVersion": "3.1"}, ("kuberay:pythonVersion", 'write "3.10"')),
    Bad("Python version unknown", {"pythonVersion": "2.7"}, ("kuberay:pythonVersion", "3.9, 3.10, 3.11")),
    Bad(
        "accelerator unknown", {"accelerator": "cuda"}, ("kuberay:accelerator", "cpu, gpu or a CUDA version")
    ),
    Bad(
        "pull policy misspelt",
        {"imagePullPolicy": "ifnotpresent"},
        ("kuberay:imagePullPolicy", "did you mean 'IfNotPresent'?"),
    ),
    Bad(
        "upgrade strategy misspelt",
        cluster(upgradeStrategy="Recrate"),
        ("upgradeStrategy", "did you mean 'Recreate'?"),
    ),
    Bad(
        "taint effect misspelt",
        head(tolerations=[{"effect": "NoShedule"}]),
        ("tolerations.0.effect", "did you mean 'NoSchedule'?"),
    ),
    Bad(
        "flag of ray start misspelt",
        head(rayStartParams={"num_cpus": 0}),
        (f"{HEAD}.rayStartParams", "did you mean 'num-cpus'?"),
    ),
    Bad(
        "chart repository of a wrong kind",
        {"chartRepository": "ftp://charts"},
        ("kuberay:chartRepository", "https://…, oci://…"),
    ),
    Bad(
        "chart repository that is no address",
        {"chartRepository": "https://[charts"},
        ("kuberay:chartRepository", "is not an address"),
    ),
    Bad(
        "login of a registry",
        {"chartRepository": "oci://me:hunter2@registry.example/charts"},
        (
            'kuberay:chartRepository: "oci://registry.example/charts" has a login',
            "`helm registry login` keeps it on the machine",
        ),
    ),
    Bad(
        "chart folder missing",
        {"chartRepository": "./no-such-folder"},
        ("kuberay:chartRepository", "a folder that exists"),
    ),
    Bad("image with spaces", {"image": "my ray image"}, ("kuberay:image", "is not an image reference")),
    # Names
    Bad(
        "namespace in upper case", {"namespace": "Ray"}, ("kuberay:namespace", '"Ray"', "lower-case letters")
    ),
    Bad(
        "cluster name with an underscore",
        {"clusters": {"my_ray": {}}},
        ("kuberay:clusters.my_ray", "not a Kubernetes name"),
    ),
    Bad(
        "cluster name too long",
        {"clusters": {"r" * 40: {}}},
        ("too long a RayCluster name", "33 characters at most"),
    ),
    Bad(
        "cluster name too long for a later version",
        {"kuberayVersion": "1.4.0", "clusters": {"r" * 46: {}}},
        ("too long a RayCluster name for KubeRay 1.4.0", "45 characters at most"),
    ),
    Bad(
        "two clusters of one name",
        {"clusters": {"a": {}, "a-kuberay": {}}},
        ("clusters.a-kuberay", "is the RayCluster name of clusters.a too"),
    ),
    Bad(
        "cluster named like the operator",
        {"clusters": {"kuberay-operator": {}}},
        ("operator's own Helm release",),
    ),
    Bad(
        "group named like the default one",
        cluster(additionalWorkerGroups={"workergroup": {}}),
        ("name of the default worker group too",),
    ),
    Bad(
        "group named head",
        cluster(additionalWorkerGroups={"head": {}}),
        ("additionalWorkerGroups.head", "is kept for the head pod"),
    ),
    Bad(
        "group named as KubeRay names the head's",
        cluster(additionalWorkerGroups={"headgroup": {}}),
        ("is kept for the head pod",),
    ),
    Bad(
        "default group named head",
        worker(groupName="head"),
        (f"{WORKER}.groupName", '"head"', "is kept for the head pod"),
    ),
    Bad(
        "job's group named head",
        job(rayCluster={"worker": {"groupName": "headgroup"}}),
        ("jobs.train.rayCluster.worker.groupName",),
    ),
    Bad(
        "raw group named head",
        cluster(values={"worker": {"groupName": "head"}}),
        ("values.worker.groupName", "is kept for the head pod"),
    ),
    Bad(
        "raw group named like the default one",
        cluster(values={"additionalWorkerGroups": {"workergroup": {"replicas": 1}}}),
        ("values.additionalWorkerGroups.workergroup", "name of the default worker group too"),
    ),
    # What does not go together
    Bad(
        "more replicas than the maximum",
        worker(replicas=5, maxReplicas=3),
        (f"{WORKER}.replicas", "more than maxReplicas (3)"),
    ),
    Bad(
        "fewer replicas than the minimum",
        worker(replicas=1, minReplicas=2),
        (f"{WORKER}.replicas", "less than minReplicas (2)"),
    ),
    Bad(
        "settings of a group left out",
        worker(enabled=False, memory="4G"),
        (f"{WORKER}.enabled", "no effect: memory"),
    ),
    Bad(
        "aarch64 image on x86 nodes",
        {"image": "rayproject/ray:2.46.0-aarch64"},
        ("kuberay:image", "runs on x86 nodes"),
    ),
    Bad(
        "architecture as a node selector",
        head(nodeSelector={"kubernetes.io/arch": "arm64"}),
        ("is set by architecture",),
    ),
    Bad(
        "mount of no volume",
        head(volumeMounts=[{"name": "dta", "mountPath": "/x"}]),
        ("volumeMounts.0.name", "it has: log-volume"),
    ),
    Bad(
        "mount over Ray's logs",
        head(volumeMounts=[{"name": "log-volume", "mountPath": "/tmp/ray"}]),
        ("is mounted already",),
    ),
    Bad(
        "mount path relative",
        head(volumeMounts=[{"name": "log-volume", "mountPath": "data"}]),
        ("must be an absolute path",),
    ),
    Bad(
        "two volumes of one name",
        head(volumes=[{"name": "log-volume", "emptyDir": {}}]),
        ("is the name of another volume",),
    ),
    Bad("volume without a source", head(volumes=[{"name": "data"}]), ("exactly one source",)),
    Bad(
        "nothing to deploy", {"operator": {"install": False}, "clusters": {}}, ("nothing would be deployed",)
    ),
    # Autoscaling and devices
    Bad(
        "autoscaling without a maximum",
        cluster(autoscaling={}),
        (f"{WORKER}.maxReplicas", "is required with autoscaling"),
    ),
    Bad(
        "autoscaling up to nothing",
        cluster(autoscaling={}, worker={"replicas": 0, "maxReplicas": 0}),
        (f"{WORKER}.maxReplicas", ": 0 is no maximum", "leave the group out instead"),
    ),
    Bad(
        "autoscaling of one worker up to nothing",
        cluster(
            autoscaling={}, worker={"maxReplicas": 3}, additionalWorkerGroups={"gpu": {"maxReplicas": 0}}
        ),
        ("additionalWorkerGroups.gpu.maxReplicas", "leave the group out instead"),
    ),
    Bad(
        "raw autoscaling up to nothing",
        cluster(
            values={"head": {"enableInTreeAutoscaling": True}, "worker": {"maxReplicas": 0, "replicas": 0}}
        ),
        ("values.worker.maxReplicas", "leave the group out instead"),
    ),
    Bad(
        "autoscaler version unknown",
        cluster(autoscaling={"version": "v3"}),
        ("autoscaling.version", "v1, v2"),
    ),
    Bad(
        "upscaling mode misspelt",
        cluster(autoscaling={"upscalingMode": "Agressive"}),
        ("did you mean 'Aggressive'?",),
    ),
    Bad(
        "autoscaling key misspelt",
        cluster(autoscaling={"idleTimeout": 5}),
        ("did you mean 'idleTimeoutSeconds'?",),
    ),
    Bad("a negative number of GPUs", worker(gpus=-1), (f"{WORKER}.gpus", "greater than or equal to 0")),
    Bad("GPUs and TPUs together", worker(gpus=1, tpus=4), (f"{WORKER}.tpus", "no node has both")),
    Bad(
        "GPU resource without a vendor",
        worker(gpus=1, gpuResource="gpu"),
        (f"{WORKER}.gpuResource", "such as nvidia.com/gpu"),
    ),
    Bad("no host at all", worker(numOfHosts=0), (f"{WORKER}.numOfHosts", "greater than or equal to 1")),
    # Jobs and services
    Bad(
        "job without an entrypoint", {"jobs": {"train": {}}}, ("kuberay:jobs.train.entrypoint", "is required")
    ),
    Bad(
        "job with an empty entrypoint",
        job(entrypoint=""),
        ("kuberay:jobs.train.entrypoint", "must not be empty"),
    ),
    Bad(
        "job key misspelt",
        job(runtimeEnvYAML="pip: []"),
        ("jobs.train.runtimeEnvYAML", "did you mean 'runtimeEnv'?"),
    ),
    Bad(
        "job's cluster misspelt",
        job(cluster="raycuster"),
        ("jobs.train.cluster", '"raycuster"', "did you mean 'raycluster'?"),
    ),
    Bad(
        "job with two clusters",
        job(cluster="raycluster", rayCluster={}),
        ("jobs.train.rayCluster", "none with cluster"),
    ),
    Bad(
        "job that ends the stack's cluster",
        job(cluster="raycluster", ttlSecondsAfterFinished=9),
        ("jobs.train.ttlSecondsAfterFinished",),
    ),
    Bad(
        "tries on the stack's cluster",
        job(cluster="raycluster", backoffLimit=2),
        ("jobs.train.backoffLimit", "must be 0 with cluster"),
    ),
    Bad(
        "metadata that never arrives",
        job(cluster="raycluster", metadata={"a": "b"}),
        ("jobs.train.metadata", "HTTPMode"),
    ),
    Bad(
        "time to live of what stays",
        job(shutdownAfterJobFinishes=False, ttlSecondsAfterFinished=9),
        ("no effect",),
    ),
    Bad(
        "submission mode misspelt",
        job(submissionMode="HttpMode"),
        ("jobs.train.submissionMode", "did you mean 'HTTPMode'?"),
    ),
    Bad(
        "deadline of nothing",
        job(activeDeadlineSeconds=0),
        ("jobs.train.activeDeadlineSeconds", "greater than 0"),
    ),
    Bad(
        "job name too long",
        {"jobs": {"j" * 47: {"entrypoint": "x"}}},
        ("too long a RayJob name", "46 characters"),
    ),
    Bad(
        "job's own cluster misspelt",
        job(rayCluster={"worker": {"memroy": "4G"}}),
        ("jobs.train.rayCluster.worker.memroy", "'memory'"),
    ),
    Bad(
        "job's own cluster named",
        job(rayCluster={"values": {"fullnameOverride": "x"}}),
        ("fullnameOverride", "KubeRay names this"),
    ),
    Bad(
        "job's own cluster with a strategy",
        job(rayCluster={"upgradeStrategy": "None"}),
        ("rayCluster.upgradeStrategy", "not a setting"),
    ),
    Bad(
        "job that its operator cannot ask for",
        job(cluster="raycluster") | {"rayVersion": "2.52.0"},
        ("jobs.train.cluster", "asks for a token", "KubeRay 1.5.1 or later", "tokenAuthentication: disabled"),
    ),
    Bad(
        "token for a job's own cluster that KubeRay cannot make",
        job() | {"clusters": {}, "rayVersion": "2.52.0", "protection": {"tokenAuthentication": "token"}},
        ("protection.tokenAuthentication", "KubeRay 1.5.1 or later", "jobs.train"),
    ),
    Bad(
        "job that does not fit the quota",
        job(rayCluster={"worker": {"memory": "64G"}}) | {"clusters": {}, "quota": {"memory": "32G"}},
        ("quota.memory", "jobs.train, workergroup 64G", "jobs.train, submitter"),
    ),
    Bad(
        "schedule that KubeRay does not know",
        job(schedule="0 2 * * *"),
        ("jobs.train.schedule", "needs KubeRay 1.6.0 or later; kuberayVersion is 1.3.0"),
    ),
    Bad(
        "schedule of four fields",
        job(schedule="0 2 * *"),
        ("jobs.train.schedule", "has 4 fields, and a schedule five"),
    ),
    Bad(
        "schedule with the seventh day",
        job(schedule="0 2 * * 7"),
        ("jobs.train.schedule", "'7' as day of the week", "Sunday is 0"),
    ),
    Bad(
        "schedule out of range",
        job(schedule="61 * * * *"),
        ("jobs.train.schedule", "'61' as minute, which goes from 0 to 59"),
    ),
    Bad(
        "schedule with a step of nothing",
        job(schedule="*/0 * * * *"),
        ("jobs.train.schedule", "'*/0' as minute"),
    ),
    Bad("schedule backwards", job(schedule="0 8-2 * * *"), ("jobs.train.schedule", "'8-2' as hour")),
    Bad(
        "schedule's word misspelt", job(schedule="@dayly"), ("jobs.train.schedule", "did you mean '@daily'?")
    ),
    Bad(
        "schedule with a time zone",
        job(schedule="TZ=UTC 0 2 * * *"),
        ("jobs.train.schedule", "set timeZone instead"),
    ),
    Bad(
        "time zone misspelt",
        job(timeZone="Europe/Berln"),
        ("jobs.train.timeZone", "did you mean 'Europe/Berlin'?"),
    ),
    Bad(
        "time zone of nothing",
        job(timeZone="Europe/Berlin"),
        ("jobs.train.timeZone", "no effect without schedule"),
    ),
    Bad("schedule that is waited for", scheduled(wait=True), ("jobs.train.wait", "`up` waits for no run")),
    Bad(
        "schedule with a time of its own",
        scheduled(timeoutSeconds=60),
        ("jobs.train.timeoutSeconds", "`up` waits for no run"),
    ),
    Bad(
        "annotations that never arrive",
        scheduled(rayCluster={"values": {"annotations": {"a": "b"}}}),
        ("jobs.train.rayCluster.values.annotations", "never gets to the clusters of a schedule"),
    ),
    Bad(
        "scheduled job's name too long",
        {"kuberayVersion": "1.6.2", "jobs": {"j" * 37: {"entrypoint": "x", "schedule": "@daily"}}},
        ("too long a RayCronJob name", "36 characters"),
    ),
    Bad(
        "schedule whose gate is off",
        scheduled() | {"operator": {"values": {"featureGates": [{"name": "RayCronJob", "enabled": False}]}}},
        ("operator.values.featureGates", "leaves RayCronJob off, which jobs.train.schedule needs"),
    ),
    Bad(
        "suspended on the stack's cluster",
        job(suspend=True, cluster="raycluster"),
        ("jobs.train.suspend", "none with cluster"),
    ),
    Bad(
        "suspended with a cluster that stays",
        job(suspend=True, shutdownAfterJobFinishes=False),
        ("jobs.train.suspend", "refused by KubeRay"),
    ),
    Bad(
        "SidecarMode that KubeRay does not know",
        job(submissionMode="SidecarMode"),
        ("jobs.train.submissionMode", "needs KubeRay 1.5.0 or later"),
    ),
    Bad(
        "SidecarMode on the stack's cluster",
        job(submissionMode="SidecarMode", cluster="raycluster") | {"kuberayVersion": "1.6.2"},
        ("jobs.train.submissionMode", "none with cluster"),
    ),
    Bad(
        "SidecarMode that restarts",
        job(submissionMode="SidecarMode", rayCluster={"values": {"head": {"restartPolicy": "Always"}}})
        | {"kuberayVersion": "1.6.2"},
        ("rayCluster.values.head.restartPolicy", "must be Never"),
    ),
    Bad(
        "SidecarMode of a Ray that would ask for a token",
        job(submissionMode="SidecarMode")
        | {
            "kuberayVersion": "1.6.2",
            "rayVersion": "2.61.0",
            "protection": {"tokenAuthentication": "disabled"},
        },
        ("jobs.train.submissionMode", "set K8sJobMode"),
    ),
    Bad(
        "submitter in HTTPMode",
        job(submissionMode="HTTPMode", submitter={"cpu": 2}),
        ("jobs.train.submitter.cpu", "no effect"),
    ),
    Bad(
        "submitter that asks for too much",
        job(submitter={"cpuRequest": 2}),
        ("jobs.train.submitter.cpuRequest", "more than the limit 1"),
    ),
    Bad(
        "deadline that KubeRay does not know",
        job(preRunningDeadlineSeconds=60),
        ("jobs.train.preRunningDeadlineSeconds", "needs KubeRay 1.6.0 or later"),
    ),
    Bad(
        "rules that KubeRay does not know",
        job(deletionRules=[{"policy": "DeleteWorkers", "ttlSeconds": 5}]),
        ("jobs.train.deletionRules", "needs KubeRay 1.5.0 or later"),
    ),
    Bad(
        "rules with the switch",
        ruled({"policy": "DeleteNone"}, shutdownAfterJobFinishes=True),
        ("shutdownAfterJobFinishes", "leave it out"),
    ),
    Bad(
        "rules with a time to live",
        ruled({"policy": "DeleteNone"}, ttlSecondsAfterFinished=5),
        ("ttlSecondsAfterFinished", "no effect"),
    ),
    Bad(
        "rule against the stack's cluster",
        ruled({"policy": "DeleteCluster"}, cluster="raycluster"),
        ("deletionRules.0.policy", "none with"),
    ),
    Bad(
        "rule that deletes the job",
        ruled({"policy": "DeleteSelf"}),
        ("jobs.train.deletionRules.0.policy", "for the runs of a schedule"),
    ),
    Bad(
        "rule that is said twice",
        ruled({"policy": "DeleteNone"}, {"policy": "DeleteNone"}),
        ("deletionRules.1.policy", "said twice"),
    ),
    Bad(
        "rule against an autoscaler",
        ruled({"policy": "DeleteWorkers"}, rayCluster={"autoscaling": {}, "worker": {"maxReplicas": 2}}),
        ("deletionRules.0.policy", "refused by KubeRay with an autoscaler"),
    ),
    Bad(
        "rules in the wrong order",
        ruled({"policy": "DeleteWorkers", "ttlSeconds": 9}, {"policy": "DeleteCluster", "ttlSeconds": 5}),
        ("jobs.train.deletionRules", "DeleteCluster come after 5 s, before DeleteWorkers after 9 s"),
    ),
    Bad(
        "token of one's own that KubeRay cannot take",
        job(ownToken=True),
        ("jobs.train.ownToken", "needs KubeRay 1.6.0 or later"),
    ),
    Bad(
        "token of one's own without any",
        job(ownToken=True) | {"kuberayVersion": "1.6.2", "protection": {"tokenAuthentication": "disabled"}},
        ("jobs.train.ownToken", "no effect with protection.tokenAuthentication"),
    ),
    Bad(
        "token of one's own on the stack's cluster",
        job(ownToken=True, cluster="raycluster"),
        ("jobs.train.ownToken", "none with cluster"),
    ),
    Bad(
        "history server that KubeRay does not know",
        cluster(historyServer=HISTORY),
        ("raycluster.historyServer:", "needs KubeRay 1.7.0 or later; kuberayVersion is 1.3.0"),
    ),
    Bad(
        "history server without what its store needs",
        cluster(historyServer=HISTORY | {"store": "gcs"}) | {"kuberayVersion": "1.7.0"},
        ("historyServer", "needs GCS_BUCKET in env: store is gcs"),
    ),
    Bad(
        "history server with a variable that KubeRay sets",
        cluster(historyServer=HISTORY | {"env": HISTORY["env"] | {"RAY_ROLE": "Head"}})
        | {"kuberayVersion": "1.7.0"},
        ("historyServer", "has RAY_ROLE in env, which KubeRay itself sets"),
    ),
    Bad(
        "collector that would see no logs",
        cluster(spec={"historyServerOptions": {"collectorOptions": {"image": "collector:1"}}})
        | {"kuberayVersion": "1.7.0"},
        ("head.volumeMounts", "the collector sees those in ray-logs alone"),
    ),
    Bad(
        "collector that would see no logs, with a slash",
        cluster(
            historyServer=HISTORY,
            values={"head": {"volumeMounts": [{"name": "log-volume", "mountPath": "/tmp/ray/"}]}},
        )
        | {"kuberayVersion": "1.7.0"},
        ("values.head.volumeMounts", "the collector sees those in ray-logs alone"),
    ),
    Bad(
        "options of a history server that are no map",
        cluster(spec={"historyServerOptions": 3}) | {"kuberayVersion": "1.7.0"},
        ("clusters.raycluster.spec.historyServerOptions", "must be a map"),
    ),
    Bad(
        "options of a collector that are no map",
        service({"import_path": "a:b"}, spec={"rayClusterConfig": collector(["x"])}),
        ("services.chat.spec.rayClusterConfig.historyServerOptions.collectorOptions", "must be a map"),
    ),
    Bad(
        "resources of a collector that are no map",
        job(schedule="@daily", spec={"jobTemplate": {"rayClusterSpec": collector({"resources": [1]})}})
        | {"kuberayVersion": "1.7.0"},
        (
            "jobs.train.spec.jobTemplate.rayClusterSpec.historyServerOptions.collectorOptions.resources",
            "must be a map with keys of",
        ),
    ),
    Bad(
        "resources of the autoscaler in a spec, that are no amounts",
        cluster(spec={"autoscalerOptions": {"resources": {"limits": {"cpu": "abc"}}}}),
        ("clusters.raycluster.spec.autoscalerOptions.resources.limits.cpu", "is not a Kubernetes quantity"),
    ),
    Bad(
        "volume with the name of the one that the collector reads",
        cluster(historyServer=HISTORY, head={"volumes": [{"name": "ray-logs", "emptyDir": {}}]})
        | {"kuberayVersion": "1.7.0"},
        ("head.volumes.0.name", "is the name of another volume of this group"),
    ),
    Bad(
        "incremental upgrade that KubeRay does not know",
        incremental() | {"kuberayVersion": "1.5.0"},
        ("services.chat.upgradeStrategy", "needs KubeRay 1.5.1 or later; kuberayVersion is 1.5.0"),
    ),
    Bad(
        "incremental upgrade without its options",
        incremental(clusterUpgradeOptions=None),
        ("services.chat.clusterUpgradeOptions", "is required with upgradeStrategy"),
    ),
    Bad(
        "incremental upgrade without an autoscaler",
        incremental(rayCluster={}),
        ("upgradeStrategy", "set rayCluster.autoscaling"),
    ),
    Bad(
        "incremental upgrade of a Service",
        incremental(serveService={"type": "NodePort"}),
        ("serveService", "requests come by the Gateway"),
    ),
    Bad(
        "options of another upgrade",
        service(APP, clusterUpgradeOptions={"gatewayClassName": "istio"}),
        ("services.chat.clusterUpgradeOptions", "here it is NewCluster"),
    ),
    Bad(
        "type of a Service misspelt",
        service(APP, serveService={"type": "Loadbalancer"}),
        ("serveService.type", "did you mean 'LoadBalancer'?"),
    ),
    Bad(
        "service without a config",
        {"services": {"chat": {}}},
        ("kuberay:services.chat.serveConfig", "is required"),
    ),
    Bad("service without applications", service(), ("services.chat.serveConfig", "at least one")),
    Bad(
        "applications misspelt",
        {"services": {"chat": {"serveConfig": {"aplications": []}}}},
        ("did you mean 'applications'?",),
    ),
    Bad(
        "application without a path",
        service({"name": "a"}),
        ("services.chat.serveConfig", "import_path: my_module:app"),
    ),
    Bad(
        "two applications of one name",
        service({"import_path": "a:b"}, {"import_path": "c:d"}),
        ("two applications of the name 'default'",),
    ),
    Bad(
        "service strategy unknown",
        service({"import_path": "a:b"}, upgradeStrategy="Recreate"),
        ("services.chat.upgradeStrategy", "one of NewCluster, NewClusterWithIncrementalUpgrade, None"),
    ),
    Bad(
        "service name too long",
        {"services": {"s" * 41: {"serveConfig": {"applications": [{"import_path": "a:b"}]}}}},
        ("too long a RayService name", "40 characters"),
    ),
    Bad(
        "service named like a cluster",
        {"services": {"raycluster-kuberay": {"serveConfig": {"applications": [{"import_path": "a:b"}]}}}},
        ("services.raycluster-kuberay", "RayCluster name of clusters.raycluster"),
    ),
    Bad(
        "service's head Service named",
        service(
            {"import_path": "a:b"},
            rayCluster={"values": {"head": {"headService": {"metadata": {"name": "x"}}}}},
        ),
        ("headService.metadata.name", "must be left out"),
    ),
    # Raw values
    Bad(
        "raw value misspelt",
        cluster(values={"worker": {"replcas": 3}}),
        ("values.worker.replcas", "did you mean 'replicas'?"),
    ),
    Bad(
        "raw group value misspelt",
        cluster(values={"additionalWorkerGroups": {"a": {"imge": {}}}}),
        ("additionalWorkerGroups.a.imge", "'image'"),
    ),
    Bad(
        "raw value not a map",
        cluster(values={"head": "big"}),
        ("values.head", "must be a map with keys of: affinity"),
    ),
    Bad(
        "raw replicas are text",
        cluster(values={"worker": {"replicas": "many"}}),
        ("values.worker.replicas", "whole number"),
    ),
    Bad(
        "raw memory is no quantity",
        cluster(values={"head": {"resources": {"limits": {"memory": "2GB"}}}}),
        ("resources.limits.memory", "Gi"),
    ),
    Bad(
        "raw resources are text",
        cluster(values={"head": {"resources": "2G"}}),
        ("values.head.resources", '"2G"', "limits, requests"),
    ),
    Bad(
        "raw limits are a list",
        cluster(values={"worker": {"resources": {"limits": ["2G"]}}}),
        ("values.worker.resources.limits", "must be a map of amounts"),
    ),
    Bad(
        "raw half of a GPU",
        cluster(values={"worker": {"resources": {"limits": {"nvidia.com/gpu": "0.5"}}}}),
        ("values.worker.resources.limits.nvidia.com/gpu", '"0.5"', "must be a whole number"),
    ),
    Bad(
        "raw storage is no quantity",
        cluster(values={"head": {"resources": {"limits": {"ephemeral-storage": "10GB"}}}})
        | {"quota": {"cpu": 9}},
        ("values.head.resources.limits.ephemeral-storage", '"10GB"', "Gi"),
    ),
    Bad(
        "raw memory of a sidecar is no quantity",
        cluster(
            values={
                "head": {"sidecarContainers": [{"name": "logs", "resources": {"limits": {"memory": "1GB"}}}]}
            }
        ),
        ("values.head.sidecarContainers.0.resources.limits.memory", "Gi"),
    ),
    Bad(
        "raw memory of the operator is no quantity",
        {"operator": {"values": {"resources": {"limits": {"memory": "512MB"}}}}, "quota": {"cpu": 9}},
        ("operator.values.resources.limits.memory", '"512MB"', "Gi"),
    ),
    Bad(
        "raw environment is a map",
        cluster(values={"head": {"containerEnv": {"A": "b"}}}),
        ("values.head.containerEnv", "list of maps"),
    ),
    Bad(
        "raw annotations are a list",
        cluster(values={"head": {"annotations": ["a"]}}),
        ("values.head.annotations", "must be a map"),
    ),
    Bad(
        "raw image of a raw group half given",
        cluster(values={"additionalWorkerGroups": {"big": {"image": {"tag": "2.46.0"}}}}),
        ("values.additionalWorkerGroups.big.image", "repository, tag and pullPolicy"),
    ),
    Bad(
        "raw image half given",
        cluster(values={"head": {"image": {"tag": None}}}),
        ("values.head.image", "repository, tag and pullPolicy"),
    ),
    Bad(
        "raw operator value misspelt",
        {"operator": {"values": {"resorces": {}}}},
        ("operator.values.resorces", "'resources'"),
    ),
    Bad(
        "raw operator value of a later version",
        {"operator": {"values": {"kubeClient": {"qps": 50}}}},
        ("operator.values.kubeClient", "knows at 1.3.0; KubeRay 1.5.0 or later does"),
    ),
    Bad(
        "raw value of a later version",
        cluster(values={"head": {"runtimeClassName": "nvidia"}}),
        ("values.head.runtimeClassName", "knows at 1.3.0; KubeRay 1.6.0 or later does"),
    ),
    Bad(
        "raw constraints that the chart leaves out",
        cluster(values={"worker": {"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone"}]}}),
        ("values.worker.topologySpreadConstraints", "knows at 1.3.0; KubeRay 1.4.0 or later does"),
    ),
    Bad(
        "feature gate of a later version",
        {
            "kuberayVersion": "1.5.2",
            "operator": {"values": {"featureGates": [{"name": "RayCronJob", "enabled": True}]}},
        },
        (
            "operator.values.featureGates.0",
            '"RayCronJob"',
            "is not a feature gate that the operator knows at 1.5.2",
            "RayMultiHostIndexing",
        ),
    ),
    Bad(
        "values file missing",
        cluster(valuesFile="none.yaml"),
        ("clusters.raycluster.valuesFile", "does not exist"),
    ),
    Bad(
        "values file not YAML",
        cluster(valuesFile="tests/data/broken-values.yaml"),
        ("valuesFile", "not a readable YAML file"),
    ),
    Bad(
        "values file with a slip",
        cluster(valuesFile="tests/data/broken-values.yaml"),
        (
            (
                '"tests/data/broken-values.yaml" is not a readable YAML file: there is a mistake in line 2,'
                " column 1"
            ),
        ),
    ),
    Bad(
        "values file that is a folder",
        cluster(valuesFile="tests"),
        ("valuesFile", '"tests" is a folder; name a file'),
    ),
    Bad(
        "values file no text",
        cluster(valuesFile="docs/preview.png"),
        ("is not a readable YAML file: it is not UTF-8 text",),
    ),
    *(
        Bad(
            f"values file elsewhere: {path}",
            cluster(valuesFile=path),
            ("valuesFile", "must be a file in the project's folder"),
        )
        for path in (
            "/etc/passwd",
            "../../../../etc/passwd",
            "docs/../../Pulumi.yaml",
            "/no/such/file",
            "../no-such-file",
        )
    ),
    Bad(
        "values file a list",
        cluster(valuesFile="tests/data/list-values.yaml"),
        ("valuesFile", "not a map of Helm values"),
    ),
    Bad(
        "values file key misspelt",
        cluster(valuesFile="tests/data/misspelt-values.yaml"),
        ("values.head.resorces", "'resources'"),
    ),
    # Protection
    Bad(
        "token authentication of a Ray that has none",
        {"protection": {"tokenAuthentication": "token"}},
        (
            "kuberay:protection.tokenAuthentication",
            "needs Ray 2.52.0 or later; clusters.raycluster has 2.46.0",
        ),
    ),
    Bad(
        "protection misspelt",
        {"protection": {"networkPolcy": {}}},
        ("protection.networkPolcy", "'networkPolicy'"),
    ),
    Bad(
        "protection off by the wrong word",
        {"protection": {"podSecurity": "off"}},
        ("podSecurity", "auto, restricted, none"),
    ),
    Bad(
        "token for everyone to read",
        {"authToken": "x" * 40, "rayVersion": "2.52.0"},
        ("authToken", "[secret]", "config set --secret"),
    ),
    Bad(
        "namespaces allowed by no policy",
        {"protection": {"networkPolicy": {"enabled": False, "allowedNamespaces": ["a"]}}},
        ("allowedNamespaces", "has no effect"),
    ),
    Bad(
        "standard for another's namespace",
        {"createNamespace": False, "protection": {"namespacePodSecurity": "baseline"}},
        ("namespacePodSecurity", "a namespace that this stack makes"),
    ),
    Bad(
        "standard that refuses the stack's own pods",
        {"image": "registry.example/own:1", "protection": {"namespacePodSecurity": "restricted"}},
        (
            "namespacePodSecurity",
            "would refuse pods of clusters.raycluster",
            "set protection.podSecurity to restricted",
        ),
    ),
    Bad(
        "environment that a setting sets",
        head(env={"RAY_REDIS_ADDRESS": "r:1"}),
        ("env.RAY_REDIS_ADDRESS", "redisAddress; leave it out"),
    ),
    Bad(
        "operator of others kept to one namespace",
        {"operator": {"install": False, "singleNamespaceInstall": True}},
        ("operator.singleNamespaceInstall", "has no effect"),
    ),
    # Quota
    Bad(
        "quota of memory too small for the stack",
        {"quota": {"memory": "4G"}},
        (
            "kuberay:quota.memory",
            '"4G"',
            "is 512Mi less than",
            "operator 512Mi, clusters.raycluster, head 2G",
        ),
    ),
    Bad(
        "misspelt price", {"prices": {"cpuhour": 0.03}}, ("kuberay:prices.cpuhour", "did you mean 'cpuHour'?")
    ),
    Bad(
        "price below nothing",
        {"prices": {"cpuHour": -1}},
        ("kuberay:prices.cpuHour", "-1", "greater than or equal to 0"),
    ),
    Bad(
        "prices of nodes without a label",
        {"prices": {"nodes": [{"labels": {}}]}},
        ("kuberay:prices.nodes.0.labels", "names no label"),
    ),
    Bad(
        "quota of CPU too small",
        {"quota": {"cpu": 2}},
        ("kuberay:quota.cpu", "is 100m less than the 2.1 that"),
    ),
    Bad(
        "quota that forgets KubeRay's init container",
        {
            "quota": {"cpu": "700m"},
            "clusters": {"raycluster": {"head": {"cpu": "500m"}, "worker": {"cpu": "100m"}}},
        },
        ("kuberay:quota.cpu", "is 100m less than", "clusters.raycluster, workergroup 200m"),
    ),
    Bad(
        "quota of pods too small", {"quota": {"pods": 2}}, ("kuberay:quota.pods", "is 1 less than the 3 that")
    ),
    Bad(
        "quota without GPUs",
        {"quota": {"gpus": 1}} | worker(gpus=1, replicas=3),
        ("kuberay:quota.gpus", "is 2 less than the 3"),
    ),
    Bad(
        "limit below a container",
        {"limitRange": {"max": {"memory": "1G"}}},
        ("limitRange.max.memory", "2G of a container of clusters"),
    ),
    Bad(
        "default over the limit",
        {"limitRange": {"default": {"cpu": 5}, "max": {"cpu": 4}}},
        ("kuberay:limitRange.default.cpu", "is more than limitRange.max.cpu (4)"),
    ),
    # Fault tolerance
    Bad(
        "fault tolerance without a Redis",
        cluster(gcsFaultTolerance={}),
        ("gcsFaultTolerance.redisAddress", "is required"),
    ),
    Bad(
        "Redis without a port",
        cluster(gcsFaultTolerance={"redisAddress": "redis"}),
        ("redisAddress", "host and port"),
    ),
    Bad(
        "Redis password for everyone to read",
        cluster(gcsFaultTolerance={"redisAddress": "r:6379", "redisPassword": "x"}),
        (
            "redisPassword",
            "[secret]",
            "pulumi config set --secret --path 'kuberay:clusters.raycluster.gcsFaultTolerance.redisPassword'",
        ),
    ),
    Bad(
        "Redis password for everyone to read, as a map",
        cluster(gcsFaultTolerance={"redisAddress": "r:6379", "redisPassword": {"value": "hunter2"}}),
        (
            "redisPassword.value",
            "[secret]",
            "pulumi config set --secret --path",
            "gcsFaultTolerance.redisPassword.value'",
        ),
    ),
    Bad(
        "raw Redis password for everyone to read",
        {"kuberayVersion": "1.6.2"}
        | cluster(
            values={
                "gcsFaultTolerance": {
                    "enabled": True,
                    "redisAddress": "r:6379",
                    "redisPassword": {"value": "hunter2"},
                }
            },
        ),
        ("values.gcsFaultTolerance.redisPassword.value", "[secret]", "pulumi config set --secret --path"),
    ),
    Bad(
        "Redis user of an operator that takes none",
        cluster(gcsFaultTolerance={"redisAddress": "r:6379", "redisUsername": "ray"}),
        ("redisUsername", "needs KubeRay 1.5.0 or later; kuberayVersion is 1.3.0"),
    ),
    # What the operator refuses
    Bad(
        "labels by a flag",
        {"kuberayVersion": "1.5.0"} | worker(rayStartParams={"labels": "zone=a"}),
        (
            f"{WORKER}.rayStartParams.labels",
            '"zone=a"',
            "refused by KubeRay from 1.5.0 on",
            "set rayLabels instead",
        ),
    ),
    Bad(
        "Redis user by a flag",
        head(rayStartParams={"redis-username": "ray"}),
        (f"{HEAD}.rayStartParams.redis-username", "refused by KubeRay", "gcsFaultTolerance.redisUsername"),
    ),
    Bad(
        "Redis password by a flag beside fault tolerance",
        {"kuberayVersion": "1.6.2"}
        | cluster(
            gcsFaultTolerance={"redisAddress": "r:6379"},
            head={"rayStartParams": {"redis-password": "$REDIS_PASSWORD"}},
        ),
        (f"{HEAD}.rayStartParams.redis-password", "together with gcsFaultTolerance", "redisPassword"),
    ),
    Bad(
        "Redis password by a flag for everyone to read",
        head(rayStartParams={"redis-password": "hunter2"}),
        (
            f"{HEAD}.rayStartParams.redis-password: [secret] must not be readable in the stack file",
            "--secret --path",
        ),
    ),
    Bad(
        "Redis password that is a number",
        {"kuberayVersion": "1.6.2"}
        | cluster(values={"gcsFaultTolerance": {"redisPassword": {"value": 123456789}}}),
        (
            (
                "raycluster.values.gcsFaultTolerance.redisPassword.value: [secret] must not be readable in"
                " the stack file"
            ),
            "--secret --path",
        ),
    ),
    Bad(
        "Redis user by a raw variable",
        cluster(values={"common": {"containerEnv": [{"name": "REDIS_USERNAME", "value": "ray"}]}}),
        ("values.common.containerEnv.REDIS_USERNAME", "gcsFaultTolerance.redisUsername"),
    ),
    Bad(
        "Redis by a raw variable alone",
        cluster(values={"head": {"containerEnv": [{"name": "RAY_REDIS_ADDRESS", "value": "r:6379"}]}}),
        ("values.head.containerEnv.RAY_REDIS_ADDRESS", "refused by KubeRay without gcsFaultTolerance"),
    ),
    Bad(
        "fault tolerance by options and by annotation",
        {"kuberayVersion": "1.6.2"}
        | cluster(
            gcsFaultTolerance={"redisAddress": "r:6379"},
            values={"annotations": {"ray.io/ft-enabled": "true"}},
        ),
        ("values.annotations.ray.io/ft-enabled", "together with gcsFaultTolerance", "leave it out"),
    ),
    Bad(
        "autoscaler v2 without an autoscaler",
        {"kuberayVersion": "1.5.0"} | head(env={"RAY_enable_autoscaler_v2": 1}),
        (f"{HEAD}.env.RAY_enable_autoscaler_v2", '"1"', "from 1.5.0 on", "autoscaling.version: v2"),
    ),
    Bad(
        "autoscaler v2 twice",
        {"kuberayVersion": "1.4.0"}
        | cluster(
            autoscaling={"version": "v2"},
            worker={"maxReplicas": 3},
            values={"head": {"autoscalerOptions": {"version": "v2"}}},
        ),
        ("values.head.autoscalerOptions.version", "from 1.4.0 on", "leave it out"),
    ),
    Bad(
        "raw minimum over the maximum",
        {"kuberayVersion": "1.6.0"} | cluster(values={"worker": {"minReplicas": 3}}),
        ("values.worker.minReplicas", "3 is more than maxReplicas (1)", "from 1.6.0 on"),
    ),
    Bad(
        "labels by a flag, in a service's cluster",
        {"kuberayVersion": "1.7.0"}
        | service({"import_path": "a:b"}, rayCluster={"head": {"rayStartParams": {"labels": "zone=a"}}}),
        ("services.chat.rayCluster.head.rayStartParams.labels", "from 1.5.0 on"),
    ),
    # Metrics
    Bad(
        "metrics that are off",
        {"metrics": {"labels": {"release": "p"}}},
        ("metrics.enabled", "without effect"),
    ),
    Bad(
        "dashboards without metrics", {"metrics": {"dashboards": True}}, ("metrics.enabled", "without effect")
    ),
    Bad(
        "labels of dashboards that are not there",
        {"metrics": {"enabled": True, "dashboardLabels": {"a": "b"}}},
        ("metrics.dashboardLabels", "has no effect with metrics.dashboards: false"),
    ),
    Bad(
        "a Grafana without its address", {"metrics": {"grafana": {}}}, ("metrics.grafana.url", "is required")
    ),
    Bad(
        "a Grafana by its name alone",
        {"metrics": {"grafana": {"url": "grafana:3000"}}},
        ("metrics.grafana.url", '"grafana:3000"', "such as http://grafana.monitoring.svc:3000"),
    ),
    Bad(
        "a query in Grafana's address",
        {"metrics": {"grafana": {"url": "https://g.example", "browserUrl": "https://g.example?orgId=2"}}},
        ("metrics.grafana.browserUrl", "must end with the path"),
    ),
    Bad(
        "a login in Prometheus' address",
        {"metrics": {"prometheus": {"url": "https://me:hunter2@p.example"}}},
        ("metrics.prometheus.url", "https://p.example", "prometheus.headersFrom"),
    ),
]
