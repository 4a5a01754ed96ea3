"""Nothing that runs is touched before the API server has agreed to what replaces it."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.harness.kubernetes import Kubernetes
from tests.integration.harness.operators import BOTH_OPERATORS
from tests.integration.harness.stack import Run, Stack

pytestmark = BOTH_OPERATORS

SMALL: dict[str, Any] = {"cpu": "100m", "memory": "2G"}

#: What the settings take for a group of pods and the API server does not, by a name for
#: it, and the end of what it says.
REFUSED_OF_GROUPS: dict[str, tuple[dict[str, Any], str]] = {
    "label": ({"labels": {"team": "data science!"}}, "metadata.labels"),
    "label-key": ({"labels": {"a/b/c": "x"}}, ""),
    "annotation": ({"annotations": {"not a key!": "x"}}, ""),
    "variable": ({"env": {"": "x"}}, "env[0].name: Required value"),
    "secret-key": (
        {"env": {"TOKEN": {"valueFrom": {"secretKeyRef": {"nmae": "s", "key": "k"}}}}},
        'unknown field "spec.containers[0].env[0].valueFrom.secretKeyRef.nmae"',
    ),
    "config-key": (
        {"env": {"A": {"valueFrom": {"configMapKeyRef": {"name": "c"}}}}},
        "configMapKeyRef.key: Required value",
    ),
    "field": (
        {"env": {"A": {"valueFrom": {"fieldRef": {"fieldPath": "spec.nothing"}}}}},
        "fieldRef.fieldPath",
    ),
    "resource-field": (
        {"env": {"A": {"valueFrom": {"resourceFieldRef": {"resource": "x.y"}}}}},
        "resourceFieldRef.resource",
    ),
    "node-selector": ({"nodeSelector": {"pool": "big one"}}, "nodeSelector"),
    "toleration": ({"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}, "tolerations[0]"),
    "toleration-time": (
        {"tolerations": [{"key": "a", "value": "b", "effect": "NoSchedule", "tolerationSeconds": 5}]},
        "tolerations[0].effect",
    ),
    "affinity": ({"affinity": {"nodeAfinity": {}}}, 'unknown field "spec.affinity.nodeAfinity"'),
    "affinity-term": (
        {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{}]}}},
        "topologyKey",
    ),
    "volume": (
        {"volumes": [{"name": "v", "secret": {"name": "x"}}]},
        'unknown field "spec.volumes[1].secret.name"',
    ),
    "claim": (
        {"volumes": [{"name": "v", "persistentVolumeClaim": {}}]},
        "persistentVolumeClaim.claimName: Required value",
    ),
    "share": ({"volumes": [{"name": "v", "nfs": {"server": "s"}}]}, "nfs.path: Required value"),
    "sub-path": (
        {
            "volumes": [{"name": "v", "emptyDir": {}}],
            "volumeMounts": [{"name": "v", "mountPath": "/a", "subPath": "../b"}],
        },
        "subPath",
    ),
    "account": (
        {"serviceAccountName": "nobody-made-it"},
        "error looking up service account kuberay/nobody-made-it",
    ),
}

#: The like of a cluster's other settings, each alone: they are about the head.
REFUSED_OF_CLUSTERS: dict[str, tuple[dict[str, Any], str]] = {
    "service-type": ({"values": {"service": {"type": "Loadbalancer"}}}, "Unsupported value"),
    "service-port": (
        {"values": {"head": {"headService": {"spec": {"ports": [{"port": 99999}]}}}}},
        "must be between 1 and 65535",
    ),
    "requests-beyond-limits": (
        {
            "values": {
                "head": {
                    "resources": {
                        "limits": {"cpu": "1", "memory": "2G"},
                        "requests": {"cpu": "2", "memory": "2G"},
                    }
                }
            }
        },
        "must be less than or equal to cpu limit of 1",
    ),
    "autoscaler": (
        {
            "autoscaling": {},
            "worker": {**SMALL, "maxReplicas": 2},
            "values": {
                "head": {
                    "autoscalerOptions": {"resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}}
                }
            },
        },
        "must be less than or equal to cpu limit of 1",
    ),
    "init-container": (
        {
            "values": {
                "worker": {"initContainers": [{"name": "first", "image": "busybox", "comand": ["true"]}]}
            }
        },
        'unknown field "spec.initContainers[1].comand"',
    ),
    "annotation-of-the-cluster": ({"values": {"annotations": {"not a key!": "x"}}}, "metadata.annotations"),
}


def stack_of(**cluster: Any) -> dict[str, Any]:
    small = {"head": SMALL, "worker": SMALL}
    return {"architecture": "aarch64", "clusters": {"raycluster": small | cluster}}


@pytest.fixture
def running(stack: Stack, kubernetes: Kubernetes) -> Iterator[list[str]]:
    """The UIDs of the pods of a cluster that runs; they are the same after the test."""
    if not uids(kubernetes):
        stack.configure(stack_of())
        stack.up_or_fail()
    before = uids(kubernetes)
    yield before
    assert uids(kubernetes) == before


def uids(kubernetes: Kubernetes) -> list[str]:
    return sorted(pod.uid for pod in kubernetes.ray_pods("raycluster-kuberay"))


def refusals(run: Run) -> list[str]:
    """What the API server would refuse, one line for each object, as it was printed
    first.
    """
    assert not run.ok, run.text
    assert "Traceback" not in run.text
    lines = [
        line.strip().removeprefix("error: ")
        for line in run.text.splitlines()
        if "the Kubernetes API server would refuse it" in line
    ]
    return list(dict.fromkeys(line[line.index("kuberay:clusters") :] for line in lines))


def test_no_pod_is_lost_for_a_setting_of_a_group_that_kubernetes_refuses(
    stack: Stack, kubernetes: Kubernetes, running: list[str]
) -> None:
    # One group for each, so that one run tells of all of them.
    groups = {name: SMALL | {"replicas": 0} | bad for name, (bad, _) in REFUSED_OF_GROUPS.items()}
    stack.configure(stack_of(head=SMALL | {"env": {"NEW": "1"}}, additionalWorkerGroups=groups))
    said = refusals(stack.up())
    for name, (_, reason) in REFUSED_OF_GROUPS.items():
        assert any(
            line.startswith(f"kuberay:clusters.raycluster, a pod of {name}: ") and reason in line
            for line in said
        ), (name, said)
    assert uids(kubernetes) == running


def test_a_preview_says_the_same_as_up(stack: Stack, running: list[str]) -> None:
    stack.configure(stack_of(head=SMALL | {"labels": {"team": "data science!"}}))
    assert refusals(stack.preview_text()) == refusals(stack.up())


def test_no_pod_is_lost_for_a_setting_of_a_cluster_that_kubernetes_refuses(
    stack: Stack, running: list[str]
) -> None:
    # One cluster for each, beside the one that runs and is to change.
    small = {"head": SMALL, "worker": SMALL}
    clusters = {name: small | bad for name, (bad, _) in REFUSED_OF_CLUSTERS.items()}
    changed = {"raycluster": small | {"head": SMALL | {"env": {"NEW": "1"}}}}
    stack.configure({"architecture": "aarch64", "clusters": changed | clusters})
    said = refusals(stack.up())
    for name, (_, reason) in REFUSED_OF_CLUSTERS.items():
        assert any(line.startswith(f"kuberay:clusters.{name}, ") and reason in line for line in said), (
            name,
            said,
        )


def test_an_admission_policy_is_asked_too(stack: Stack, kubernetes: Kubernetes, running: list[str]) -> None:
    policy = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: no-debugging}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  validations:
  - expression: "!has(object.metadata.labels) || !('debug' in object.metadata.labels)"
    message: pods for debugging are not allowed here
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: no-debugging}
spec: {policyName: no-debugging, validationActions: [Deny]}
"""
    kubernetes.apply(policy)
    try:
        stack.configure(stack_of(head=SMALL | {"labels": {"debug": "yes"}}))
        stack.preview_that_says("pods for debugging are not allowed here")
        assert "pods for debugging are not allowed here" in refusals(stack.up())[0]
    finally:
        kubernetes.kubectl(
            "delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", "no-debugging"
        )


