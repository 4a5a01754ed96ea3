"""A cluster of the tests' own: it starts, runs the real operator, shows failures as
real nodes would, and goes without a trace.
"""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from local.cluster import LocalCluster
from local.errors import LocalError

HEAD = {"cpu": "1", "memory": "2G"}


def ray_cluster(
    name: str, image: str = "rayproject/ray:2.46.0-aarch64", **annotations: str
) -> dict[str, Any]:
    """A Ray cluster of a head alone, on ARM."""
    template = {
        "metadata": {"annotations": {f"kwok.kuberay/{key}": value for key, value in annotations.items()}},
        "spec": {
            "nodeSelector": {"kubernetes.io/arch": "arm64"},
            "containers": [
                {"name": "ray-head", "image": image, "resources": {"limits": HEAD, "requests": HEAD}}
            ],
        },
    }
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayCluster",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"headGroupSpec": {"rayStartParams": {}, "template": template}},
    }


def eventually(condition: Callable[[], Any], seconds: float = 40) -> Any:
    """The first answer that is not empty."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)
    return answer


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    with LocalCluster(tmp_path_factory.mktemp("local")) as cluster:
        helm(
            cluster,
            "install",
            "kuberay-operator",
            "kuberay-operator",
            "--repo",
            cluster.charts_url,
            "--version",
            "1.3.0",
        )
        yield cluster


def helm(cluster: LocalCluster, *arguments: str) -> None:
    import subprocess

    subprocess.run(["helm", *arguments], env=cluster.pulumi_env(), check=True, capture_output=True)


def get(cluster: LocalCluster, *what: str) -> Any:
    return json.loads(cluster.kubectl("get", *what, "-o", "json"))


def apply(cluster: LocalCluster, folder: Path, manifest: dict[str, Any]) -> None:
    file = folder / "manifest.yaml"
    file.write_text(yaml.safe_dump(manifest))
    cluster.kubectl("apply", "-f", str(file))


def head_container(cluster: LocalCluster, name: str) -> dict[str, Any]:
    """The status of the head's container, empty before there is one."""
    pods = get(cluster, "pods", "-l", f"ray.io/cluster={name}")["items"]
    return (pods[0]["status"].get("containerStatuses") or [{}])[0] if pods else {}


def operator_pods(cluster: LocalCluster) -> list[Any]:
    return get(cluster, "pods", "-l", "app.kubernetes.io/component=kuberay-operator")["items"]


def operator_processes(cluster: LocalCluster) -> list[psutil.Process]:
    return [process for process in cluster.processes() if process.name().startswith("kuberay-operato")]


def is_ready(pod: Any) -> bool:
    return any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for condition in pod["status"].get("conditions", [])
    )


def test_there_is_a_node_of_each_architecture(cluster: LocalCluster) -> None:
    nodes = get(cluster, "nodes")["items"]
    assert {node["metadata"]["labels"]["kubernetes.io/arch"] for node in nodes} == {"amd64", "arm64"}


