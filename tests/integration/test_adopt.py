"""Releases that were made by hand are brought along as they run: no pod restarts, and
the next real change is an ordinary one.
"""

import itertools
import json
import subprocess
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from kuberay.facts.charts import RESOURCE_CHART
from local.cluster import LocalCluster
from tests.integration.harness.kubernetes import Kubernetes
from tests.integration.harness.operators import MATRIX, NEWEST, OLDEST
from tests.integration.harness.stack import Stack
from tests.paths import ROOT

#: The guide's own values.
GUIDE: dict[str, Any] = {
    "image": {"tag": "2.46.0-py310-aarch64"},
    "head": {"resources": {"limits": {"cpu": "1", "memory": "4G"}, "requests": {"cpu": "1", "memory": "4G"}}},
    "worker": {
        "resources": {"limits": {"cpu": "1", "memory": "4G"}, "requests": {"cpu": "1", "memory": "4G"}}
    },
}
VALUES: dict[str, dict[str, Any]] = {
    "guide": GUIDE,
    **{
        file.stem: yaml.safe_load(file.read_text())
        for file in sorted((ROOT / "tests/data/adopt").glob("*.yaml"))
    },
}


class ByHand:
    """What someone has installed with Helm before there was a stack."""

    def __init__(self, cluster: LocalCluster, folder: Path) -> None:
        self.cluster, self.folder = cluster, folder
        self.version = cluster.kuberay_versions[0]
        self.kubernetes = Kubernetes(cluster)

    def helm(self, *arguments: str) -> str:
        done = self.run_helm(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run_helm(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        environment = self.cluster.pulumi_env() | {
            "HELM_CONFIG_HOME": str(self.folder),
            "HELM_CACHE_HOME": str(self.folder),
        }
        return subprocess.run(
            ["helm", *arguments], env=environment, capture_output=True, text=True, check=False
        )

    def install(self, values: dict[str, Any]) -> None:
        """The guide's commands."""
        file = self.folder / "values.yaml"
        file.write_text(yaml.safe_dump(values))
        place = ["--namespace", "kuberay", "--version", self.version]
        self.of_one_architecture("aarch64" if "aarch64" in values["image"]["tag"] else "x86")
        self.helm("repo", "add", "kuberay", self.cluster.charts_url)
        self.kubernetes.kubectl("create", "namespace", "kuberay")
        # The API server of a busy machine may take longer over the CRDs than Helm gives
        # it: then Helm goes on where it was.
        assert self.kubernetes.eventually(lambda: self.has_installed("kuberay-operator", *place), 180)
        self.helm("install", "raycluster", "kuberay/ray-cluster", *place, "--values", str(file))
        assert self.kubernetes.eventually(self.is_up, 120), self.kubernetes.kubectl(
            "get", "pods,events", "-n", "kuberay"
        )

    def has_installed(self, release: str, *options: str) -> bool:
        done = self.run_helm("install", release, f"kuberay/{release}", *options)
        assert done.returncode == 0 or "context deadline exceeded" in done.stderr, done.stderr
        return done.returncode == 0

    def of_one_architecture(self, architecture: str | None) -> None:
        """Only nodes of this one take pods, as where people write no node selector;
        they have GPUs. None: the cluster is as before.
        """
        for node, of in (("node-amd64", "x86"), ("node-arm64", "aarch64")):
            self.kubernetes.kubectl("uncordon" if architecture in (None, of) else "cordon", node)
            gpus = {
                field: {"nvidia.com/gpu": "4" if architecture else None}
                for field in ("capacity", "allocatable")
            }
            self.kubernetes.kubectl(
                "patch",
                "node",
                node,
                "--subresource=status",
                "--type=merge",
                "-p",
                json.dumps({"status": gpus}),
            )

    def is_up(self) -> bool:
        (cluster,) = self.objects("rayclusters")
        return cluster.get("status", {}).get("state") == "ready"

    def objects(self, kind: str) -> list[dict[str, Any]]:
        return json.loads(self.kubernetes.kubectl("get", kind, "-n", "kuberay", "-o", "json"))["items"]

    def running(self) -> dict[str, Any]:
        """What a change would show in: pods and their containers' restarts, and the
        specs that Helm has written.
        """
        pods = {
            pod["metadata"]["uid"]: sum(
                status["restartCount"] for status in pod["status"].get("containerStatuses") or []
            )
            for pod in self.objects("pods")
        }
        # A Deployment's generation counts its annotations too, and `up` writes one on
        # the operator's.
        clusters = {
            found["metadata"]["uid"]: (found["metadata"]["generation"], found["spec"])
            for found in self.objects("rayclusters")
        }
        operators = {found["metadata"]["uid"]: found["spec"] for found in self.objects("deployments.apps")}
        return {"pods": pods, "clusters": clusters, "operators": operators}

    def remove(self) -> None:
        for release in ("raycluster", "kuberay-operator"):
            self.helm("uninstall", release, "--namespace", "kuberay", "--ignore-not-found", "--wait")
        self.kubernetes.kubectl("delete", "namespace", "kuberay", "--ignore-not-found")
        self.of_one_architecture(None)


#: The guide's own on the operator that it names, and another on the newest; in the
#: matrix each on both.
ALWAYS = {(OLDEST, "guide"), (NEWEST, "own-image")}
CASES = [
    pytest.param(*case, marks=() if case in ALWAYS else MATRIX)
    for case in itertools.product((OLDEST, NEWEST), VALUES)
]
pytestmark = pytest.mark.parametrize(("cluster", "values"), CASES, indirect=True, scope="module")


@pytest.fixture(scope="module")
def values(request: pytest.FixtureRequest) -> dict[str, Any]:
    return VALUES[request.param]


@pytest.fixture(scope="module")
def by_hand(
    cluster: LocalCluster, values: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ByHand]:
    found = ByHand(cluster, tmp_path_factory.mktemp("by-hand"))
    try:
        found.install(values)
        yield found
    finally:
        found.remove()


@pytest.fixture(scope="module")
def adopted(by_hand: ByHand, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return Stack(by_hand.cluster, "adopt", tmp_path_factory.mktemp("adopt"))


@contextmanager
def settings_of_cluster(stack: Stack) -> Generator[dict[str, Any]]:
    """Those in the stack file, to be changed."""
    file = yaml.safe_load(stack.config_file.read_text())
    yield file["config"]["kuberay:clusters"]["raycluster"]
    stack.config_file.write_text(yaml.safe_dump(file))


def test_a_stack_takes_it_over_and_nothing_that_runs_changes(by_hand: ByHand, adopted: Stack) -> None:
    before = by_hand.running()
    refused = adopted.up()
    assert not refused.ok
    assert (
        "`make adopt` brings along what was installed there by hand (kuberay-operator, raycluster)"
        in refused.text
    )
    assert by_hand.running() == before

    written = adopted.make_adopt()
    assert written.ok, written.text
    assert by_hand.running() == before

    preview = adopted.preview_text()
    for release in ("kuberay-operator", "raycluster"):
        assert f"takes over Helm release {release}, revision 1, as it runs: no pod restarts" in preview.text
    adopted.up_or_fail()
    assert by_hand.running() == before
    assert adopted.preview().changes == {}
    again = adopted.up_or_fail()
    assert "no pod restarts" not in again.text
    assert by_hand.running() == before


def test_the_next_change_replaces_the_pods_that_it_is_about(by_hand: ByHand, adopted: Stack) -> None:
    before = by_hand.running()["pods"]
    with settings_of_cluster(adopted) as cluster:
        cluster.setdefault("head", {})["memory"] = "5G"
    changes = adopted.preview().changes
    assert changes["Stash raycluster.head.pods"] == "replace"
    adopted.up_or_fail()
    (head,) = [
        pod
        for pod in by_hand.kubernetes.ray_pods(by_hand.objects("rayclusters")[0]["metadata"]["name"])
        if pod.kind == "head"
    ]
    assert head.memory == "5G"
    assert head.uid not in before
    assert adopted.preview().changes == {}


def test_what_the_chart_cannot_write_restarts_no_pod_there_and_back(by_hand: ByHand, adopted: Stack) -> None:
    before = by_hand.running()["pods"]
    with settings_of_cluster(adopted) as cluster:
        cluster["labels"] = {"team": "research"}
    adopted.up_or_fail()
    moved = by_hand.running()
    assert moved["pods"] == before

    # As the guide says that plain Helm goes on with such a release.
    by_hand.helm(
        "upgrade", "raycluster", str(ROOT / RESOURCE_CHART), "--namespace", "kuberay", "--reuse-values"
    )
    assert by_hand.running() == moved

    with settings_of_cluster(adopted) as cluster:
        del cluster["labels"]
    adopted.up_or_fail()
    assert by_hand.running()["pods"] == before
    assert "team" not in by_hand.objects("rayclusters")[0]["metadata"]["labels"]


def test_plain_helm_goes_on_where_the_stack_left_off(by_hand: ByHand, adopted: Stack) -> None:
    before = by_hand.running()
    adopted.forget()
    for release, chart in (("kuberay-operator", "kuberay-operator"), ("raycluster", "ray-cluster")):
        by_hand.helm(
            "upgrade",
            release,
            f"kuberay/{chart}",
            "--namespace",
            "kuberay",
            "--version",
            by_hand.version,
            "--reuse-values",
        )
    assert by_hand.running() == before
