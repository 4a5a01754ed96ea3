"""Drift is what someone changed, and not what Kubernetes fills in."""

import copy
import json
from typing import Any

import pytest

from commands.preview.meaning.drift import add_drift, drift_of, seen_by_refresh, without_additions
from commands.preview.meaning.hiding import hides_more
from commands.preview.meaning.report import StackReport
from commands.preview.meaning.steps import read_preview
from tests.paths import PREVIEWS

CLUSTER: dict[str, Any] = {
    "apiVersion": "ray.io/v1",
    "kind": "RayCluster",
    "metadata": {"name": "ray", "resourceVersion": "1", "generation": 1, "managedFields": []},
    "spec": {
        "enableInTreeAutoscaling": False,
        "workerGroupSpecs": [{"replicas": 1, "limits": {"cpu": "1", "memory": "1Gi"}}],
    },
}


def edited(**group: Any) -> dict[str, Any]:
    live = copy.deepcopy(CLUSTER)
    live["metadata"] |= {"resourceVersion": "9", "generation": 4, "uid": "u"}
    live["status"] = {"state": "ready"}
    live["spec"]["workerGroupSpecs"][0] |= group
    return live


def test_versions_status_and_other_ways_to_write_an_amount_are_no_drift() -> None:
    assert drift_of(CLUSTER, edited(limits={"cpu": "1000m", "memory": "1024Mi"})) is None


def test_an_edited_field_is_said_with_what_it_should_be() -> None:
    drift = drift_of(CLUSTER, edited(replicas=3))
    assert drift is not None
    assert (drift.what, drift.fields) == ("edited", ["spec.workerGroupSpecs[0].replicas is 3, not 1"])


def test_replicas_that_the_autoscaler_sets_are_no_drift() -> None:
    scaled = copy.deepcopy(CLUSTER)
    scaled["spec"]["enableInTreeAutoscaling"] = True
    live = edited(replicas=3, scaleStrategy={"workersToDelete": ["a"]})
    live["spec"]["enableInTreeAutoscaling"] = True
    assert drift_of(scaled, live) is None


def test_what_is_not_there_was_deleted() -> None:
    drift = drift_of(CLUSTER, None)
    assert drift is not None
    assert (drift.kind, drift.name, drift.what) == ("RayCluster", "ray", "deleted")


RENDERED: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "operator", "labels": {"app": "operator"}},
    "spec": {"template": {"spec": {"containers": [{"name": "a", "env": [{"name": "A", "value": "1"}]}]}}},
}


def with_additions(manager: str, fields: dict[str, Any], **entry: Any) -> dict[str, Any]:
    live = copy.deepcopy(RENDERED)
    live["metadata"]["labels"]["by"] = "hand"
    live["spec"]["strategy"] = {"type": "Recreate"}
    template = live["spec"]["template"]
    template["metadata"] = {"annotations": {"kubectl.kubernetes.io/restartedAt": "now", "note": "x"}}
    template["spec"]["containers"][0]["env"].append({"name": "DEBUG", "value": "1"})
    live["metadata"]["managedFields"] = [{"manager": manager, "fieldsV1": fields, **entry}]
    return live


ADDED = {
    "f:metadata": {"f:labels": {"f:by": {}}, "f:annotations": {"f:note": {}}},
    "f:spec": {
        "f:strategy": {"f:type": {}},
        "f:template": {
            "f:metadata": {
                "f:annotations": {".": {}, "f:kubectl.kubernetes.io/restartedAt": {}, "f:note": {}}
            },
            "f:spec": {
                "f:containers": {
                    'k:{"name":"a"}': {
                        "f:env": {
                            'k:{"name":"A"}': {".": {}, "f:name": {}, "f:value": {}},
                            'k:{"name":"DEBUG"}': {".": {}, "f:name": {}, "f:value": {}},
                        }
                    }
                }
            },
        },
    },
}


@pytest.mark.parametrize("manager", ["kubectl-edit", "kubectl", "k9s", "Mozilla"])
def test_what_somebody_has_added_is_said(manager: str) -> None:
    live = with_additions(manager, ADDED)
    drift = drift_of(without_additions(live, RENDERED), live)
    assert drift is not None
    assert drift.fields == [
        "metadata.labels.by was not there",
        "spec.template.spec.containers[a].env[DEBUG].name was not there",
        "spec.template.spec.containers[a].env[DEBUG].value was not there",
        "spec.template.metadata.annotations.note was not there",
        "spec.strategy.type is Recreate, and was not there",
    ]


def test_what_others_have_added_beside_what_somebody_has_is_no_drift() -> None:
    rendered: dict[str, Any] = {
        **RENDERED,
        "metadata": {"name": "operator"},
        "spec": {"ports": [{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}]},
    }
    live = copy.deepcopy(rendered)
    fields = {
        "f:spec": {
            "f:ports": {'k:{"containerPort":80,"protocol":"TCP"}': {"f:hostPort": {}}},
            "f:selector": {".": {}},
        }
    }
    live["metadata"] |= {"labels": {"made-by": "Helm"}}
    live["metadata"]["managedFields"] = [{"manager": "kubectl-edit", "fieldsV1": fields}]
    live["spec"]["selector"] = {"of": "a webhook"}
    live["spec"]["ports"][0] |= {"protocol": "TCP", "hostPort": 80}
    drift = drift_of(without_additions(live, rendered), live)
    assert drift is not None
    assert drift.fields == ["spec.ports[0].hostPort was not there"]


