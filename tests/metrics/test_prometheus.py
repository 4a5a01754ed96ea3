"""The real Prometheus in a cluster with real Ray: it takes the alerts, finds and
scrapes what it is told to, draws every panel, alerts.

No Prometheus operator is to be had here, so what it would make of PodMonitors and of a
PrometheusRule is made in this file. `make metrics` runs it: apart from `make test`, as
Prometheus takes long to build.
"""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml

from kuberay.facts.monitoring import METRICS, metrics_in
from local import tools
from local.real import machine
from local.real.cluster import RealCluster
from local.real.images import Image
from tests.integration.harness.kubernetes import Kubernetes
from tests.integration.harness.operators import NEWEST
from tests.real.programs import ECHO, taking_memory, with_code
from tests.real.real_stack import RealStack

MONITORING = "monitoring"
#: What is not to be had on this machine.
ABSENT = {"ray_node_gpus_utilization"}
CRDS = {"podmonitors": "PodMonitor", "prometheusrules": "PrometheusRule"}


@pytest.fixture(scope="module")
def programs() -> tools.Toolbox:
    return tools.ensure([tools.PROMETHEUS])


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealStack]:
    """The guide's cluster, a service, and a job that fails for its memory, with all of
    metrics.
    """
    if reason := machine.why_not():
        pytest.skip(f"this machine cannot run real nodes: {reason}")
    with RealCluster(tmp_path_factory.mktemp("metrics"), kuberay_versions=(NEWEST,), cores=0) as cluster:
        kubernetes = Kubernetes(cluster)
        kubernetes.apply(yaml.safe_dump_all(_definition(plural, kind) for plural, kind in CRDS.items()))
        stack = RealStack(cluster, kubernetes, tmp_path_factory.mktemp("stack"))
        alone = {"worker": {"replicas": 0}, "head": with_code()}
        train = {"entrypoint": "python /opt/code/train.py", "rayCluster": alone}
        everything = {
            "metrics": {
                "enabled": True,
                "dashboards": True,
                "alerts": True,
                "interval": "5s",
                "allowedNamespaces": [MONITORING],
            },
            "services": {
                "chat": {"serveConfig": {"applications": [{"import_path": "echo:app"}]}, "rayCluster": alone}
            },
            # Its pods stay, so that they can be scraped.
            "jobs": {"train": train | {"wait": False, "shutdownAfterJobFinishes": False}},
        }
        stack.with_cluster()
        stack.up_or_fail()
        code = (f"--from-literal=echo.py={ECHO}", f"--from-literal=train.py={taking_memory(num_cpus=0.01)}")
        kubernetes.kubectl("create", "configmap", "code", "-n", "kuberay", *code)
        stack.with_cluster(more=everything)
        stack.up_or_fail()
        yield stack


def _definition(plural: str, kind: str) -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.monitoring.coreos.com"},
        "spec": {
            "group": "monitoring.coreos.com",
            "names": names,
            "scope": "Namespaced",
            "versions": [version],
        },
    }


def made(stack: RealStack, kind: str) -> list[dict[str, Any]]:
    return json.loads(stack.kubernetes.kubectl("get", kind, "-n", "kuberay", "-o", "json"))["items"]


def rules(stack: RealStack) -> dict[str, Any]:
    """What the Prometheus operator hands over: a PrometheusRule has the groups of a
    file of rules.
    """
    (rule,) = made(stack, "prometheusrules")
    return rule["spec"]


def scrape_config(monitor: dict[str, Any]) -> dict[str, Any]:
    """What the Prometheus operator makes of a PodMonitor: the pods that its labels
    select, and the port of that name.
    """
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    name, namespace = monitor["metadata"]["name"], monitor["metadata"]["namespace"]
    selector = monitor["spec"]["selector"]
    wanted = {label: [value] for label, value in (selector.get("matchLabels") or {}).items()}
    wanted |= {each["key"]: each["values"] for each in selector.get("matchExpressions") or []}
    pod = "__meta_kubernetes_pod_"
    kept = {
        f"{pod}label_{label.translate(str.maketrans('./-', '___'))}": "|".join(values)
        for label, values in wanted.items()
    }
    kept[f"{pod}container_port_name"] = endpoint["port"]
    renamed = {
        "__meta_kubernetes_namespace": "namespace",
        f"{pod}container_name": "container",
        f"{pod}name": "pod",
    }
    given = [
        {"source_labels": each["sourceLabels"], "target_label": each["targetLabel"]}
        for each in endpoint.get("relabelings") or []
    ]
    return {
        "job_name": f"podMonitor/{namespace}/{name}/0",
        "scrape_interval": endpoint["interval"],
        "scrape_timeout": endpoint["interval"],
        "metrics_path": endpoint.get("path", "/metrics"),
        "kubernetes_sd_configs": [{"role": "pod", "namespaces": {"names": [namespace]}}],
        "relabel_configs": [
            *({"action": "keep", "source_labels": [label], "regex": regex} for label, regex in kept.items()),
            *({"source_labels": [label], "target_label": target} for label, target in renamed.items()),
            {"target_label": "job", "replacement": f"{namespace}/{name}"},
            *given,
        ],
    }


