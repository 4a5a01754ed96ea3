"""What a refusal says: whole lines, each with the nearest right spelling or the way
out.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from kuberay.checks.loading import SettingsError, load_settings
from kuberay.plan.cluster import plan_cluster
from kuberay.settings.base import keys_at
from kuberay.settings.stack import StackSettings
from tests.bad_settings import HISTORY, cluster, head, job, service, worker
from tests.stack_config import as_config
from tests.unit.kuberay.checks.test_loading import load, refused

HEAD = "kuberay:clusters.raycluster.head"
SUFFIXES = "m, k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi, Ei"
NO_QUANTITY = f"is not a Kubernetes quantity: a number, then one of {SUFFIXES}"
VERSIONS = (
    "1.3.0, 1.3.1, 1.3.2, 1.4.0, 1.4.1, 1.4.2, 1.5.0, 1.5.1, 1.5.2, 1.6.0, 1.6.1, 1.6.2, 1.7.0 or a later"
    " 1.x.y"
)
AUTOSCALING = "must be a map with keys of: cpu, idleTimeoutSeconds, memory, upscalingMode, version"
WORKER = "kuberay:clusters.raycluster.worker"
VALUES = "kuberay:clusters.raycluster.values"
CHART = "is no setting but a value of the ray-cluster chart: clusters.raycluster.values"
SWITCH = "must be true or false, without quotes"
NO_NAME = "is not a Kubernetes name: lower-case letters, digits and '-', 63 characters at most"
KNOWN_OF_CLUSTERS = ", ".join(sorted(keys_at(StackSettings, ("clusters", "raycluster"))))
CLAIM = [{"name": "data", "persistentVolumeClaim": {"claimName": "ray-logs"}}]


def raw(**values: Any) -> dict[str, Any]:
    return cluster(values=values)


@pytest.mark.parametrize(
    ("config", "line"),
    [
        # Amounts
        (head(memory="2gb"), f"{HEAD}.memory: \"2gb\" {NO_QUANTITY}; did you mean '2G'?"),
        (head(memory="2 GB"), f"{HEAD}.memory: \"2 GB\" {NO_QUANTITY}; did you mean '2G'?"),
        (head(memory="1,5Gi"), f"{HEAD}.memory: \"1,5Gi\" {NO_QUANTITY}; did you mean '1.5Gi'?"),
        (head(memory="1,024Mi"), f"{HEAD}.memory: \"1,024Mi\" {NO_QUANTITY}; did you mean '1024Mi'?"),
        (head(memory="0,125Gi"), f"{HEAD}.memory: \"0,125Gi\" {NO_QUANTITY}; did you mean '0.125Gi'?"),
        (head(memory="2GBs"), f"{HEAD}.memory: \"2GBs\" {NO_QUANTITY}; did you mean '2G'?"),
        (head(memory="2 gigabytes"), f"{HEAD}.memory: \"2 gigabytes\" {NO_QUANTITY}; did you mean '2G'?"),
        (head(memory="2 Gibibyte"), f"{HEAD}.memory: \"2 Gibibyte\" {NO_QUANTITY}; did you mean '2Gi'?"),
        (head(cpu="2 cores"), f"{HEAD}.cpu: \"2 cores\" {NO_QUANTITY}; did you mean '2'?"),
        (head(cpu="0,5"), f"{HEAD}.cpu: \"0,5\" {NO_QUANTITY}; did you mean '0.5'?"),
        *(
            (
                {"timeoutSeconds": given},
                f'kuberay:timeoutSeconds: "{given}" must be a whole number; did you mean {meant}?',
            )
            for given, meant in (
                ("10m", 600),
                ("90s", 90),
                ("1 h", 3600),
                ("10mins", 600),
                ("5 minutes", 300),
                ("90 sec", 90),
                ("2hours", 7200),
            )
        ),
        (
            job(ttlSecondsAfterFinished="2 days"),
            'kuberay:jobs.train.ttlSecondsAfterFinished: "2 days" must be a whole number; did you mean'
            " 172800?",
        ),
        *(
            ({"timeoutSeconds": given}, f'kuberay:timeoutSeconds: "{given}" must be a whole number')
            for given in ("500ms", "2mo", "1h30m")
        ),
        *(
            (job(entrypoint=given), f"kuberay:jobs.train.entrypoint: {json.dumps(given)} must not be empty")
            for given in ("", " ", "\n")
        ),
        (
            {"imagePullSecrets": "registry"},
            'kuberay:imagePullSecrets: "registry" must be a list, even of one',
        ),
        (
            head(tolerations={"key": "gpu"}),
            f'{HEAD}.tolerations: {{"key": "gpu"}} must be a list, even of one',
        ),
        (
            {"imagePullSecrets": [{"name": "registry"}]},
            'kuberay:imagePullSecrets.0: {"name": "registry"} must be text; give the name alone',
        ),
        *(
            (
                {"pythonVersion": given},
                f'kuberay:pythonVersion: "{given}" is not a Python version that Ray has images for: 3.9,'
                " 3.10, 3.11, 3.12, 3.13; did you mean '3.10'?",
            )
            for given in ("3.10.1", "3.10.14", "v3.10")
        ),
        (
            job(schedule="daily"),
            'kuberay:jobs.train.schedule: "daily" has 1 field, and a schedule five: minute, hour, day of the'
            " month, month, day of the week, such as 0 2 * * * for two o'clock each night; did you mean"
            " '@daily'?",
        ),
        (raw(image=5), f"{VALUES}.image: 5 must be a map with keys of: pullPolicy, repository, tag"),
        (
            {"clusters": {"raycluster": None}},
            f"kuberay:clusters.raycluster: null must be a map with keys of: {KNOWN_OF_CLUSTERS}; write {{}}"
            " for all of its defaults",
        ),
        (
            job(entrypoint=["python", "main.py"]),
            'kuberay:jobs.train.entrypoint: ["python", "main.py"] must be text; write it as one, such as'
            " python main.py",
        ),
        (head(memory="2GiB"), f"{HEAD}.memory: \"2GiB\" {NO_QUANTITY}; did you mean '2Gi'?"),
        (head(memory="2gi"), f"{HEAD}.memory: \"2gi\" {NO_QUANTITY}; did you mean '2Gi'?"),
        (head(memory="4096 mb"), f"{HEAD}.memory: \"4096 mb\" {NO_QUANTITY}; did you mean '4096M'?"),
        (head(memory="2G "), f"{HEAD}.memory: \"2G \" {NO_QUANTITY}; did you mean '2G'?"),
        (head(memory="plenty"), f'{HEAD}.memory: "plenty" {NO_QUANTITY}'),
        (
            head(memory=3072),
            f"{HEAD}.memory: 3072 is less than a megabyte; write the unit, such as 3072M or 3072Mi",
        ),
        (head(memory=2), f"{HEAD}.memory: 2 is less than a megabyte; write the unit, such as 2G or 2Gi"),
        ({"quota": {"memory": "64GB"}}, f"kuberay:quota.memory: \"64GB\" {NO_QUANTITY}; did you mean '64G'?"),
        (
            cluster(values={"worker": {"resources": {"limits": {"memory": "2GB"}}}}),
            (
                f'kuberay:clusters.raycluster.values.worker.resources.limits.memory: "2GB" {NO_QUANTITY};'
                " did you mean '2G'?"
            ),
        ),
        (
            head(cpu=500),
            f"{HEAD}.cpu: \"500\" is 500 cores, far too many for 2G of memory; did you mean '500m'?",
        ),
        (
            head(cpu=2000),
            (
                f"{HEAD}.cpu: 2000 is more cores than any node has; 1 is one core, 500m is half of one; did"
                " you mean '2000m'?"
            ),
        ),
        (head(cpu="500mi"), f"{HEAD}.cpu: \"500mi\" {NO_QUANTITY}; did you mean '500m'?"),
        (
            head(cpu="500M"),
            (
                f'{HEAD}.cpu: "500M" is more cores than any node has; 1 is one core, 500m is half of one;'
                " did you mean '500m'?"
            ),
        ),
        (
            head(cpu=500.0),
            f"{HEAD}.cpu: \"500.0\" is 500 cores, far too many for 2G of memory; did you mean '500m'?",
        ),
        (
            {"operator": {"cpu": 500}},
            (
                'kuberay:operator.cpu: "500" is 500 cores, far too many for 512Mi of memory; did you mean'
                " '500m'?"
            ),
        ),
        (
            cluster(autoscaling={"cpu": 500}, worker={"maxReplicas": 2}),
            (
                'kuberay:clusters.raycluster.autoscaling.cpu: "500" is 500 cores, far too many for 512Mi of'
                " memory; did you mean '500m'?"
            ),
        ),
        # Versions
        *(
            (
                {"rayVersion": tag},
                f'kuberay:rayVersion: "{tag}" is the tag of an image; write 2.46.0 here, and {settings}',
            )
            for tag, settings in (
                ("2.46.0-gpu", "accelerator: gpu"),
                ("2.46.0-py310", 'pythonVersion: "3.10"'),
                (
                    "2.46.0-py311-cu124-aarch64",
                    'pythonVersion: "3.11", accelerator: cu124, architecture: aarch64',
                ),
            )
        ),
        (
            {"kuberayVersion": "latest"},
            f'kuberay:kuberayVersion: "latest" must be one of {VERSIONS}; the newest known is 1.7.0',
        ),
        (
            {"kuberayVersion": "2.46.0"},
            f"kuberay:kuberayVersion: \"2.46.0\" must be one of {VERSIONS}; did you mean '1.6.0'?",
        ),
        (
            {"kuberayVersion": "1.2.2"},
            f"kuberay:kuberayVersion: \"1.2.2\" must be one of {VERSIONS}; did you mean '1.6.2'?",
        ),
        (
            {"kuberayVersion": "1.6"},
            f"kuberay:kuberayVersion: \"1.6\" must be one of {VERSIONS}; did you mean '1.6.2'?",
        ),
        (
            {"rayVersion": "nightly"},
            (
                'kuberay:rayVersion: "nightly" is not a full Ray version: three numbers, such as 2.46.0; for'
                " another image set image, such as rayproject/ray:nightly, and here the version that it has"
            ),
        ),
        (
            {"rayVersion": "2.46"},
            (
                'kuberay:rayVersion: "2.46" is not a full Ray version: three numbers, such as 2.46.0; did'
                " you mean '2.46.0'?"
            ),
        ),
        (
            cluster(rayVersion="v2.46.1"),
            (
                'kuberay:clusters.raycluster.rayVersion: "v2.46.1" is not a full Ray version: three'
                " numbers, such as 2.46.0; did you mean '2.46.1'?"
            ),
        ),
        # Other shapes
        (
            cluster(autoscaling=True),
            f"kuberay:clusters.raycluster.autoscaling: true {AUTOSCALING}; did you mean {{}}?",
        ),
        (
            cluster(autoscaling=False),
            f"kuberay:clusters.raycluster.autoscaling: false {AUTOSCALING}; leave it out instead",
        ),
        (
            {"metrics": "true"},
            (
                'kuberay:metrics: "true" must be a map with keys of: alerts, allowedNamespaces,'
                " dashboardLabels, dashboards, enabled, grafana, interval, labels, prometheus; did you mean"
                " {enabled: true}?"
            ),
        ),
        (
            {"operator": False},
            (
                'kuberay:operator: "false" must be a map with keys of: adopted, cpu, install, memory,'
                " singleNamespaceInstall, values, valuesFile; did you mean {install: false}?"
            ),
        ),
        (
            head(env=[{"name": "A", "value": "b"}, {"name": "C"}]),
            (
                f'{HEAD}.env: [{{"name": "A", "value": "b"}}, {{"name": "C"}}] must be a map; did you mean'
                " {A: …, C: …}?"
            ),
        ),
        (
            head(env=[{"name": "DB_PASSWORD", "value": "hunter2"}]),
            (
                f'{HEAD}.env: [{{"name": "DB_PASSWORD", "value": "[secret]"}}] must be a map; did you mean'
                " {DB_PASSWORD: …}?"
            ),
        ),
        (head(env=["A=b"]), f'{HEAD}.env: ["A=b"] must be a map; did you mean {{A: …}}?'),
        (
            head(labels=[{"team": "data"}]),
            f'{HEAD}.labels: [{{"team": "data"}}] must be a map; did you mean {{team: …}}?',
        ),
        # Nothing at all
        (head(memory=None), f"{HEAD}.memory: null must be text; leave it out for its default, 2G"),
        (
            head(labels={"team": None}),
            f'{HEAD}.labels.team: null must be text; write "" where it is to be empty',
        ),
        (job(entrypoint=None), "kuberay:jobs.train.entrypoint: null must be text"),
        (
            worker(replicas=None),
            (
                "kuberay:clusters.raycluster.worker.replicas: null must be a whole number; leave it out for"
                " its default, 1"
            ),
        ),
        (
            worker(enabled=None),
            (
                "kuberay:clusters.raycluster.worker.enabled: null must be true or false; leave it out for its"
                " default, true"
            ),
        ),
        (head(tolerations=None), f"{HEAD}.tolerations: null must be a list; leave it out for its default"),
        (
            {"metrics": {"labels": None}},
            "kuberay:metrics.labels: null must be a map; leave it out for its default",
        ),
        (job(entrypointNumCpus="many"), 'kuberay:jobs.train.entrypointNumCpus: "many" must be a number'),
        # Volumes
        (
            head(volumes=CLAIM, volumeMounts=[{"name": "data", "mountPath": "/tmp/ray"}]),
            (
                f'{HEAD}.volumeMounts.0.mountPath: "/tmp/ray" is where log-volume is, for Ray\'s logs; mount'
                " data elsewhere, or put it in that one's place: clusters.raycluster.values.head.volumes:"
                " [{name: log-volume, …}] with the source of data"
            ),
        ),
        (
            head(
                volumes=CLAIM,
                volumeMounts=[{"name": "data", "mountPath": path} for path in ("/a", "/b", "/a")],
            ),
            f'{HEAD}.volumeMounts.2.mountPath: "/a" is where data is mounted already; choose another folder',
        ),
        *(
            (
                head(volumes=CLAIM, volumeMounts=[{"name": "data", "mountPath": path}]),
                (
                    f'{HEAD}.volumeMounts.0.mountPath: "{path}" is where log-volume is, for Ray\'s logs;'
                    " mount data elsewhere, or put it in that one's place:"
                    " clusters.raycluster.values.head.volumes: [{name: log-volume, …}] with the source of"
                    " data"
                ),
            )
            for path in ("/tmp/ray/", "/tmp//ray")
        ),
        (
            cluster(
                historyServer=HISTORY,
                head={"volumes": CLAIM, "volumeMounts": [{"name": "data", "mountPath": "/tmp/ray"}]},
            )
            | {"kuberayVersion": "1.7.0"},
            (
                f'{HEAD}.volumeMounts.0.mountPath: "/tmp/ray" is where ray-logs is, for Ray\'s logs; mount'
                " data elsewhere, or put it in that one's place: clusters.raycluster.values.head.volumes:"
                " [{name: ray-logs, …}] with the source of data"
            ),
        ),
        # Values files
        (
            cluster(valuesFile="tests"),
            'kuberay:clusters.raycluster.valuesFile: "tests" is a folder; name a file',
        ),
        (
            cluster(valuesFile="local"),
            (
                'kuberay:clusters.raycluster.valuesFile: "local" is a folder; name a file in it:'
                " local/stages.yaml"
            ),
        ),
        (
            cluster(valuesFile="local/stage.yaml"),
            (
                'kuberay:clusters.raycluster.valuesFile: "local/stage.yaml" is a file that does not exist;'
                " did you mean 'local/stages.yaml'?"
            ),
        ),
        # Workloads
        (
            service({"import_path": "chat"}),
            (
                'kuberay:services.chat.serveConfig: {"applications": [{"import_path": "chat"}]} has an'
                " import_path that names no application in a module: 'chat'; did you mean 'chat:app'?"
            ),
        ),
        (
            service({"import_path": ":app"}),
            (
                'kuberay:services.chat.serveConfig: {"applications": [{"import_path": ":app"}]} has an'
                " import_path that names no application in a module: ':app'; did you mean"
                " 'my_module:app'?"
            ),
        ),
        (
            service({"import_path": "a:b:c"}),
            (
                'kuberay:services.chat.serveConfig: {"applications": [{"import_path": "a:b:c"}]} has an'
                " import_path that names no application in a module: 'a:b:c'; did you mean 'a:b'?"
            ),
        ),
        (
            service({"import_path": "a:b"}, {"import_path": "c:d", "name": "e"}),
            (
                'kuberay:services.chat.serveConfig: {"applications": [{"import_path": "a:b"}, {"import_path":'
                " \"c:d\", \"name\": \"e\"}]} has two applications on the route '/', 'default' and 'e'; give"
                " one of them another route_prefix, such as /e"
            ),
        ),
        # Values of a chart among the settings
        (worker(dnsConfig={}), f"{WORKER}.dnsConfig: {{}} {CHART}.worker.dnsConfig"),
        (worker(lifecycle=[]), f"{WORKER}.lifecycle: [] {CHART}.worker.lifecycle"),
        (head(restartPolicy="Never"), f'{HEAD}.restartPolicy: "Never" {CHART}.head.restartPolicy'),
        (
            worker(resources={}),
            f"{WORKER}.resources: {{}} {CHART}.worker.resources; here it is written by cpu and memory",
        ),
        (
            head(containerEnv=[]),
            f"{HEAD}.containerEnv: [] {CHART}.head.containerEnv; here it is written by env",
        ),
        (
            worker(disabled=True),
            f"{WORKER}.disabled: true {CHART}.worker.disabled; here it is written by enabled",
        ),
        (head(serviceType="NodePort"), f'{HEAD}.serviceType: "NodePort" {CHART}.service.type'),
        (
            cluster(serviceType="NodePort"),
            f'kuberay:clusters.raycluster.serviceType: "NodePort" {CHART}.service.type',
        ),
        (
            cluster(additionalWorkerGroups={"gpu": {"lifecycle": {}}}),
            (
                "kuberay:clusters.raycluster.additionalWorkerGroups.gpu.lifecycle: {}"
                f" {CHART}.additionalWorkerGroups.gpu.lifecycle"
            ),
        ),
        (
            job(rayCluster={"worker": {"dnsConfig": {}}}),
            (
                "kuberay:jobs.train.rayCluster.worker.dnsConfig: {} is no setting but a value of the"
                " ray-cluster chart: jobs.train.rayCluster.values.worker.dnsConfig"
            ),
        ),
        (
            {"operator": {"watchNamespace": ["a"]}},
            (
                'kuberay:operator.watchNamespace: ["a"] is no setting but a value of the kuberay-operator'
                " chart: operator.values.watchNamespace"
            ),
        ),
        # Settings at another level
        (
            head(rayVersion="2.46.0"),
            (
                f'{HEAD}.rayVersion: "2.46.0" is not a setting here; it is one at'
                " clusters.raycluster.rayVersion; known here: accelerator, affinity, annotations,"
                " architecture, cpu, cpuRequest, env, envFrom, gpuResource, gpus, image, imagePullPolicy,"
                " initContainers, labels, memory, memoryRequest, nodeSelector, priorityClassName, rayLabels,"
                " rayStartParams, serviceAccountName, sidecars, storage, tolerations,"
                " topologySpreadConstraints, tpus, volumeMounts, volumes"
            ),
        ),
        (
            cluster(imagePullSecrets=["pull"]),
            (
                'kuberay:clusters.raycluster.imagePullSecrets: ["pull"] is not a setting here; it is one at'
                f" kuberay:imagePullSecrets; known here: {KNOWN_OF_CLUSTERS}"
            ),
        ),
        (
            cluster(image={"repository": "a", "tag": "b"}),
            (
                'kuberay:clusters.raycluster.image: {"repository": "a", "tag": "b"} must be text; write it as'
                " one, such as registry.example/team/ray:2.46.0-py310"
            ),
        ),
        (head(labels={"a": ["b"]}), f'{HEAD}.labels.a: ["b"] must be text'),
        (
            {"head": {"cpu": 1}},
            (
                'kuberay:head: {"cpu": 1} is not a setting here; it is one at clusters.<name>.head; known'
                " here: accelerator, architecture, authToken, chartRepository, clusters, createNamespace,"
                " image, imagePullPolicy, imagePullSecrets, jobs, kuberayVersion, limitRange, metrics,"
                " namespace, operator, prices, protection, pythonVersion, quota, rayVersion, services,"
                " storage, timeoutSeconds"
            ),
        ),
        (
            cluster(replicas=3),
            (
                "kuberay:clusters.raycluster.replicas: 3 is not a setting here; it is one at"
                " clusters.raycluster.worker.replicas,"
                " clusters.raycluster.additionalWorkerGroups.<name>.replicas; known here:"
                f" {KNOWN_OF_CLUSTERS}"
            ),
        ),
        # Raw values of a wrong type
        (
            raw(head={"containerEnv": [{"name": "A", "value": True}]}),
            f"{VALUES}.head.containerEnv.A: true must be text; quote it",
        ),
        (
            raw(head={"containerEnv": [{"name": "A", "value": 5}]}),
            f"{VALUES}.head.containerEnv.A: 5 must be text; quote it",
        ),
        (
            raw(head={"containerEnv": [{"name": "DB_PASSWORD", "value": 12345}]}),
            f"{VALUES}.head.containerEnv.DB_PASSWORD: [secret] must be text; quote it",
        ),
        (
            raw(common={"containerEnv": [{"name": "A", "value": 0.5}]}),
            f"{VALUES}.common.containerEnv.A: 0.5 must be text; quote it",
        ),
        (
            raw(worker={"nodeSelector": {"gpu": True}}),
            f"{VALUES}.worker.nodeSelector.gpu: true must be text; quote it",
        ),
        (
            raw(worker={"annotations": {"weight": 1}}),
            f"{VALUES}.worker.annotations.weight: 1 must be text; quote it",
        ),
        (raw(worker={"labels": {"a": {}}}), f"{VALUES}.worker.labels.a: {{}} must be text"),
        (raw(annotations={"a": False}), f"{VALUES}.annotations.a: false must be text; quote it"),
        (
            raw(head={"headService": {"metadata": {"annotations": {"a": 1}}}}),
            f"{VALUES}.head.headService.metadata.annotations.a: 1 must be text; quote it",
        ),
        (
            raw(head={"autoscalerOptions": {"env": [{"name": "A", "value": 1}]}}),
            f"{VALUES}.head.autoscalerOptions.env.A: 1 must be text; quote it",
        ),
        (
            raw(head={"sidecarContainers": [{"name": "logs", "env": [{"name": "A", "value": 1}]}]}),
            f"{VALUES}.head.sidecarContainers.0.env.A: 1 must be text; quote it",
        ),
        # Text for a switch, which any template takes for true
        (raw(worker={"disabled": "false"}), f'{VALUES}.worker.disabled: "false" {SWITCH}'),
        (
            raw(additionalWorkerGroups={"g": {"disabled": "false"}}),
            f'{VALUES}.additionalWorkerGroups.g.disabled: "false" {SWITCH}',
        ),
        (
            raw(head={"enableInTreeAutoscaling": "false"}),
            f'{VALUES}.head.enableInTreeAutoscaling: "false" {SWITCH}',
        ),
        (
            raw(gcsFaultTolerance={"enabled": "false"}) | {"kuberayVersion": "1.6.2"},
            f'{VALUES}.gcsFaultTolerance.enabled: "false" {SWITCH}',
        ),
        *(
            (
                {"kuberayVersion": "1.6.2", "operator": {"values": {above: {"enabled": "false"}}}},
                f'kuberay:operator.values.{above}.enabled: "false" {SWITCH}',
            )
            for above in ("batchScheduler", "configuration", "metrics")
        ),
        *(
            ({"operator": {"values": {key: "false"}}}, f'kuberay:operator.values.{key}: "false" {SWITCH}')
            for key in (
                "leaderElectionEnabled",
                "singleNamespaceInstall",
                "rbacEnable",
                "crNamespacedRbacEnable",
                "useKubernetesProxy",
            )
        ),
        # The operator's gates and namespaces
        (
            {"operator": {"values": {"featureGates": ["RayJobDeletionPolicy"]}}},
            (
                'kuberay:operator.values.featureGates: ["RayJobDeletionPolicy"] must be a list of maps, such'
                " as {name: RayJobDeletionPolicy, enabled: true}"
            ),
        ),
        (
            {"operator": {"values": {"featureGates": [{"name": "RayJobDeletionPolicy", "enabled": "true"}]}}},
            f'kuberay:operator.values.featureGates.0.enabled: "true" {SWITCH}',
        ),
        (
            {"operator": {"values": {"featureGates": [{"enabled": True}]}}},
            "kuberay:operator.values.featureGates.0.name: null must be text",
        ),
        (
            {"operator": {"values": {"watchNamespace": "kuberay"}}},
            (
                'kuberay:operator.values.watchNamespace: "kuberay" must be a list of namespaces, such as'
                " [team-a]"
            ),
        ),
        (
            {"operator": {"values": {"watchNamespace": [1]}}},
            "kuberay:operator.values.watchNamespace: [1] must be a list of namespaces, such as [team-a]",
        ),
        # What would have ended in a traceback
        *(
            (
                service({"import_path": "a:b", "route_prefix": route}),
                (
                    'kuberay:services.chat.serveConfig: {"applications": [{"import_path": "a:b",'
                    f' "route_prefix": {json.dumps(route)}}}]}} has an application whose route_prefix is no'
                    " text, such as route_prefix: /chat"
                ),
            )
            for route in (["x"], {"x": 1})
        ),
        (
            raw(head={"ports": [{"name": ["a"], "containerPort": 1}]}),
            f'{VALUES}.head.ports.0.name: ["a"] must be text',
        ),
        # What the chart joins with other lists, or copies
        (raw(head={"containerEnv": {}}), f"{VALUES}.head.containerEnv: {{}} must be a list of maps"),
        (raw(common={"containerEnv": {}}), f"{VALUES}.common.containerEnv: {{}} must be a list of maps"),
        (
            raw(worker={"resources": {"limits": {"cpu": None}}}),
            (
                f"{VALUES}.worker.resources.limits.cpu: null must be an amount: in place of what the settings"
                " write, that of the chart itself would count"
            ),
        ),
        (
            raw(head={"priority": "high"}),
            (
                f'{VALUES}.head.priority: "high" must be a whole number; priorityClassName takes the name of'
                " a class"
            ),
        ),
        (raw(head={"rayVersion": 2.46}), f"{VALUES}.head.rayVersion: 2.46 must be text; quote it"),
        (
            raw(head={"tolerations": {"key": "gpu"}}),
            f'{VALUES}.head.tolerations: {{"key": "gpu"}} must be a list of maps',
        ),
        (
            raw(worker={"initContainers": {"name": "a"}}),
            f'{VALUES}.worker.initContainers: {{"name": "a"}} must be a list of maps',
        ),
        (raw(worker={"args": "serve"}), f'{VALUES}.worker.args: "serve" must be a list of texts'),
        (raw(worker={"args": ["--port", 80]}), f"{VALUES}.worker.args.1: 80 must be text; quote it"),
        (raw(imagePullSecrets=["pull"]), f'{VALUES}.imagePullSecrets: ["pull"] must be a list of maps'),
        (raw(head={"podSecurityContext": ["a"]}), f'{VALUES}.head.podSecurityContext: ["a"] must be a map'),
        (
            raw(head={"initContainers": [{"name": "Init"}]}),
            f"{VALUES}.head.initContainers.0.name: \"Init\" {NO_NAME}; did you mean 'init'?",
        ),
        (
            raw(head={"volumes": [{"name": "my_data", "emptyDir": {}}]}),
            f"{VALUES}.head.volumes.0.name: \"my_data\" {NO_NAME}; did you mean 'my-data'?",
        ),
        (
            raw(fullnameOverride="My Ray"),
            f"{VALUES}.fullnameOverride: \"My Ray\" {NO_NAME}; did you mean 'my-ray'?",
        ),
        (
            raw(fullnameOverride="a" * 60),
            f'kuberay:clusters.raycluster: "{"a" * 60}" is too long a RayCluster name for KubeRay 1.3.0: 41'
            " characters at most",
        ),
        (
            raw(nameOverride="team-of-the-data-science-department"),
            'kuberay:clusters.raycluster: "raycluster-team-of-the-data-science-department" is too long a'
            " RayCluster name for KubeRay 1.3.0: 5 characters at most here",
        ),
        (
            {"operator": {"values": {"fullnameOverride": "", "nameOverride": "A_b"}}},
            f"kuberay:operator.values.nameOverride: \"A_b\" {NO_NAME}; did you mean 'a-b'?",
        ),
        (
            {"operator": {"values": {"fullnameOverride": "A_b"}}},
            f"kuberay:operator.values.fullnameOverride: \"A_b\" {NO_NAME}; did you mean 'a-b'?",
        ),
        (
            raw(head={"rayStartParams": {"labels": {"a": "b"}}}),
            (
                f'{VALUES}.head.rayStartParams.labels: {{"a": "b"}} must be text; `ray start` takes a map for'
                " resources and system-config alone"
            ),
        ),
        (
            head(rayStartParams={"labels": {"a": "b"}}),
            (
                f'{HEAD}.rayStartParams: {{"labels": {{"a": "b"}}}} has a map for \'labels\', where `ray'
                " start` takes text; it takes one for resources and system-config"
            ),
        ),
        (
            {"operator": {"values": {"nodeSelector": {"a": 1}}}},
            "kuberay:operator.values.nodeSelector.a: 1 must be text; quote it",
        ),
        (
            {"namespace": "My_Ray"},
            (
                "kuberay:namespace: \"My_Ray\" is not a Kubernetes name: lower-case letters, digits and '-',"
                " a letter first, 63 characters at most; did you mean 'my-ray'?"
            ),
        ),
        # An image of the wrong architecture
        (
            raw(image={"tag": "2.46.0-aarch64"}),
            (
                f'{VALUES}.image: "rayproject/ray:2.46.0-aarch64" is an aarch64 image, but'
                " clusters.raycluster.head runs on x86 nodes"
            ),
        ),
        (
            raw(head={"image": {"tag": "2.46.0-aarch64"}}),
            (
                f'{VALUES}.head.image: "rayproject/ray:2.46.0-aarch64" is an aarch64 image, but'
                " clusters.raycluster.head runs on x86 nodes"
            ),
        ),
        # Parts of an image
        (raw(image={"repository": ["a"]}), f'{VALUES}.image.repository: ["a"] must be text'),
        (raw(head={"image": {"tag": 1.1}}), f"{VALUES}.head.image.tag: 1.1 must be text; quote it"),
        (raw(image={"tag": True}), f"{VALUES}.image.tag: true must be text; quote it"),
        (
            {"operator": {"values": {"image": {"tag": 1.1}}}},
            "kuberay:operator.values.image.tag: 1.1 must be text; quote it",
        ),
        # Nothing to scale
        (
            cluster(autoscaling={}, worker={"enabled": False}),
            (
                "kuberay:clusters.raycluster.autoscaling: {} has no effect: the cluster has no worker group"
                " to scale; give it one, or leave this out"
            ),
        ),
        (
            cluster(values={"head": {"enableInTreeAutoscaling": True}, "worker": {"disabled": True}}),
            (
                "kuberay:clusters.raycluster.values.head.enableInTreeAutoscaling: true has no effect: the"
                " cluster has no worker group to scale; give it one, or leave this out"
            ),
        ),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_a_refusal_says_the_nearest_right_spelling_or_the_way_out(config: dict[str, Any], line: str) -> None:
    assert refused(config) == [line]


@pytest.mark.parametrize("memory", ["1e9", "2E9", "2e+9", "2.5e9", 2_000_000_000, 2e9])
def test_an_amount_with_an_exponent_or_without_quotes_is_a_quantity(memory: str | float) -> None:
    assert load(head(memory=memory)).clusters["raycluster"].head.memory == (
        memory if isinstance(memory, str) else "2000000000"
    )


@pytest.mark.parametrize(
    "applications",
    [
        [{"import_path": "chat.app"}],
        [{"import_path": "a:b", "name": "a"}, {"import_path": "a:b", "name": "b", "route_prefix": "/b"}],
        [{"import_path": "a:b", "name": name, "route_prefix": None} for name in "abc"],
    ],
)
def test_what_ray_takes_of_applications_is_taken(applications: list[dict[str, Any]]) -> None:
    assert load(service(*applications)).services["chat"].serve_config["applications"] == applications


def test_many_cores_with_the_memory_of_such_a_machine_are_taken() -> None:
    assert load(head(cpu=500, memory="4Ti")).clusters["raycluster"].head.cpu == "500"


def test_a_claim_takes_the_place_of_the_volume_of_rays_logs_as_the_refusal_says() -> None:
    claim = {"persistentVolumeClaim": {"claimName": "ray-logs"}}
    values = plan_cluster(
        load(cluster(values={"head": {"volumes": [{"name": "log-volume", **claim}]}})), "raycluster"
    ).values
    assert values["head"]["volumes"] == [{"name": "log-volume", **claim}]
    assert values["head"]["volumeMounts"] == [{"name": "log-volume", "mountPath": "/tmp/ray"}]


@pytest.mark.parametrize(
    ("key", "line"),
    [
        (
            "kubernets:context",
            "kubernets:context: nothing here is called 'kubernets'; did you mean 'kubernetes:context'?",
        ),
        (
            "Kubernetes:context",
            "Kubernetes:context: nothing here is called 'Kubernetes'; did you mean 'kubernetes:context'?",
        ),
        (
            "kuberey:clusters",
            "kuberey:clusters: nothing here is called 'kuberey'; did you mean 'kuberay:clusters'?",
        ),
        (
            "kube-ray:clusters",
            "kube-ray:clusters: nothing here is called 'kube-ray'; did you mean 'kuberay:clusters'?",
        ),
        (
            "kubernetes:contxt",
            (
                "kubernetes:contxt: is not a setting of the Kubernetes provider; did you mean"
                " 'kubernetes:context'?"
            ),
        ),
        (
            "kubernetes:kubeContext",
            (
                "kubernetes:kubeContext: is not a setting of the Kubernetes provider; did you mean"
                " 'kubernetes:context'?"
            ),
        ),
        (
            "kubernetes:kube-context",
            (
                "kubernetes:kube-context: is not a setting of the Kubernetes provider; did you mean"
                " 'kubernetes:context'?"
            ),
        ),
        # Whatever it holds, it is one line, and no command of a pipeline.
        (
            "kubernets:con\n##[group]text",
            (
                "kubernets:con\\n#\\x23[group]text: nothing here is called 'kubernets'; did you mean"
                " 'kubernetes:con\\n#\\x23[group]text'?"
            ),
        ),
        ("k8s:context", "k8s:context: nothing here is called 'k8s'; did you mean 'kubernetes:context'?"),
        (
            "kubernetes:kubeConfig",
            (
                "kubernetes:kubeConfig: is not a setting of the Kubernetes provider; did you mean"
                " 'kubernetes:kubeconfig'?"
            ),
        ),
    ],
)
def test_a_key_that_was_to_choose_the_cluster_or_was_for_this_program_is_not_passed_over(
    key: str, line: str
) -> None:
    with pytest.raises(SettingsError) as error:
        load_settings({key: "hunter2"})
    assert error.value.problems == [line]


@pytest.mark.parametrize(
    "key",
    [
        "aws:region",
        "pulumi:tags",
        "kubernetes:clusterIdentifier",
        "kubernetes:namespace",
        "kubernetes:kubeClientSettings",
        "kubernetes-cert-manager:installCRDs",
        "kuberay-dev:clusters",
        "eks:cluster",
    ],
)
def test_keys_of_other_providers_and_projects_are_left_alone(key: str) -> None:
    assert load_settings({key: "x"}).architecture == "x86"


def test_dates_and_keys_of_a_values_file_that_are_no_text_are_read_as_they_are_written(
    tmp_path: Path,
) -> None:
    (tmp_path / "values.yaml").write_text("head: {annotations: {since: 2026-01-02, 8: 'x'}}\n")
    config = {"kuberay:clusters": json.dumps({"a": {"valuesFile": "values.yaml"}})}
    settings = load_settings(config, project_folder=tmp_path)
    assert settings.clusters["a"].values == {"head": {"annotations": {"since": "2026-01-02", "8": "x"}}}


@pytest.mark.parametrize(
    "values",
    [
        {"head": {"labels": None, "annotations": {"a": None}, "tolerations": {}, "containerEnv": []}},
        {
            "worker": {
                "groupName": "GPU",
                "containerEnv": [{"name": "lower.case", "value": "1"}, {"name": "B", "valueFrom": {}}],
            }
        },
        {"worker": {"volumes": [{"name": "0data", "emptyDir": {}}], "args": [], "command": ["bash"]}},
        {"head": {"rayStartParams": {"num-cpus": 1, "block": True, "resources": {"NPU": 1}}, "priority": 5}},
        {"head": {"headService": {"metadata": None, "spec": {"type": "NodePort"}}}},
    ],
)
def test_what_a_chart_and_kubernetes_take_of_raw_values_is_taken(values: dict[str, Any]) -> None:
    assert load(raw(**values)).clusters["raycluster"].values == values


def test_a_name_in_an_encrypted_list_is_not_shown() -> None:
    config = {"kuberay:clusters": json.dumps({"a": {"head": {"env": ["hunter2"]}}})}
    with pytest.raises(SettingsError) as error:
        load_settings(config, secret_keys=["kuberay:clusters"])
    assert error.value.problems == ["kuberay:clusters.a.head.env: [secret] must be a map"]


@pytest.mark.parametrize(
    ("config", "line"),
    [
        (head(env=["API_KEY: c2VjcmV0a2V5MTIz=="]), f'{HEAD}.env: ["[secret]"] must be a map'),
        (
            head(env=["API_KEY=hunter2"]),
            f'{HEAD}.env: ["[secret]"] must be a map; did you mean {{API_KEY: …}}?',
        ),
        (head(env=["c2VjcmV0a2V5MTIz=="]), f'{HEAD}.env: ["c2VjcmV0a2V5MTIz=="] must be a map'),
        (head(env=[{"a b": "c"}]), f'{HEAD}.env: [{{"a b": "c"}}] must be a map'),
    ],
)
def test_what_is_like_no_name_may_be_a_value_and_is_none_of_a_hint(config: dict[str, Any], line: str) -> None:
    assert refused(config) == [line]


@pytest.mark.parametrize(
    ("config", "line"),
    [
        (head(env=["A=b"]), f"{HEAD}.env: [secret] must be a map"),
        (
            service({"import_path": "hunter2"}),
            (
                "kuberay:services.chat.serveConfig: [secret] has an import_path that names no application in"
                " a module, such as my_module:app"
            ),
        ),
        (
            service({"import_path": "a:b"}, {"import_path": "a:b", "name": "hunter2"}),
            "kuberay:services.chat.serveConfig: [secret] has two applications on one route",
        ),
        (
            raw(head={"ports": [{"name": name, "containerPort": 7000} for name in ("hunter2", "other")]}),
            f"{VALUES}.head.ports.1.containerPort: [secret] is the port of two, of which Kubernetes makes no"
            " Service",
        ),
        (
            service(*[{"import_path": "a:b", "name": "hunter2"}] * 2),
            "kuberay:services.chat.serveConfig: [secret] has two applications of one name",
        ),
    ],
)
def test_nothing_of_an_encrypted_value_is_quoted(config: dict[str, Any], line: str) -> None:
    assert refused(config, secret_keys=["kuberay:clusters", "kuberay:services"]) == [line]


@pytest.mark.parametrize(
    ("config", "line"),
    [
        (
            {"namespace": "Hunter2_Secret"},
            (
                "namespace: [secret] is not a Kubernetes name: lower-case letters, digits and '-', a letter"
                " first, 63 characters at most"
            ),
        ),
        (
            {"rayVersion": "hunter2"},
            "rayVersion: [secret] is not a full Ray version: three numbers, such as 2.46.0",
        ),
        (cluster(head={"memory": 1234}), "clusters.raycluster.head.memory: [secret] is less than a megabyte"),
        (
            cluster(head={"cpu": 4711}),
            "clusters.raycluster.head.cpu: [secret] is more cores than any node has",
        ),
        (
            cluster(head={"cpu": 500, "memory": "3G"}),
            "clusters.raycluster.head.cpu: [secret] is [secret] cores, far too many for 3G of memory",
        ),
        (
            cluster(hed={}),
            (
                "clusters.raycluster.hed: [secret] is not a setting; did you mean 'head'?; known here:"
                f" {KNOWN_OF_CLUSTERS}"
            ),
        ),
        (
            {"services": {"a": {"serveConfig": {"applications": [{"import_path": "hunter'2\""}]}}}},
            (
                "services.a.serveConfig: [secret] has an import_path that names no application in a module,"
                " such as my_module:app"
            ),
        ),
        (
            {
                "services": {
                    "a": {
                        "serveConfig": {
                            "applications": [
                                {"import_path": "a:b", "name": name} for name in ("hunter2", "b")
                            ]
                        }
                    }
                }
            },
            "services.a.serveConfig: [secret] has two applications on one route",
        ),
    ],
    ids=json.dumps,
)
def test_nothing_that_is_made_from_an_encrypted_value_is_shown(config: dict[str, Any], line: str) -> None:
    texts = as_config(config)
    with pytest.raises(SettingsError) as error:
        load_settings(texts, secret_keys=texts)
    assert error.value.problems == [f"kuberay:{line}"]


@pytest.mark.parametrize("addresses", ["0.0.0.0/0", "::/0"])
def test_no_policy_blocks_every_address(addresses: str) -> None:
    assert refused({"protection": {"networkPolicy": {"blockedAddresses": [addresses]}}}) == [
        f'kuberay:protection.networkPolicy.blockedAddresses.0: "{addresses}" is every address, '
        "and Kubernetes takes an exception that is smaller than that; name what to block"
    ]
