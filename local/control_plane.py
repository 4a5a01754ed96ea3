"""The processes that make up a local cluster, and the files they read. Pure: nothing is
started or written here.
"""

import base64
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from local.errors import LocalError
from local.tools import Toolbox

HOME_MARK = "KUBERAY_LOCAL_HOME"
"""Environment variable that every process of a cluster carries: how leftovers of a
killed run are told from anybody else's processes.
"""

ARCHITECTURES = ("amd64", "arm64")
SERVICE_RANGE = "10.96.0.0/16"
POD_RANGE = "10.244.0.0/16"
SOCKET_LIMIT = 100  # characters in the path of a Unix socket; Linux allows 107


@dataclass(frozen=True)
class Ports:
    """The loopback ports of one cluster."""

    api: int
    kwok: int
    kubelet: int
    ray: int
    charts: int


@dataclass(frozen=True)
class Home:
    """Where a cluster keeps its files."""

    folder: Path

    def __post_init__(self) -> None:
        if len(str(self.etcd_socket)) > SOCKET_LIMIT:
            raise LocalError(
                "the path is too long for the Unix sockets in it, choose a shorter one with KUBERAY_HOME:"
                f" {self.folder}"
            )

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    @property
    def certificates(self) -> Path:
        return self.folder / "certificates"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def charts(self) -> Path:
        return self.folder / "charts"

    @property
    def etcd(self) -> Path:
        return self.folder / "etcd"

    @property
    def etcd_socket(self) -> Path:
        return self.folder / "etcd:1"

    @property
    def stages(self) -> Path:
        return self.folder / "kwok.yaml"

    @property
    def scheduler(self) -> Path:
        return self.folder / "scheduler.yaml"

    @property
    def supervisor(self) -> Path:
        return self.folder / "supervisord.conf"

    @property
    def supervisor_socket(self) -> Path:
        return self.folder / "supervisor.sock"

    @property
    def supervisor_pid(self) -> Path:
        return self.folder / "supervisord.pid"

    @property
    def operators(self) -> Path:
        """Which operator program plays which version; written anew by each start, also
        while the cluster runs.
        """
        return self.folder / "operators.json"

    @property
    def workspace(self) -> Path:
        """The Pulumi project with the files of this cluster's stacks."""
        return self.folder / "workspace"

    @property
    def scratch(self) -> Path:
        """Temporary files: the Kubernetes plugin leaves a kubeconfig there
        in each run.
        """
        return self.folder / "tmp"

    @property
    def ports(self) -> Path:
        return self.folder / "ports.json"


@dataclass(frozen=True)
class Program:
    """One process under supervision."""

    name: str
    command: list[str]
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


_NO_NETWORK = {
    # Simulated pods have addresses that belong to nobody. The API server and the
    # operator would call them: a dead loopback proxy keeps those calls on this machine,
    # but for those that the double of Ray answers. Go never uses a proxy for loopback
    # itself.
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "NO_PROXY": "127.0.0.1,localhost",
}


