"""What is written for a real node and made of a stack's settings, without starting one.
Real pods are tested in tests/real.
"""

import json
import re
import tomllib
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.__main__ import PROGRAM, choose
from local.cluster import LocalCluster
from local.control_plane import Home
from local.real import images, machine, node
from local.real.cluster import RealCluster
from local.real.node import NodeFiles

FILES = NodeFiles(Home(Path("/home/of/cluster")))
TEXTS = {path.name: text for path, text in node.texts(FILES, Path("/debian"), registry_port=16005).items()}


def containerd() -> dict[str, Any]:
    return tomllib.loads(TEXTS["containerd.toml"])["plugins"]["io.containerd.grpc.v1.cri"]


def test_an_image_that_is_not_there_is_looked_for_on_this_machine_alone() -> None:
    assert containerd()["registry"]["config_path"] == "/home/of/cluster/node/registries"
    registry = tomllib.loads(TEXTS["hosts.toml"])
    assert [registry["server"], *registry["host"]] == ["http://127.0.0.1:16005"] * 2


def test_the_pause_image_is_the_one_that_is_made_here() -> None:
    assert containerd()["sandbox_image"] == images.pause().reference


def test_pods_find_the_dns_server_that_is_started() -> None:
    assert yaml.safe_load(TEXTS["kubelet.yaml"])["clusterDNS"] == [node.DNS_ADDRESS]
    assert TEXTS["Corefile"].count(f"bind {node.DNS_ADDRESS}") == 2


def test_the_nodes_own_address_is_the_way_out_of_every_pod() -> None:
    (pair,) = json.loads(TEXTS["pods.conflist"])["plugins"]
    ((pods,),) = pair["ipam"]["ranges"]
    assert pods["gateway"] == node.NODE_ADDRESS
    assert ip_address(node.NODE_ADDRESS) in ip_network(pods["subnet"])


def test_the_nodes_files_lie_in_the_clusters_folder() -> None:
    assert all(
        path.is_relative_to("/home/of/cluster")
        for path in node.texts(FILES, Path("/debian"), registry_port=1)
    )


def test_two_clusters_have_control_groups_of_their_own() -> None:
    others = NodeFiles(Home(Path("/home/of/other.cluster")))
    assert FILES.cgroup != others.cgroup
    assert "." not in others.cgroup  # the kubelet would take it for a path


def test_an_image_is_made_anew_when_its_recipe_changes_and_only_then() -> None:
    one = images.Image("example/one:1", lambda _: None, "recipe")
    assert one.key == images.Image("example/one:1", lambda _: None, "recipe").key
    assert one.key != images.Image("example/one:1", lambda _: None, "another recipe").key
    assert one.key != images.Image("example/one:1", lambda _: None, "recipe", {"user": ["1000"]}).key


def test_the_tag_of_rays_image_says_what_is_in_it() -> None:
    image = images.ray()
    assert image.name == "docker.io/rayproject/ray"
    assert image.tag.removesuffix("-aarch64") == f"{images.ray_version()}-py311"


def test_the_guides_cluster_stays_as_it_is_on_two_cores(tmp_path: Path) -> None:
    guide = yaml.safe_load((PROGRAM / "Pulumi.dev.yaml").read_text())["config"]
    adapted = RealCluster(tmp_path, cores=2).adapted(guide)
    assert adapted["kuberay:clusters"] == guide["kuberay:clusters"]
    assert adapted["kuberay:operator"]["values"] == {"resources": {"requests": {"cpu": "0"}}}


@pytest.mark.parametrize(
    "cluster",
    [
        {"worker": {"replicas": 2}},
        {"worker": {"cpu": "1500m"}},
        {"additionalWorkerGroups": {"more": {"cpu": 4, "cpuRequest": "100m"}}},
    ],
)
def test_a_cluster_that_asks_for_more_than_all_cores_asks_for_less(
    cluster: dict[str, Any], tmp_path: Path
) -> None:
    adapted = RealCluster(tmp_path, cores=2).adapted({"kuberay:clusters": {"one": cluster}})
    assert adapted["kuberay:clusters"]["one"]["head"] == {"cpuRequest": "250m"}
    adapted = RealCluster(tmp_path, cores=4).adapted({"kuberay:clusters": {"one": cluster}})
    assert adapted["kuberay:clusters"]["one"] == cluster


