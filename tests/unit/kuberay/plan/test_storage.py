"""Claims are the stack's, and groups of any cluster, job or service see them."""

from kuberay.plan.dry_run import questions, what_changes
from kuberay.plan.ray_cluster_spec import ray_cluster_spec
from kuberay.plan.stack import plan_stack
from tests.stack_config import load

STORAGE = {
    "datasets": {"size": "100Gi", "storageClass": "nfs", "accessMode": "ReadWriteMany"},
    "models": {"size": 5e9, "keep": False},
}


def test_a_claim_asks_for_what_the_settings_say() -> None:
    datasets, models = plan_stack(load(storage=STORAGE)).claims
    assert datasets.manifest == {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "datasets", "namespace": "kuberay"},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": "100Gi"}},
            "storageClassName": "nfs",
        },
    }
    assert models.manifest["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "5000000000"}},
    }
    assert (datasets.keep, models.keep) == (True, False)


def test_a_group_sees_a_claim_in_its_folder() -> None:
    head = {"storage": {"datasets": "/data"}}
    plan = plan_stack(
        load(
            storage=STORAGE,
            clusters={"ray": {"head": head}},
            jobs={"train": {"entrypoint": "x", "rayCluster": {"head": head}}},
        )
    )
    for values in (plan.clusters["ray"].values, plan.workload_clusters["jobs.train"].plan.values):
        spec = ray_cluster_spec(values)
        pod = spec["headGroupSpec"]["template"]["spec"]
        assert pod["volumes"][1:] == [
            {"name": "datasets", "persistentVolumeClaim": {"claimName": "datasets"}}
        ]
        assert pod["containers"][0]["volumeMounts"][1:] == [{"name": "datasets", "mountPath": "/data"}]
        assert len(spec["workerGroupSpecs"][0]["template"]["spec"]["volumes"]) == 1


def test_the_api_server_is_asked_about_a_claim_as_a_change_of_the_one_that_is_there() -> None:
    plan = plan_stack(load(storage=STORAGE))
    (question,) = questions(plan, "storage.datasets")
    assert (question.what, question.name, question.is_change) == (
        "storage.datasets, its claim",
        "datasets",
        True,
    )
    larger = plan_stack(load(storage=STORAGE | {"models": {"size": "6Gi"}}))
    before, after = what_changes(plan), what_changes(larger)
    assert {whose for whose in before if before[whose] != after[whose]} == {"storage.models"}
