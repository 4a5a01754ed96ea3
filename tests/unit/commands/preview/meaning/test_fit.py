"""Whether the nodes have room for what comes, over recorded previews and made-up
changes: right, or "cannot tell".
"""

import json
from typing import Any

import pytest

from commands.preview.meaning.fit import Change, Coming, Room, add_fit, brings_pods, fit_of
from commands.preview.meaning.node_autoscalers import growth_for
from commands.preview.meaning.report import Fit
from commands.preview.meaning.steps import read_preview
from kuberay.facts.charts import RESOURCE_CHART
from kuberay.plan.ray_cluster_spec import ray_cluster_spec
from tests.unit.commands.preview.meaning.recorded import NAMES, digest_of, recorded


def node(name: str = "n", cpu: str = "64", memory: str = "256Gi", **more: Any) -> dict[str, Any]:
    labels = {"kubernetes.io/arch": "arm64"} | more.pop("labels", {})
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": more,
        "status": {"allocatable": {"cpu": cpu, "memory": memory, "pods": "110", **GPUS}},
    }


GPUS: dict[str, str] = {}


def pod(
    uid: str,
    cpu: str = "1",
    memory: str = "1G",
    on: str | None = "n",
    labels: dict[str, str] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    return {
        "metadata": {"uid": uid, "namespace": "kuberay", "labels": labels or {}},
        "spec": shape(cpu, memory, **({"nodeName": on} if on else {}), **spec),
        "status": {"phase": "Running" if on else "Pending"},
    }


def shape(cpu: str = "1", memory: str = "1G", gpus: int = 0, **spec: Any) -> dict[str, Any]:
    requests = {"cpu": cpu, "memory": memory} | ({"nvidia.com/gpu": str(gpus)} if gpus else {})
    return {"containers": [{"resources": {"requests": requests}}], **spec}


def fit(name: str, room: Room | str) -> Fit | None:
    report, preview = recorded(name)
    if brings_pods(report, preview):
        add_fit(report, preview, room)
    return report.fit


def answer(
    coming: list[Coming], *nodes: dict[str, Any], pods: list[dict[str, Any]] | None = None, **room: Any
) -> tuple[str, list[str]]:
    found = fit_of(Change(coming), Room(nodes, pods or [], **room))
    assert found
    return found.answer, found.why


#: What comes with each of the recorded changes that brings pods: CPU.
COMES = {
    "architecture": 6,
    "cluster-added": 2,
    "head-environment": 4,
    "job": 0.5,
    "memory": 1,
    "new": 2.1,
    "protection": 6,
    "ray": 6,
    "replicas": 2,
    "secret-environment": 4,
    "secret-token": 6,
    "service-added": 4.5,
    "service-cluster": 2,
    "service-replicas": 1,
    "service-type": 4,
}


@pytest.mark.parametrize("name", NAMES)
def test_every_recorded_change_fits_exactly_where_there_is_as_much_as_it_brings(name: str) -> None:
    GPUS.update({"nvidia.com/gpu": "1"})
    try:
        arch = {"kubernetes.io/arch": "amd64"} if name == "architecture" else {}
        known = {"secret-values": "cannot tell"}
        if name not in COMES:
            found = fit(name, Room([], []))
            assert (found.answer if found else None) == known.get(name)
            return
        enough, short = (
            Room([node(cpu=f"{amount}", labels=arch)], []) for amount in (COMES[name], COMES[name] - 0.01)
        )
        assert [found and found.answer for found in (fit(name, enough), fit(name, short))] == [
            "fits",
            # A job that runs again may leave room behind: the pod that submitted it.
            "cannot tell" if name == "job" else "does not fit",
        ]
    finally:
        GPUS.clear()


def test_pods_that_restart_make_room_for_themselves() -> None:
    labels = {"ray.io/cluster": "raycluster-kuberay"}
    ray = [
        pod(name, "1", labels=labels | {"ray.io/group": name}) for name in ("headgroup", "workergroup", "big")
    ]
    assert fit("memory", Room([node(cpu="3")], ray)) == Fit(answer="fits")
    others = [pod(f"other{number}", "1") for number in range(3)]
    assert fit("memory", Room([node(cpu="3")], others)) == Fit(
        answer="does not fit",
        why=[
            "workergroup of cluster raycluster: 1 pod of 1 CPU and 3G memory come, the nodes have room for 0"
        ],
    )


def test_so_do_those_of_a_cluster_that_is_written_as_a_raycluster() -> None:
    digest = digest_of("memory")
    (release,) = [step for step in digest["steps"] if step["urn"].endswith(":Release::raycluster")]
    for side in ("oldState", "newState"):
        inputs = release[side]["inputs"]
        values = inputs["values"]
        inputs["chart"] = RESOURCE_CHART
        inputs["values"] = {
            "metadata": {"name": values["fullnameOverride"]},
            "spec": ray_cluster_spec(values),
        }
    labels = {"ray.io/cluster": "raycluster-kuberay"}
    ray = [
        pod(name, "1", labels=labels | {"ray.io/group": name}) for name in ("headgroup", "workergroup", "big")
    ]
    report, _ = recorded("memory")
    add_fit(report, read_preview(digest), Room([node(cpu="3")], ray))
    assert report.fit == Fit(answer="fits")


def test_an_upgrade_of_a_service_has_to_fit_beside_what_runs() -> None:
    digest = digest_of("service-cluster")
    for step in digest["steps"]:
        for side in ("oldState", "newState"):
            spec = (step.get(side) or {}).get("inputs", {}).get("spec", {})
            for group in spec.get("rayClusterConfig", {}).get("workerGroupSpecs", []):
                group |= {"replicas": 2, "maxReplicas": 2}
                group["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] = "8"
    preview = read_preview(digest)
    report, _ = recorded("service-cluster")
    running = [pod(str(number), labels={"ray.io/cluster": "chat-abc"}, cpu="1") for number in range(2)]
    for one in running:
        one["spec"]["containers"][0]["resources"]["requests"]["nvidia.com/gpu"] = "8"
    GPUS.update({"nvidia.com/gpu": "16"})
    try:
        add_fit(report, preview, Room([node()], running))
    finally:
        GPUS.clear()
    assert report.fit == Fit(
        answer="does not fit",
        why=[
            "service chat: this upgrade needs 16 GPUs beside the 16 GPUs that run; the nodes have 16 GPUs",
            (
                "workergroup of service chat: 2 pods of 8 GPUs, 1 CPU and 3G memory come, the nodes have room"
                " for 0"
            ),
        ],
    )
    add_fit(report, preview, "connection refused")
    assert report.fit == Fit(
        answer="cannot tell",
        why=[
            "service chat: this upgrade needs 16 GPUs beside the 16 GPUs that run",
            "the cluster could not be asked (connection refused)",
        ],
    )


def test_a_cluster_that_goes_still_takes_its_room_while_others_come() -> None:
    digest = digest_of("cluster-added")
    (gone,) = [
        step for step in digest_of("cluster-removed")["steps"] if step["urn"].endswith(":Release::other")
    ]
    digest["steps"].append(gone)
    preview = read_preview(digest)
    report, _ = recorded("cluster-added")
    ray = [pod("1", "2", labels={"ray.io/cluster": "other-kuberay", "ray.io/group": "headgroup"})]
    GPUS.update({"nvidia.com/gpu": "1"})
    try:
        add_fit(report, preview, Room([node(cpu="3")], ray))
    finally:
        GPUS.clear()
    assert report.fit == Fit(
        answer="cannot tell",
        why=["it hangs on where the scheduler puts each pod, and on which pods wait or go meanwhile"],
    )


def test_pods_of_one_shape_are_counted_node_by_node() -> None:
    three = [Coming("w of cluster a", 3, shape("2"))]
    assert answer(three, node("a", "5"), node("b", "3")) == ("fits", [])
    assert answer(three, node("a", "3"), node("b", "3")) == (
        "does not fit",
        ["w of cluster a: 3 pods of 2 CPU and 1G memory come, the nodes have room for 2"],
    )


def test_together_they_have_to_fit_too() -> None:
    both = [Coming("a", 1, shape("2")), Coming("b", 1, shape("2"))]
    assert answer(both, node(cpu="3")) == (
        "does not fit",
        ["all that comes asks for 4 CPU, the nodes that take it have 3 CPU free"],
    )


def test_where_it_hangs_on_the_order_it_cannot_be_told() -> None:
    # The scheduler may put the small one on the node that the large one needs.
    both = [Coming("small", 1, shape("1")), Coming("large", 1, shape("4"))]
    assert answer(both, node("a", "4"), node("b", "1"))[0] == "cannot tell"


def test_pods_that_wait_may_come_first() -> None:
    waiting = [pod("w", "3", on=None)]
    assert answer([Coming("a", 1, shape("2"))], node(cpu="4"), pods=waiting)[0] == "cannot tell"
    assert answer([Coming("a", 1, shape("1"))], node(cpu="4"), pods=waiting)[0] == "fits"


def test_pods_that_are_over_take_no_room_and_those_of_low_priority_may_go() -> None:
    over = pod("o", "4")
    over["status"]["phase"] = "Succeeded"
    assert answer([Coming("a", 1, shape("4"))], node(cpu="4"), pods=[over])[0] == "fits"
    assert (
        answer([Coming("a", 1, shape("4"))], node(cpu="4"), pods=[pod("p", "4", priority=-10)])[0]
        == "cannot tell"
    )
    assert answer(
        [Coming("a", 1, shape("4", priorityClassName="high"))], node(cpu="4"), pods=[pod("p", "4")]
    ) == (
        "cannot tell",
        [
            "a: 1 pod of 4 CPU and 1G memory come, the nodes have room for 0",
            "whether pods of a lower priority go for it",
        ],
    )


@pytest.mark.parametrize(
    ("spec", "nodes", "why"),
    [
        (
            {"nodeSelector": {"pool": "gpu"}},
            [node()],
            "a: no node takes them: the only node is without pool=gpu",
        ),
        (
            {"nodeSelector": {"pool": "gpu"}},
            [
                node("a", labels={"pool": "gpu"}, taints=[{"key": "gpu", "effect": "NoSchedule"}]),
                node("b", taints=[{"key": "x", "effect": "NoExecute"}]),
                node("c"),
            ],
            "a: no node takes them: 2 of 3 nodes are without pool=gpu",
        ),
        (
            {},
            [node(cpu="500m")],
            "a: no node takes them: each asks for 1 of cpu, the largest such node has 500m",
        ),
        ({}, [], "a: no node takes them: there is none"),
    ],
)
def test_why_no_node_takes_it_is_told(spec: dict[str, Any], nodes: list[dict[str, Any]], why: str) -> None:
    assert answer([Coming("a", 1, shape(**spec))], *nodes) == ("does not fit", [why])


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        (
            {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]},
            "where its volumes are",
        ),
        ({"volumes": "[secret]"}, "where its volumes are"),
        ({"topologySpreadConstraints": [{"whenUnsatisfiable": "DoNotSchedule"}]}, "its topology spread"),
        ({"schedulerName": "volcano"}, "another scheduler"),
        (
            {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{}]}}},
            "its anti-affinity to other pods",
        ),
    ],
)
def test_what_more_than_room_decides_cannot_be_told(spec: dict[str, Any], what: str) -> None:
    assert answer([Coming("a", 1, shape(**spec))], node()) == (
        "cannot tell",
        [f"the nodes have room, but {what} may say otherwise"],
    )