def test_no_pod_is_lost_for_what_the_operator_alone_refuses(
    stack: Stack, kubernetes: Kubernetes, running: list[str]
) -> None:
    group: dict[str, Any] = {"groupName": "workergroup", "suspend": True, "minReplicas": 0, "maxReplicas": 1}
    group |= {"replicas": 1, "rayStartParams": {}}
    group["template"] = {"spec": {"containers": [{"name": "ray", "image": "rayproject/ray:2.46.0"}]}}
    spec = {"workerGroupSpecs": [group], "enableInTreeAutoscaling": True}
    refused = stack_of(head=SMALL | {"env": {"NEW": "1"}}, spec=spec)
    stack.configure(refused)
    run = stack.up()
    assert not run.ok
    assert run.ended_early, run.text
    assert "InvalidRayClusterSpec: The RayCluster spec is invalid" in run.text
    assert "with Autoscaler enabled" in run.text
    assert uids(kubernetes) == running
    # An operator that has just started waits for the lease of the one before it, and
    # refuses nothing for as long.
    stack.configure(stack_of())
    stack.up_or_fail()
    stack.configure(refused | {"operator": {"cpu": "200m"}})
    run = stack.up()
    assert not run.ok
    assert "waits for the lease of the one before it" in run.text
    assert "with Autoscaler enabled" in run.text
    assert uids(kubernetes) == running
    stack.configure(stack_of())
    stack.up_or_fail()


