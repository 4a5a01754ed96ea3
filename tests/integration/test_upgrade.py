"""One change of `kuberayVersion` and one `up` bring operator, CRDs and charts to
another version; Ray keeps running.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.cluster import LocalCluster
from tests.integration.harness.kubernetes import Kubernetes
from tests.integration.harness.later_charts import serving_later_charts
from tests.integration.harness.operators import MATRIX
from tests.integration.harness.stack import Stack
from tests.integration.harness.upgrades import (
    at,
    crd_versions,
    delete_crds,
    everything,
    operator_image,
    running,
    scale_up,
)

OLD, NEW = "1.3.0", "1.6.2"
HEAD, WORKERS = "Stash raycluster.head.pods", "Stash raycluster.workergroup.pods"
CLUSTER = ("raycluster", "raycluster-kuberay", "-n", "kuberay")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A cluster of this file's own: CRDs outlive the stacks that brought them."""
    with LocalCluster(tmp_path_factory.mktemp("upgrade"), kuberay_versions=(OLD, NEW)) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def kubernetes(cluster: LocalCluster) -> Kubernetes:
    return Kubernetes(cluster)


@pytest.fixture
def at_old(stack: Stack) -> None:
    stack.configure(at(OLD))
    stack.up_or_fail()


@pytest.fixture
def at_new(stack: Stack) -> None:
    stack.configure(at(NEW))
    stack.up_or_fail()