def test_what_a_stack_file_says_in_vain_is_told(tmp_path: Path) -> None:
    image = RealCluster(tmp_path).adapted({})
    config = image | {"kuberay:pythonVersion": "3.10", "kuberay:clusters": {"one": {"worker": {"cpu": 8}}}}
    ray, cpu = RealCluster(tmp_path, cores=2).remarks(config)
    assert re.fullmatch(
        r"on this machine's cluster it has architecture \w+, rayVersion [\d.]+, pythonVersion 3\.\d+,"
        r" whatever the stack file says",
        ray,
    )
    assert cpu == (
        "its Ray pods ask for 250m CPU each here and keep their limits: it asks for more than the 2 cores of"
        " this machine, or has jobs or services"
    )
    assert RealCluster(tmp_path, cores=9).remarks(image | {"kuberay:clusters": {"one": {}}}) == []
    assert len(RealCluster(tmp_path, cores=2).remarks(config | {"kuberay:clusters": "one"})) == 1


@pytest.mark.parametrize(
    "clusters",
    [
        {"one": {"worker": {"replicas": "one"}}},
        {"one": {"worker": {"cpu": "lots"}}},
        {"one": {"worker": {"cpuRequest": "1x"}}},
        {"one": {"worker": 3}},
        {"one": {"additionalWorkerGroups": {"more": None}}},
        ["one"],
        3,
    ],
)
def test_what_cannot_be_understood_is_left_to_the_program_to_refuse(clusters: Any, tmp_path: Path) -> None:
    adapted = RealCluster(tmp_path, cores=2).adapted({"kuberay:clusters": clusters, "kuberay:jobs": {}})
    assert adapted["kuberay:clusters"] == clusters
    assert adapted["kuberay:pythonVersion"] == "3.11"


def test_a_number_that_is_written_as_text_counts_as_one(tmp_path: Path) -> None:
    cluster = {"worker": {"replicas": "2"}}
    adapted = RealCluster(tmp_path, cores=2).adapted({"kuberay:clusters": {"one": cluster}})
    assert adapted["kuberay:clusters"]["one"]["head"] == {"cpuRequest": "250m"}


def test_settings_are_made_to_fit_a_small_machine(tmp_path: Path) -> None:
    committed: dict[str, Any] = {
        "kuberay:clusters": {"one": {"worker": {"cpu": 1, "memory": "2G"}}},
        "kuberay:namespace": "kuberay",
    }
    adapted = RealCluster(tmp_path, cores=1).adapted(committed)
    assert adapted["kuberay:namespace"] == "kuberay"
    assert adapted["kuberay:pythonVersion"] == "3.11"
    assert adapted["kuberay:clusters"]["one"] == {
        "head": {"cpuRequest": "250m"},
        "worker": {"cpuRequest": "250m", "cpu": 1, "memory": "2G"},
    }
    assert committed["kuberay:clusters"]["one"] == {"worker": {"cpu": 1, "memory": "2G"}}


def test_what_a_setting_asks_for_itself_is_left(tmp_path: Path) -> None:
    adapted = RealCluster(tmp_path, cores=1).adapted(
        {"kuberay:clusters": {"one": {"head": {"cpuRequest": "1"}}}}
    )
    assert adapted["kuberay:clusters"]["one"]["head"] == {"cpuRequest": "1"}


@pytest.mark.parametrize(
    ("lack", "kind", "said"),
    [
        (None, RealCluster, "nodes: real, as this machine can"),
        (
            "they need root",
            LocalCluster,
            "nodes: simulated, as this machine cannot run real nodes: they need root",
        ),
    ],
)
def test_the_kind_of_nodes_is_chosen_by_what_the_machine_can(
    lack: str | None,
    kind: type,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("local.real.machine.why_not", lambda: lack)
    assert choose("auto") is kind
    assert said in capsys.readouterr().out


def test_a_machine_that_cannot_run_real_nodes_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert machine.why_not() == "they need root"