def control_plane(
    home: Home, tools: Toolbox, *, address: str, port: int, kubeconfig: Path, environment: Mapping[str, str]
) -> list[Program]:
    """The processes of the control plane. Each names the home folder on its command
    line: `ps` tells which cluster it belongs to.

    `address` and `port` are the API server's, `environment` is its as well;
    `kubeconfig` is the controllers'.
    """
    certificates = home.certificates
    return [
        Program(
            "etcd",
            [
                str(tools["etcd"]),
                f"--data-dir={home.etcd}",
                # Unix sockets in the working directory, so that nobody else on this
                # machine can reach the data. The form is etcd's own.
                f"--listen-client-urls=unix://{home.etcd_socket.name}",
                f"--advertise-client-urls=unix://{home.etcd_socket.name}",
                "--listen-peer-urls=unix://etcd-peer:1",
                "--initial-advertise-peer-urls=unix://etcd-peer:1",
                "--initial-cluster=default=unix://etcd-peer:1",
                "--unsafe-no-fsync",  # nothing here has to outlive a power cut
                "--log-level=warn",
            ],
        ),
        Program(
            "kube-apiserver",
            [
                str(tools["kube-apiserver"]),
                f"--etcd-servers=unix://{home.etcd_socket}",
                f"--bind-address={address}",
                f"--secure-port={port}",
                f"--advertise-address={address}",
                # The kubernetes Service may not point at loopback.
                f"--endpoint-reconciler-type={'none' if address == '127.0.0.1' else 'lease'}",
                f"--service-cluster-ip-range={SERVICE_RANGE}",
                "--authorization-mode=RBAC",
                f"--client-ca-file={certificates / 'ca.crt'}",
                f"--tls-cert-file={certificates / 'server.crt'}",
                f"--tls-private-key-file={certificates / 'server.key'}",
                f"--kubelet-client-certificate={certificates / 'admin.crt'}",
                f"--kubelet-client-key={certificates / 'admin.key'}",
                f"--kubelet-certificate-authority={certificates / 'ca.crt'}",
                "--kubelet-preferred-address-types=InternalIP",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-key-file={certificates / 'service-accounts.key'}",
                f"--service-account-signing-key-file={certificates / 'service-accounts.key'}",
                "--enable-priority-and-fairness=false",
                "--max-requests-inflight=3000",
                "--max-mutating-requests-inflight=1500",
                "--profiling=false",
                "--shutdown-delay-duration=0",
            ],
            environment,
        ),
        Program(
            "kube-controller-manager",
            [
                str(tools["kube-controller-manager"]),
                f"--kubeconfig={kubeconfig}",
                # Nothing here has volumes, and pod addresses come from kwok or from the
                # node's own network plugin.
                "--controllers=*,-persistentvolume-attach-detach-controller,-persistentvolume-expander-controller,-node-ipam-controller",
                f"--root-ca-file={certificates / 'ca.crt'}",
                f"--service-account-private-key-file={certificates / 'service-accounts.key'}",
                "--secure-port=0",
                "--leader-elect=false",
                "--kube-api-qps=1000",
                "--kube-api-burst=2000",
            ],
        ),
        Program(
            "kube-scheduler", [str(tools["kube-scheduler"]), f"--config={home.scheduler}", "--secure-port=0"]
        ),
    ]


def programs(home: Home, ports: Ports, tools: Toolbox) -> list[Program]:
    """The processes of a cluster of simulated nodes."""
    certificates = home.certificates
    return [
        *control_plane(
            home,
            tools,
            address="127.0.0.1",
            port=ports.api,
            kubeconfig=home.kubeconfig,
            environment=_NO_NETWORK,
        ),
        Program(
            "kwok",
            [
                str(tools["kwok"]),
                f"--kubeconfig={home.kubeconfig}",
                f"--config={home.stages}",
                "--manage-all-nodes=true",
                "--node-lease-duration-seconds=40",  # the default lease runs out before kwok renews it
                "--node-ip=127.0.0.1",
                f"--node-port={ports.kubelet}",
                f"--server-address=127.0.0.1:{ports.kwok}",  # unasked, it listens on every address
                f"--cidr={POD_RANGE}",
            ],
        ),
        Program(
            "kubelet",
            [
                sys.executable,
                "-m",
                "local.kubelet",
                f"--kubeconfig={home.kubeconfig}",
                f"--port={ports.kubelet}",
                f"--certificates={certificates}",
                f"--folder={home.folder / 'operators'}",
                f"--operators={home.operators}",
            ],
            # The operator gets these from the kubelet.
            {
                **_NO_NETWORK,
                "HTTP_PROXY": f"http://127.0.0.1:{ports.ray}",
                "PYTHONPATH": str(Path(__file__).parent.parent),
            },
        ),
        Program(
            "ray-rest",
            [
                sys.executable,
                "-m",
                "local.ray_rest",
                f"--kubeconfig={home.kubeconfig}",
                f"--port={ports.ray}",
            ],
            {"PYTHONPATH": str(Path(__file__).parent.parent)},
        ),
    ]