@pytest.fixture(scope="module")
def prometheus(stack: RealStack, programs: tools.Toolbox) -> "Prometheus":
    """In a pod, in the namespace that the settings let in."""

    def fill(root: Path) -> None:
        shutil.copy(programs["prometheus"], root / "prometheus")
        (root / "data").mkdir(mode=0o777)
        (root / "data").chmod(0o777)

    config = {"entrypoint": ["/prometheus"], "user": ["65534:65534"], "workingdir": ["/data"]}
    image = Image(f"kuberay.local/prometheus:{tools.PROMETHEUS.version}", fill, tools.PROMETHEUS.key, config)
    stack.cluster.load(image)
    settings = {
        "global": {"evaluation_interval": "5s"},
        "rule_files": ["/etc/prometheus/rules.yml"],
        "scrape_configs": [scrape_config(monitor) for monitor in made(stack, "podmonitors")],
    }
    metadata = {"name": "prometheus", "namespace": MONITORING}
    account = {"kind": "ServiceAccount", "name": "default", "namespace": MONITORING}
    pod = {
        "containers": [
            {
                "name": "prometheus",
                "image": image.reference,
                "imagePullPolicy": "Never",
                "args": ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/data"],
                "ports": [{"containerPort": 9090}],
                "volumeMounts": [{"name": "config", "mountPath": "/etc/prometheus"}],
            }
        ],
        "volumes": [{"name": "config", "configMap": {"name": "prometheus"}}],
    }
    allowed = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "prometheus"}
    rbac = "rbac.authorization.k8s.io/v1"
    files = {"prometheus.yml": yaml.safe_dump(settings), "rules.yml": yaml.safe_dump(rules(stack))}
    stack.kubernetes.apply(
        yaml.safe_dump_all(
            [
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": MONITORING}},
                {
                    "apiVersion": rbac,
                    "kind": "ClusterRole",
                    "metadata": {"name": "prometheus"},
                    "rules": allowed,
                },
                {
                    "apiVersion": rbac,
                    "kind": "ClusterRoleBinding",
                    "metadata": {"name": "prometheus"},
                    "roleRef": role,
                    "subjects": [account],
                },
                {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": files},
            ]
        )
    )
    stack.kubernetes.run_pod(metadata, pod)
    return Prometheus(stack.kubernetes)


class Prometheus:
    """Its HTTP API, by way of the API server."""

    def __init__(self, kubernetes: Kubernetes) -> None:
        self._kubernetes = kubernetes

    def ask(self, path: str, **query: str) -> Any:
        proxy = f"/api/v1/namespaces/{MONITORING}/pods/prometheus:9090/proxy/api/v1/{path}?{urlencode(query)}"
        return json.loads(self._kubernetes.kubectl("get", "--raw", proxy))["data"]

    def series(self, query: str) -> list[dict[str, Any]]:
        """What a panel shows of the last ten minutes."""
        now = time.time()
        return self.ask("query_range", query=query, start=str(now - 600), end=str(now), step="5")["result"]

    def firing(self) -> set[str]:
        return {
            alert["labels"]["alertname"]
            for alert in self.ask("alerts")["alerts"]
            if alert["state"] == "firing"
        }


def panels(stack: RealStack) -> Iterator[tuple[str, str]]:
    """Each query of the dashboards, with its panel."""
    for config_map in made(stack, "configmaps"):
        if "grafana_dashboard" in (config_map["metadata"].get("labels") or {}):
            for text in config_map["data"].values():
                dashboard = json.loads(text)
                for panel in dashboard["panels"]:
                    for target in panel["targets"]:
                        yield (
                            f"{dashboard['title']}: {panel['title']}",
                            target["expr"].replace("$cluster", ".*"),
                        )


def test_promtool_takes_the_alerts(stack: RealStack, programs: tools.Toolbox, tmp_path: Path) -> None:
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump(rules(stack)))
    checked = subprocess.run(
        [programs["promtool"], "check", "rules", "--lint-fatal", file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    print(f"\n{checked.stdout.strip()}")


def test_each_alert_fires_when_it_should_and_only_then(
    stack: RealStack, programs: tools.Toolbox, tmp_path: Path
) -> None:
    written = rules(stack)
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(written))
    cases = Path(shutil.copy(Path(__file__).parent / "alerts_test.yaml", tmp_path))
    checked = subprocess.run(
        [programs["promtool"], "test", "rules", cases], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    looked_at = [
        (each["alertname"], bool(each["exp_alerts"]))
        for case in yaml.safe_load(cases.read_text())["tests"]
        for each in case["alert_rule_test"]
    ]
    names = [rule["alert"] for group in written["groups"] for rule in group["rules"]]
    assert set(looked_at) == {(name, fires) for name in names for fires in (True, False)}


def test_prometheus_scrapes_every_pod_that_it_is_told_of(stack: RealStack, prometheus: Prometheus) -> None:
    pods = stack.kubernetes.kubectl(
        "get", "pods", "-n", "kuberay", "-l", "ray.io/node-type", "-o", "name"
    ).split()
    operator = stack.kubernetes.kubectl(
        "get", "pods", "-n", "kuberay", "-l", "app.kubernetes.io/name=kuberay-operator", "-o", "name"
    ).split()
    wanted = {pod.removeprefix("pod/") for pod in (*pods, *operator)}
    up: dict[str, str] = {}

    def all_up() -> bool:
        up.clear()
        up.update(
            {
                target["labels"]["pod"]: target["health"]
                for target in prometheus.ask("targets", state="active")["activeTargets"]
            }
        )
        return wanted <= {pod for pod, health in up.items() if health == "up"}

    assert stack.kubernetes.eventually(all_up, 120), up
    print(f"\nscraped: {', '.join(sorted(up))}")


#: One task runs and one has no room.
TASKS = """
import ray, time
ray.init(address="auto")
@ray.remote
def sleep(): time.sleep(300)
tasks = [sleep.options(num_cpus=cpus).remote() for cpus in (0, 999)]
ray.get(tasks[0])
"""


def test_every_panel_has_something_to_draw(stack: RealStack, prometheus: Prometheus) -> None:
    stack.in_pod(stack.head(), "sh", "-c", f"nohup python3 -c '{TASKS}' > /dev/null 2>&1 &")
    probe = "import urllib.request, urllib.error\nfor path in ('?say=a', '?say=b', ''):\n"
    probe += " try: urllib.request.urlopen('http://chat-serve-svc.kuberay.svc.cluster.local:8000/' + path)\n"
    probe += " except urllib.error.HTTPError: pass\n"
    drawn: dict[str, str] = {}

    def empty() -> set[str]:
        # Rates want more than one request.
        stack.in_pod(stack.head(), "python3", "-c", probe)
        drawn.clear()
        for panel, query in panels(stack):
            found = prometheus.series(query)
            last = [f"{each['values'][-1][1]} {json.dumps(each['metric'])}" for each in found]
            drawn[f"{panel}\n    {query}"] = "; ".join(last[:2]) or (
                "nothing here" if metrics_in(query) <= ABSENT else ""
            )
        return {panel for panel, value in drawn.items() if not value}

    stack.kubernetes.eventually(lambda: not empty(), 240)
    print()
    for panel, value in drawn.items():
        print(f"{panel}\n    -> {value}")
    assert {panel for panel, value in drawn.items() if not value} == set()
    known = set(prometheus.ask("label/__name__/values"))
    assert METRICS.keys() - ABSENT - known == set()


def test_a_job_that_fails_for_its_memory_is_alerted_of(stack: RealStack, prometheus: Prometheus) -> None:
    expected = {"RayJobFailed", "RayTasksKilledForMemory"}
    assert stack.kubernetes.eventually(lambda: expected <= prometheus.firing(), 120), prometheus.firing()
    alerts = {
        alert["labels"]["alertname"]: alert
        for alert in prometheus.ask("alerts")["alerts"]
        if alert["state"] == "firing"
    }
    assert alerts["RayJobFailed"]["annotations"]["summary"] == "Ray job train has failed."
    assert alerts["RayJobFailed"]["labels"] == {
        "alertname": "RayJobFailed",
        "name": "train",
        "namespace": "kuberay",
        "severity": "warning",
    }
    # Nothing is said of what is in order.
    assert alerts.keys() == expected
    for alert in alerts.values():
        print(f"\nfires: {alert['annotations']['summary']}")
