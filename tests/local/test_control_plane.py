"""What is written for the processes of a cluster, without starting one."""

import base64
import configparser
import shlex
import socket
import stat
from pathlib import Path

import pytest
import yaml

from local import certificates, control_plane
from local.control_plane import Home, Ports, Program
from local.errors import LocalError
from local.ports import free_ports, is_free
from local.tools import Toolbox

NAMES = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kwok",
    "kuberay-operator-1.3.0",
)
TOOLS = Toolbox({name: Path("/tools", name) for name in NAMES})
PORTS = Ports(api=16001, kwok=16002, kubelet=16003, ray=16004, charts=16005)
HOME = Home(Path("/home/of/cluster"))


def test_every_process_tells_its_cluster_on_its_command_line() -> None:
    for program in [*control_plane.programs(HOME, PORTS, TOOLS), control_plane.chart_server(HOME, PORTS)]:
        assert any(str(HOME.folder) in part for part in program.command), program.name


def test_nothing_listens_beyond_this_machine() -> None:
    for program in [*control_plane.programs(HOME, PORTS, TOOLS), control_plane.chart_server(HOME, PORTS)]:
        assert "0.0.0.0" not in " ".join(program.command), program.name  # noqa: S104


def test_calls_to_addresses_of_simulated_pods_end_on_this_machine() -> None:
    environments = {
        program.name: program.environment for program in control_plane.programs(HOME, PORTS, TOOLS)
    }
    for name in ("kube-apiserver", "kubelet"):
        assert environments[name]["HTTP_PROXY"].startswith("http://127.0.0.1:")


def test_what_the_supervisor_reads_is_what_was_meant() -> None:
    awkward = Home(Path("/home/with space/100%"))
    program = Program("one", ["/bin/one", "a b", "50%", 'say "it"'], {"KEY": "70%"})
    read = configparser.RawConfigParser()
    read.read_string(control_plane.supervisor_configuration(awkward, [program]))
    section = {key: value.replace("%%", "%") for key, value in read["program:one"].items()}
    assert shlex.split(section["command"]) == program.command
    assert section["environment"] == 'KEY="70%"'
    assert section["stdout_logfile"] == "/home/with space/100%/logs/one.log"


def test_a_folder_with_too_long_a_name_is_refused_in_a_line() -> None:
    with pytest.raises(LocalError, match="choose a shorter one with KUBERAY_HOME"):
        Home(Path("/" + "long" * 30))


def test_the_kubeconfig_needs_no_other_file() -> None:
    written = yaml.safe_load(
        control_plane.kubeconfig("https://127.0.0.1:1", b"authority", b"certificate", b"key")
    )
    assert base64.b64decode(written["clusters"][0]["cluster"]["certificate-authority-data"]) == b"authority"
    assert base64.b64decode(written["users"][0]["user"]["client-key-data"]) == b"key"


def test_keys_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    certificates.write(tmp_path / "certificates")
    keys = list((tmp_path / "certificates").glob("*.key"))
    assert len(keys) == 3
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}


def test_a_port_that_somebody_listens_on_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert not is_free(taken.getsockname()[1])


def test_chosen_ports_are_free_and_differ() -> None:
    chosen = free_ports()
    ports = [next(chosen) for _ in range(4)]
    assert all(is_free(port) for port in ports)
    assert len(set(ports)) == 4