def chart_server(home: Home, ports: Ports) -> Program:
    """Serves a folder of charts."""
    command = [
        sys.executable,
        "-m",
        "http.server",
        str(ports.charts),
        "--bind=127.0.0.1",
        f"--directory={home.charts}",
    ]
    return Program("charts", command)


def supervisor_configuration(home: Home, started: list[Program], pid_file: Path | None = None) -> str:
    """What supervisord reads. Values are quoted for its own parser, in which `%` starts
    a substitution.
    """

    def escaped(text: object) -> str:
        return str(text).replace("%", "%%")

    def section(name: str, settings: Mapping[str, object]) -> str:
        return "\n".join([f"[{name}]", *(f"{key}={value}" for key, value in settings.items())])

    sections = [
        section("unix_http_server", {"file": escaped(home.supervisor_socket), "chmod": "0700"}),
        section(
            "supervisord",
            {
                "logfile": escaped(home.logs / "supervisord.log"),
                "pidfile": escaped(pid_file or home.supervisor_pid),
                "directory": escaped(home.folder),
                "environment": f'{HOME_MARK}="{escaped(home.folder)}"',
            },
        ),
        section(
            "rpcinterface:supervisor",
            {"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"},
        ),
    ]
    for program in started:
        environment = ",".join(f'{key}="{escaped(value)}"' for key, value in program.environment.items())
        sections.append(
            section(
                f"program:{program.name}",
                {
                    "command": escaped(shlex.join(program.command)),
                    "environment": environment,
                    "startsecs": 0,
                    "startretries": 100,
                    "autorestart": "true",
                    "stopsignal": "KILL",
                    "stopasgroup": "true",
                    "killasgroup": "true",
                    "redirect_stderr": "true",
                    "stdout_logfile": escaped(home.logs / f"{program.name}.log"),
                    "stdout_logfile_maxbytes": "20MB",
                    "stdout_logfile_backups": 1,
                },
            )
        )
    return "\n\n".join(sections) + "\n"


def kubeconfig(server: str, authority: bytes, certificate: bytes, key: bytes) -> str:
    """Access for the cluster's administrator, with nothing in it that lies in another
    file.
    """

    def encoded(data: bytes) -> str:
        return base64.b64encode(data).decode()

    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "local",
            "contexts": [{"name": "local", "context": {"cluster": "local", "user": "admin"}}],
            "clusters": [
                {
                    "name": "local",
                    "cluster": {"server": server, "certificate-authority-data": encoded(authority)},
                }
            ],
            "users": [
                {
                    "name": "admin",
                    "user": {
                        "client-certificate-data": encoded(certificate),
                        "client-key-data": encoded(key),
                    },
                }
            ],
        },
        sort_keys=False,
    )


def scheduler_configuration(kubeconfig: Path) -> str:
    """Scheduler settings that have no flag."""
    return yaml.safe_dump(
        {
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "clientConnection": {"kubeconfig": str(kubeconfig), "qps": 1000, "burst": 2000},
            "leaderElection": {"leaderElect": False},
        },
        sort_keys=False,
    )


def node(architecture: str, room: Mapping[str, str]) -> dict[str, Any]:
    """A simulated node; kwok fills in the rest of its status."""
    name = f"node-{architecture}"
    capacity = {"pods": "1000", "ephemeral-storage": "500Gi", **room}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/arch": architecture,
                "kubernetes.io/os": "linux",
                "kubernetes.io/hostname": name,
            },
        },
        "status": {
            "capacity": capacity,
            "allocatable": capacity,
            "nodeInfo": {
                "architecture": architecture,
                "operatingSystem": "linux",
                **dict.fromkeys(
                    ("bootID", "machineID", "systemUUID", "kernelVersion", "osImage"), "simulated"
                ),
                **dict.fromkeys(
                    ("containerRuntimeVersion", "kubeletVersion", "kubeProxyVersion"), "simulated"
                ),
            },
        },
    }