def knows_auth_options(kubernetes: Kubernetes) -> bool:
    crd = json.loads(kubernetes.kubectl("get", "crd", "rayclusters.ray.io", "-o", "json"))
    stored = next(version for version in crd["spec"]["versions"] if version["storage"])
    return "authOptions" in stored["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]


def uids(kubernetes: Kubernetes) -> set[str]:
    return {pod.uid for pod in kubernetes.ray_pods("raycluster-kuberay")}


def test_a_first_install_brings_the_crds_of_its_version(at_old: None, kubernetes: Kubernetes) -> None:
    assert crd_versions(kubernetes) == {"rayclusters": OLD, "rayjobs": OLD, "rayservices": OLD}


@MATRIX
def test_another_operator_of_the_same_version_leaves_the_crds_alone(
    at_old: None, stack: Stack, kubernetes: Kubernetes
) -> None:
    stack.configure(at(OLD) | {"operator": {"memory": "600Mi"}})
    stack.up_or_fail()
    assert set(crd_versions(kubernetes).values()) == {OLD}


def test_an_upgrade_is_a_preview_of_updates_and_keeps_every_pod(
    at_old: None, stack: Stack, kubernetes: Kubernetes
) -> None:
    before = uids(kubernetes)
    stack.configure(at(NEW))
    assert stack.preview().changes == {
        "Release kuberay-operator": "update",
        "Stash kuberay-operator.deployment": "update",
        "Release raycluster": "update",
        HEAD: "update",
    }
    crds = (
        f"CRDs brought to KubeRay {NEW}: rayclusters.ray.io, raycronjobs.ray.io, rayjobs.ray.io,"
        " rayservices.ray.io"
    )
    assert crds in stack.preview_text().text
    assert not knows_auth_options(kubernetes), "a preview changes nothing"
    assert crds in stack.up_or_fail().text
    assert uids(kubernetes) == before
    assert operator_image(kubernetes) == f"quay.io/kuberay/operator:v{NEW}"
    assert knows_auth_options(kubernetes)
    assert crd_versions(kubernetes) == dict.fromkeys(
        ("rayclusters", "raycronjobs", "rayjobs", "rayservices"), NEW
    )
    columns = kubernetes.kubectl("get", "rayclusters", "-n", "kuberay", "--no-headers").split()
    assert columns[:7] == ["raycluster-kuberay", "1", "1", "2", "4G", "0", "ready"]
    assert stack.preview().changes == {}


def test_all_of_kuberay_goes_through_an_upgrade_and_back(stack: Stack, kubernetes: Kubernetes) -> None:
    stack.configure(everything(OLD))
    stack.up_or_fail()
    scale_up(kubernetes)
    before = running(kubernetes)
    for version in (NEW, OLD):
        stack.configure(everything(version))
        stack.up_or_fail()
        assert operator_image(kubernetes) == f"quay.io/kuberay/operator:v{version}"
        assert running(kubernetes) == before
        assert stack.preview().changes == {}
    # The old operator does not know the new one's finalizer: the service would stay.
    assert stack.destroy().ok
    assert not kubernetes.kubectl("get", "rayservices", "-A", "-o", "name")


@MATRIX
def test_raising_memory_replaces_the_pods_of_a_later_version_too(
    at_new: None, stack: Stack, kubernetes: Kubernetes
) -> None:
    before = uids(kubernetes)
    stack.configure(at(NEW, worker={"memory": "3G"}))
    assert stack.preview().changes == {"Release raycluster": "update", HEAD: "update", WORKERS: "replace"}
    stack.up_or_fail()
    after = kubernetes.ray_pods("raycluster-kuberay")
    assert {pod.kind: pod.memory for pod in after} == {"head": "2G", "worker": "3G"}
    assert [pod.kind for pod in after if pod.uid in before] == ["head"]


def test_a_downgrade_that_would_lose_fields_is_refused_before_anything_changes(
    at_new: None, stack: Stack, kubernetes: Kubernetes
) -> None:
    kubernetes.kubectl(
        "patch", *CLUSTER, "--type=merge", "--patch", '{"spec": {"upgradeStrategy": {"type": "None"}}}'
    )
    stack.configure(at(OLD))
    for run in (stack.preview_text(), stack.up()):
        assert not run.ok
        refusals = [
            line
            for line in run.text.splitlines()
            if line.lstrip().startswith("error:") and "would be lost" in line
        ]
        assert refusals, run.text
        assert f"KubeRay {OLD} does not know fields" in refusals[0]
        assert "RayCluster kuberay/raycluster-kuberay (spec.upgradeStrategy)" in refusals[0]
        assert "Traceback" not in run.text
    assert operator_image(kubernetes) == f"quay.io/kuberay/operator:v{NEW}"
    assert knows_auth_options(kubernetes)


@MATRIX
def test_a_downgrade_that_loses_nothing_keeps_every_pod(
    at_new: None, stack: Stack, kubernetes: Kubernetes
) -> None:
    kubernetes.kubectl(
        "patch", *CLUSTER, "--type=json", "--patch", '[{"op": "remove", "path": "/spec/upgradeStrategy"}]'
    )
    before = uids(kubernetes)
    stack.configure(at(OLD))
    stack.up_or_fail()
    assert uids(kubernetes) == before
    assert operator_image(kubernetes) == f"quay.io/kuberay/operator:v{OLD}"
    assert not knows_auth_options(kubernetes)
    assert stack.preview().changes == {}


@MATRIX
def test_a_run_that_was_killed_between_two_crds_is_finished_by_the_next(
    at_old: None, stack: Stack, kubernetes: Kubernetes
) -> None:
    # As the killed run leaves it: one is of the new version by its annotation, the
    # others are not.
    kubernetes.kubectl("annotate", "--overwrite", "crd", "rayjobs.ray.io", f"kuberay.pulumi/version={NEW}")
    stack.configure(at(NEW))
    stack.up_or_fail()
    assert set(crd_versions(kubernetes).values()) == {NEW}
    assert knows_auth_options(kubernetes)


@MATRIX
def test_crds_that_someone_deleted_come_back_with_an_upgrade(
    at_old: None, stack: Stack, kubernetes: Kubernetes
) -> None:
    delete_crds(kubernetes)
    unchanged = stack.up()
    assert not unchanged.ok
    assert "the cluster knows no RayClusters: KubeRay's CRDs were deleted by hand" in unchanged.text
    stack.configure(at(NEW))
    stack.up_or_fail()
    assert set(crd_versions(kubernetes).values()) == {NEW}
    assert len(kubernetes.ray_pods("raycluster-kuberay")) == 2
    assert stack.preview().changes == {}


@MATRIX
def test_crds_of_an_older_install_are_brought_to_a_new_ones_version(
    at_old: None, stack: Stack, kubernetes: Kubernetes
) -> None:
    assert stack.destroy().ok
    assert "rayclusters" in crd_versions(kubernetes), "destroy leaves the CRDs"
    stack.configure(at(NEW))
    stack.up_or_fail()
    assert knows_auth_options(kubernetes)


@MATRIX
def test_a_first_install_of_a_later_version_works_by_itself(stack: Stack, kubernetes: Kubernetes) -> None:
    assert stack.destroy().ok
    delete_crds(kubernetes)
    stack.configure(at(NEW))
    stack.up_or_fail()
    assert set(crd_versions(kubernetes)) == {"rayclusters", "raycronjobs", "rayjobs", "rayservices"}
    assert len(kubernetes.ray_pods("raycluster-kuberay")) == 2
    assert stack.preview().changes == {}


@MATRIX
def test_a_cluster_that_asks_for_a_token_keeps_its_pods_through_an_upgrade(
    stack: Stack, kubernetes: Kubernetes
) -> None:
    # The first that knows tokens; the operator knows them from 1.5.1 on.
    with_token = {"rayVersion": "2.52.0"}
    stack.configure(at(OLD) | with_token)
    stack.up_or_fail()
    before = uids(kubernetes)
    stack.configure(at(NEW) | with_token)
    # What is made is the authOptions that the new operator knows.
    assert set(stack.preview().changes.values()) == {"update", "create"}
    stack.up_or_fail()
    assert uids(kubernetes) == before
    assert stack.preview().changes == {}


def test_a_later_version_than_any_known_one_is_taken_by_its_charts(
    at_new: None, stack: Stack, kubernetes: Kubernetes, cluster: LocalCluster, tmp_path: Path
) -> None:
    # The operator of 1.6.2 plays it, which knows fewer feature gates than the program
    # writes for a version that is later than 1.7.0.
    playing = json.loads(cluster.home.operators.read_text())
    cluster.home.operators.write_text(json.dumps(playing | {"1.8.0": playing[NEW]}))
    gates = {
        "operator": {"values": {"featureGates": [{"name": "RayClusterStatusConditions", "enabled": True}]}}
    }
    missing = {".Values.worker.replicas": ".Values.worker.pods", "\n  replicas: 1": "\n  pods: 1"}
    told = "KubeRay 1.8.0 is later than 1.7.0, the newest known"
    before = uids(kubernetes)
    with serving_later_charts(tmp_path, {"1.8.0": {}, "1.8.1": missing}) as repository:
        stack.configure(at("1.8.0") | gates | {"chartRepository": repository})
        assert told in stack.preview_text().text
        assert told in stack.up_or_fail().text
        assert operator_image(kubernetes) == "quay.io/kuberay/operator:v1.8.0"
        assert set(crd_versions(kubernetes).values()) == {"1.8.0"}
        assert uids(kubernetes) == before
        assert stack.preview().changes == {}
        doctor = stack.make_doctor()
        assert doctor.ok, doctor.text
        assert f"warning  version: {told}" in doctor.text
        stack.configure(at("1.8.1") | gates | {"chartRepository": repository})
        refused = stack.preview_text()
    assert not refused.ok
    assert (
        'kuberay:kuberayVersion: "1.8.1" cannot be used: its chart ray-cluster does not read worker.replicas,'
        " which this stack sets; the newest known is 1.7.0" in refused.text
    )