def test_no_pod_is_lost_where_the_operator_may_make_none(
    stack: Stack, kubernetes: Kubernetes, running: list[str]
) -> None:
    why = "its service account kuberay-operator may not"
    stack.configure(
        stack_of(head=SMALL | {"env": {"NEW": "1"}}) | {"operator": {"values": {"rbacEnable": False}}}
    )
    run = stack.up()
    assert not run.ok
    assert run.ended_early, run.text
    assert why in run.text
    assert uids(kubernetes) == running
    # As it is in the cluster now.
    stack.preview_that_says(why)
    stack.configure(stack_of())
    stack.up_or_fail()
    assert uids(kubernetes) == running


def test_jobs_and_services_are_asked_about_too(stack: Stack, running: list[str]) -> None:
    bad: dict[str, Any] = {"head": SMALL | {"affinity": {"nodeAfinity": {}}}, "worker": SMALL}
    serve = {"applications": [{"name": "app", "import_path": "app:app"}]}
    jobs, services = (
        {"train": {"entrypoint": "true", "rayCluster": bad}},
        {"chat": {"serveConfig": serve, "rayCluster": bad}},
    )
    stack.configure(stack_of() | {"jobs": jobs, "services": services})
    run = stack.up()
    assert not run.ok
    for whose, kind in (("jobs.train", "RayJob"), ("services.chat", "RayService")):
        assert f"kuberay:{whose}, its {kind}: the Kubernetes API server would refuse it" in run.text
    # These are alike, so they are asked about once.
    both = "kuberay:jobs.train, a pod of the head, services.chat, a pod of the head"
    assert f"{both}: the Kubernetes API server would refuse it" in run.text


def test_a_quota_that_what_runs_uses_up_is_no_refusal(stack: Stack, kubernetes: Kubernetes) -> None:
    stack.configure(stack_of())
    stack.up_or_fail()
    kubernetes.kubectl("create", "quota", "tight", "--hard=pods=3", "-n", "kuberay")
    try:
        stack.configure(stack_of(worker=SMALL | {"env": {"NEW": "1"}}))
        stack.up_or_fail()
    finally:
        kubernetes.kubectl("delete", "quota", "tight", "-n", "kuberay")


def test_a_preview_without_the_cluster_says_that_it_could_not_ask(stack: Stack, running: list[str]) -> None:
    stack.configure(stack_of(head=SMALL | {"labels": {"team": "data science!"}}))
    with stack.cluster_out_of_reach():
        run = stack.preview_text()
    assert (
        "not known whether Kubernetes would take what changes: the Kubernetes API server does not answer"
        in run.text
    )


def test_where_nothing_has_changed_nothing_is_asked(stack: Stack, kubernetes: Kubernetes) -> None:
    stack.configure(stack_of())
    stack.up_or_fail()
    before = kubernetes.dry_runs()
    assert stack.preview().changes == {}
    stack.up_or_fail()
    assert kubernetes.dry_runs() == before