def test_the_operator_is_a_real_process_and_brings_a_ray_cluster_up(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    eventually(lambda: all(is_ready(pod) for pod in operator_pods(cluster)) and operator_processes(cluster))
    apply(cluster, tmp_path, ray_cluster("good"))
    eventually(lambda: get(cluster, "raycluster", "good").get("status", {}).get("state") == "ready")
    assert "starting manager" in cluster.kubectl("logs", "deployment/kuberay-operator").lower()


def test_the_operator_has_no_more_rights_than_its_chart_gives_it(cluster: LocalCluster) -> None:
    account = "--as=system:serviceaccount:default:kuberay-operator"
    assert cluster.kubectl("auth", "can-i", "create", "pods", account).strip() == "yes"
    with pytest.raises(LocalError):
        cluster.kubectl("auth", "can-i", "delete", "nodes", account)


def test_an_operator_that_dies_is_started_again_and_the_pod_says_so(cluster: LocalCluster) -> None:
    (before,) = eventually(lambda: operator_processes(cluster))
    before.kill()
    eventually(lambda: [process for process in operator_processes(cluster) if process.pid != before.pid])
    (pod,) = eventually(lambda: [pod for pod in operator_pods(cluster) if is_ready(pod)])
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 1


def test_an_operator_that_is_not_on_this_machine_says_which_are(cluster: LocalCluster) -> None:
    cluster.kubectl(
        "run",
        "stranger",
        "--image=quay.io/kuberay/operator:v0.9.0",
        "-l",
        "app.kubernetes.io/component=kuberay-operator",
    )

    def waiting() -> Any:
        statuses = get(cluster, "pod", "stranger")["status"].get("containerStatuses") or [{}]
        return statuses[0].get("state", {}).get("waiting", {}).get("message", "")

    assert "only 1.3.0" in eventually(lambda: "1.3.0" in waiting() and waiting())
    cluster.kubectl("delete", "pod", "stranger")


def test_an_image_that_does_not_exist_cannot_be_pulled(cluster: LocalCluster, tmp_path: Path) -> None:
    apply(cluster, tmp_path, ray_cluster("no-image", image="rayproject/ray:missing"))
    eventually(
        lambda: (
            head_container(cluster, "no-image").get("state", {}).get("waiting", {}).get("reason")
            == "ImagePullBackOff"
        )
    )


@pytest.mark.parametrize(
    ("name", "manifest", "code", "reason", "log"),
    [
        ("memory", ray_cluster("memory", fail="oom"), 137, "OOMKilled", ""),
        (
            "crash",
            ray_cluster("crash", fail="crash"),
            1,
            "Error",
            "ValueError: Attempting to cap object store memory",
        ),
        ("wrong", ray_cluster("wrong", image="rayproject/ray:2.46.0"), 1, "Error", "exec format error"),
    ],
)
def test_a_container_that_fails_is_started_over_and_over(
    cluster: LocalCluster,
    tmp_path: Path,
    name: str,
    manifest: dict[str, Any],
    code: int,
    reason: str,
    log: str,
) -> None:
    apply(cluster, tmp_path, manifest)
    status = eventually(
        lambda: (found := head_container(cluster, name)) and "waiting" in found.get("state", {}) and found
    )
    assert status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert status["restartCount"] >= 1
    ended = status["lastState"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (code, reason)
    assert log in cluster.kubectl("logs", "-l", f"ray.io/cluster={name}")


def test_the_operator_goes_when_its_release_does(cluster: LocalCluster) -> None:
    helm(cluster, "uninstall", "kuberay-operator")
    eventually(lambda: not operator_pods(cluster) and not operator_processes(cluster))


def test_a_stopped_cluster_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    cluster = LocalCluster(tmp_path / "short")
    cluster.start()
    assert cluster.running
    cluster.stop()
    assert not cluster.home.folder.exists()
    assert mentioning(cluster.home.folder) == []
    cluster.stop()


def test_what_a_killed_supervisor_leaves_is_stopped_too_and_a_kept_cluster_comes_back(tmp_path: Path) -> None:
    cluster = LocalCluster(tmp_path / "killed")
    cluster.start()
    try:
        cluster.kubectl("create", "namespace", "remembered")
        address = cluster.charts_url
        os.kill(int(cluster.home.supervisor_pid.read_text()), signal.SIGKILL)
        assert mentioning(cluster.home.folder)
        cluster.stop(keep=True)
        assert mentioning(cluster.home.folder) == []
        cluster.start()
        assert (
            cluster.kubectl("get", "namespace", "remembered", "-o", "name").strip() == "namespace/remembered"
        )
        assert cluster.charts_url == address
    finally:
        cluster.stop()


def mentioning(folder: Path) -> list[str]:
    """The command lines of every process on this machine that names the folder."""
    lines = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    return [line for line in lines if str(folder) in line]


def test_a_folder_with_other_files_is_refused_and_never_removed(tmp_path: Path) -> None:
    (tmp_path / "letters").write_text("keep me")
    with pytest.raises(LocalError, match="holds other files already"), LocalCluster(tmp_path):
        pass
    assert (tmp_path / "letters").read_text() == "keep me"