NEW_STATUS = (
    "nodeGroups:\n- name: gpu\n  health: {status: Healthy, cloudProviderTarget: %d, minSize: 0, maxSize: 4}\n"
)
OLD_STATUS = (
    "NodeGroups:\n  Name: gpu\n  Health: Healthy (ready=1 unready=0 cloudProviderTarget=%d (minSize=0,"
    " maxSize=4))\n"
)


@pytest.mark.parametrize("status", [NEW_STATUS, OLD_STATUS])
def test_the_cluster_autoscaler_tells_how_many_nodes_it_may_add(status: str) -> None:
    assert (
        answer([Coming("a", 1, shape("9"))], node(cpu="4"), autoscaler_status=status % 1)[0] == "cannot tell"
    )
    assert (
        growth_for(None, (), status % 1).text
        == "the node autoscaler may add up to 3 nodes; of which kind it does not say"
    )
    found, why = answer([Coming("a", 1, shape("9"))], node(cpu="4"), autoscaler_status=status % 4)
    assert (found, why[-1]) == ("does not fit", "the node autoscaler has as many nodes as it may")
    assert growth_for(None, (), "of another form").may_come


@pytest.mark.parametrize(
    ("spec", "pool", "text", "may_come"),
    [
        ({}, {}, "Karpenter's NodePool gpu may add nodes for it", True),
        (
            {},
            {"limits": {"nvidia.com/gpu": "16"}},
            "the limits of Karpenter's NodePool gpu leave no room for one such pod",
            False,
        ),
        ({}, {"limits": {"nvidia.com/gpu": "24"}}, "Karpenter's NodePool gpu may add nodes for it", True),
        ({"nodeSelector": {"pool": "a"}}, {}, "no NodePool of Karpenter's makes nodes for it", False),
        (
            {"nodeSelector": {"kubernetes.io/arch": "arm64"}},
            {},
            "Karpenter's NodePool gpu may add nodes for it",
            True,
        ),
        (
            {"nodeSelector": {"kubernetes.io/arch": "arm64"}},
            {"requirements": [{"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]}]},
            "no NodePool of Karpenter's makes nodes for it",
            False,
        ),
        (
            {},
            {"taints": [{"key": "gpu", "effect": "NoSchedule"}]},
            "no NodePool of Karpenter's makes nodes for it",
            False,
        ),
    ],
)
def test_karpenters_pools_tell_whether_they_make_such_nodes(
    spec: dict[str, Any], pool: dict[str, Any], text: str, may_come: bool
) -> None:
    template = {"spec": {key: value for key, value in pool.items() if key != "limits"}}
    made = {"metadata": {"name": "gpu"}, "spec": {"template": template, "limits": pool.get("limits")}}
    made["status"] = {"resources": {"nvidia.com/gpu": "16"}}
    found = growth_for(shape(gpus=8, **spec), [made], None)
    assert (found.text, found.may_come) == (text, may_come)


def test_thousands_of_pods_on_a_thousand_nodes_are_told_in_seconds() -> None:
    nodes = [node(f"n{number}") for number in range(1000)]
    coming = [Coming(f"w of cluster {number}", 100, shape("4")) for number in range(20)]
    assert answer(coming, *nodes) == ("fits", [])


def test_what_a_secret_hides_cannot_be_told() -> None:
    digest = json.loads(json.dumps(digest_of("cluster-added")).replace('"arm64"', '"[secret]"'))
    report, _ = recorded("cluster-added")
    add_fit(report, read_preview(digest), Room([node()], []))
    assert report.fit == Fit(answer="cannot tell", why=["settings of cluster third are kept encrypted"])
