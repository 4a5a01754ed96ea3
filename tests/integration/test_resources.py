"""What KubeRay's resources have beyond the settings and the chart: labels, annotations,
fields of their specs.
"""

import asyncio
import json
from dataclasses import replace
from typing import Any

from kuberay.facts.charts import RESOURCE_CHART
from kuberay.live.api.connection import Connection
from kuberay.live.dry_run import RefusedError, ask
from kuberay.plan.dry_run import questions
from kuberay.plan.ray_cluster_spec import groups_of
from kuberay.settings.workloads import CLUSTER_FIELD
from local.cluster import LocalCluster
from tests.crd_fields import EACH, WHOSE, fields, plan_with, pod_fields, together
from tests.integration.harness.kubernetes import Kubernetes
from tests.integration.harness.operators import BOTH_OPERATORS
from tests.integration.harness.stack import Stack, guide
from tests.paths import ROOT

pytestmark = BOTH_OPERATORS

SMALL: dict[str, Any] = {"cpu": "100m", "memory": "2G"}
PLAIN = {"head": SMALL, "worker": SMALL}


def cluster_of(kubernetes: Kubernetes) -> dict[str, Any]:
    return json.loads(
        kubernetes.kubectl("get", "raycluster", "raycluster-kuberay", "-n", "kuberay", "-o", "json")
    )


def uids(kubernetes: Kubernetes) -> list[str]:
    return sorted(pod.uid for pod in kubernetes.ray_pods("raycluster-kuberay"))


def without_empty(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: found for key, below in tree.items() if (found := without_empty(below)) not in ({}, [])}
    return [without_empty(item) for item in tree] if isinstance(tree, list) else tree


#: What a rule of the CRD says of a field that is set alone, or to a text of no meaning.
RULES = (
    "must be either 'ray.io/kuberay-operator'",
    "must be either 'DeleteCluster'",
    "deletionStrategy requires",
    "deletion condition requires",
)


def test_the_api_server_takes_every_field_that_the_settings_can_set(
    stack: Stack, cluster: LocalCluster, version: str
) -> None:
    stack.configure({"clusters": {}})
    stack.up_or_fail()
    asked = [
        replace(
            questions(plan_with("RayCluster", version, together(pod_fields(version))), "clusters.x")[0],
            what="pods",
        )
    ]
    for kind, whose in [(kind, WHOSE[kind]) for kind, of in EACH if of == version]:
        # Of a cluster that KubeRay makes, the CRDs say the same.
        every = [
            field for field in fields(kind, version) if set(field.path).isdisjoint(CLUSTER_FIELD.values())
        ]
        asked += [
            replace(questions(plan_with(kind, version, field.spec), whose)[0], what=f"{kind} {field.name}")
            for field in every
        ]
    assert len(asked) > 180
    refused: list[str] = []
    try:
        asyncio.run(ask(Connection(str(cluster.kubeconfig), None, None), asked))
    except RefusedError as error:
        refused = [line for line in str(error).splitlines() if not any(rule in line for rule in RULES)]
    assert refused == []


def test_a_running_cluster_gets_what_the_chart_cannot_write_and_loses_it_without_a_restart(
    stack: Stack, kubernetes: Kubernetes
) -> None:
    stack.configure(guide(**PLAIN))
    stack.up_or_fail()
    pods, before = uids(kubernetes), cluster_of(kubernetes)

    beyond = {
        "labels": {"team": "research"},
        "annotations": {"note": "mine"},
        "spec": {"suspend": False, "suspnd": True},
    }
    stack.configure(guide(**PLAIN, **beyond))
    refused = stack.preview_text()
    assert (
        "kuberay:clusters.raycluster.spec.suspnd: true is no field of a RayCluster at KubeRay" in refused.text
    ), refused.text
    assert "; did you mean 'suspend'?; known here: " in refused.text
    refused = stack.up()
    assert not refused.ok
    assert "spec.suspnd: true is no field" in refused.text

    del beyond["spec"]["suspnd"]
    stack.configure(guide(**PLAIN, **beyond))
    assert stack.preview().changes == {"Release raycluster": "update", "Stash raycluster.head.pods": "update"}
    report = stack.make_preview(stack.name)
    assert "no pod restarts" in report.text, report.text
    assert "metadata.labels.team: research" in report.text
    assert "spec.suspend: false" in report.text
    stack.up_or_fail()
    now = cluster_of(kubernetes)
    assert uids(kubernetes) == pods
    assert now["metadata"]["uid"] == before["metadata"]["uid"]
    assert now["metadata"]["labels"] == before["metadata"]["labels"] | {"team": "research"}
    assert now["metadata"]["annotations"]["note"] == "mine"
    assert now["spec"].pop("suspend") is False
    for name, group in groups_of(now["spec"]).items():
        # 1.3.0's chart writes empty lists and maps, which are as good as none.
        assert without_empty(group["template"]) == without_empty(groups_of(before["spec"])[name]["template"])
    (release,) = [found for found in stack.resources() if found["urn"].endswith("Release::raycluster")]
    assert release["inputs"]["chart"] == RESOURCE_CHART
    assert str(ROOT) not in json.dumps(release)
    assert stack.refresh().ok
    assert stack.preview().changes == {}
    assert "Traceback" not in stack.make_doctor().text

    stack.configure(guide(**PLAIN))
    stack.up_or_fail()
    assert uids(kubernetes) == pods
    after = cluster_of(kubernetes)
    assert "suspend" not in after["spec"]
    assert after["metadata"]["labels"] == before["metadata"]["labels"]
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert stack.preview().changes == {}


def test_a_cluster_that_no_setting_suspends_any_more_gets_its_pods_back(
    stack: Stack, kubernetes: Kubernetes
) -> None:
    stack.configure(guide(**PLAIN, spec={"suspend": True}))
    stack.up_or_fail()
    assert uids(kubernetes) == []
    stack.configure(guide(**PLAIN))
    stack.up_or_fail()
    assert len(uids(kubernetes)) == 2
    assert stack.preview().changes == {}
    assert "the cluster is as the stack made it" in stack.make_preview("--drift", stack.name).text