def test_what_a_webhook_or_a_controller_has_added_is_no_drift() -> None:
    for live in (
        with_additions("istio-webhook", ADDED),
        with_additions("kubectl", ADDED, subresource="status"),
    ):
        assert drift_of(without_additions(live, RENDERED), live) is None


@pytest.mark.parametrize(
    ("place", "path"),
    [
        (("data",), "data.password"),
        (("stringData",), "stringData.password"),
        (("metadata", "annotations"), "metadata.annotations.password"),
        (("metadata", "labels"), "metadata.labels.password"),
        (("spec", "env", "A", "value"), "spec.env.A.value.password"),
        (("spec", "containers", 0, "args"), "spec.containers[0].args.password"),
        (("spec", "containers", 0, "command"), "spec.containers[0].command.password"),
        (("spec", "volumes", 0, "csi"), "spec.volumes[0].csi.password"),
        (("spec", "headGroupSpec", "rayStartParams"), "spec.headGroupSpec.rayStartParams.password"),
        # What nobody has thought of.
        (("spec", "somethingNew"), "spec.somethingNew.password"),
    ],
)
def test_what_may_be_a_secret_differs_and_is_not_shown(place: tuple[str | int, ...], path: str) -> None:
    def made(password: str) -> dict[str, Any]:
        tree: Any = {"password": password}
        for part in reversed(place):
            tree = [tree] if part == 0 else {part: tree}
        return {"kind": "Thing", **tree, "metadata": {"name": "t", **tree.get("metadata", {})}}

    def told(applied: dict[str, Any], live: dict[str, Any]) -> list[str]:
        drift = drift_of(applied, live)
        assert drift is not None
        return drift.fields

    assert told(made("hunter2"), made("opensesame")) == [f"{path} differs"]
    empty = {"kind": "Thing", "metadata": {"name": "t"}}
    assert told(empty, made("opensesame")) == [f"{path} was not there"]
    assert told(made("hunter2"), empty) == [f"{path} is gone"]


def test_nothing_of_a_release_is_shown_that_keeps_secrets_where_values_would_be_shown() -> None:
    drift = drift_of(CLUSTER, edited(replicas=3), "[secret]")
    assert drift is not None
    assert drift.fields == ["spec.workerGroupSpecs[0].replicas differs"]
    assert hides_more("[secret]")
    assert hides_more({"head": {"resources": "[secret]"}})
    assert not hides_more(
        {
            "head": {"containerEnv": "[secret]", "rayStartParams": {"redis-password": "[secret]"}},
            "worker": {"replicas": 1},
        }
    )


def test_neither_names_nor_keys_are_told_of_what_is_a_secret_in_a_preview() -> None:
    def made(port: int, key: str) -> dict[str, Any]:
        container = {"name": "hunter2", "ports": [{"name": "hunter3", "port": port}], "env": [{"name": key}]}
        return {
            "kind": "Thing",
            "metadata": {"name": "t", "annotations": {key: "x"}},
            "spec": {"containers": [container]},
        }

    def told(values: Any) -> list[str]:
        drift = drift_of(made(1, "hunter4"), made(2, "hunter5"), values)
        assert drift is not None
        return drift.fields

    named = "spec.containers[hunter2]"
    assert told({})[0] == "metadata.annotations.hunter5 was not there"
    assert told({"head": {"containerEnv": "[secret]"}}) == [
        "metadata.annotations differs",
        f"{named}.ports[hunter3].port is 2, not 1",
        f"{named}.env differs",
    ]
    assert told("[secret]") == [
        "metadata.annotations differs",
        "spec.containers[…].ports[…].port differs",
        "spec.containers[…].env differs",
    ]


def test_what_refresh_finds_edited_below_a_secret_is_told_as_that() -> None:
    urn = "urn:pulumi:dev::kuberay::kubernetes:ray.io/v1:RayJob::job"
    inputs = {"metadata": {"name": "job"}, "spec": "[secret]"}
    state = {"inputs": inputs}
    preview = read_preview(
        {
            "steps": [
                {"op": "refresh", "urn": urn, "oldState": state, "newState": state},
                {
                    "op": "update",
                    "urn": urn,
                    "oldState": state,
                    "newState": state,
                    "detailedDiff": {
                        "spec.runtimeEnv.hunter2": {},
                        "spec.entrypoint": {},
                        "metadata.name": {},
                    },
                },
            ]
        }
    )
    (drift,) = seen_by_refresh(preview)
    assert drift.fields == ["spec", "metadata.name"]


def test_refresh_tells_what_was_deleted_and_edited_of_the_stacks_own_objects() -> None:
    preview = read_preview(json.loads((PREVIEWS / "drift.json").read_text()))
    found = {(one.what, one.kind): one.fields for one in seen_by_refresh(preview)}
    assert found.keys() == {("deleted", "NetworkPolicy"), ("edited", "Namespace")}
    assert found["edited", "Namespace"] == ['metadata.annotations["kuberay.pulumi/stack"]']


def test_a_stack_that_drifted_is_one_that_changes() -> None:
    drift = drift_of(CLUSTER, None)
    assert drift is not None
    report = StackReport(stack="dev")
    add_drift(report, [])
    assert (report.level, report.drift) == ("nothing", [])
    add_drift(report, [drift])
    assert report.level == "changes"
