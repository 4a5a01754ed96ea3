"""What the programs of a real node read, and how they are started. Pure: nothing is
started or written here.

All addresses are of the sandbox's own network, which has no way out (sandbox.py).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from local.control_plane import SERVICE_RANGE, Home, Program
from local.tools import Toolbox

NAME = "node"
API_SERVICE = "10.96.0.1"
"""The first of the range of services: where pods look for the API server."""
API_PORT = 6443
DNS_ADDRESS = "10.96.0.10"
"""Of CoreDNS itself, which runs beside the pods: no Service stands before it."""
NODE_ADDRESS = "10.244.0.1"
"""Of the node and of its API server, which kube-proxy and the kubelet have to reach
before there are Services.
"""
POD_RANGE = "10.244.0.0/16"
DOMAIN = "cluster.local"


@dataclass(frozen=True)
class NodeFiles:
    """Where a node keeps its files: beside those of the control plane."""

    home: Home

    @property
    def folder(self) -> Path:
        return self.home.folder / "node"

    @property
    def containerd(self) -> Path:
        """Images and containers."""
        return self.folder / "images"

    @property
    def containerd_socket(self) -> Path:
        return self.folder / "c.sock"

    @property
    def kubelet(self) -> Path:
        """Pods: their volumes and logs."""
        return self.folder / "pods"

    @property
    def longest_socket(self) -> Path:
        """Of those that the kubelet makes."""
        return self.kubelet / "device-plugins/kubelet.sock"

    @property
    def loaded(self) -> Path:
        """Which images containerd has."""
        return self.folder / "images.json"

    @property
    def firewall(self) -> Path:
        """The commands of iptables by the names that they are called by."""
        return self.folder / "firewall"

    @property
    def kubeconfig(self) -> Path:
        """For programs inside, which reach the API server itself and not through a port
        of the machine.
        """
        return self.folder / "kubeconfig"

    @property
    def cgroup(self) -> str:
        """Name of the control group of all pods, below the root of each hierarchy."""
        return f"kuberay-{self.home.folder.parent.name}-{self.home.folder.name}".replace(".", "-")


def programs(files: NodeFiles, tools: Toolbox, debian: Path, firewall: Path) -> list[Program]:
    """The processes that make up the node. `debian` and `firewall` are packages,
    unpacked.
    """
    folder = files.folder
    libraries = ":".join(str(found) for found in sorted((firewall / "usr/lib").glob("*-linux-gnu")))
    extensions = ":".join(str(found) for found in sorted((firewall / "usr/lib").glob("*-linux-gnu/xtables")))
    rules = {
        "PATH": f"{files.firewall}:{firewall / 'usr/sbin'}:/usr/sbin:/usr/bin:/sbin:/bin",
        "LD_LIBRARY_PATH": libraries,
        "XTABLES_LIBDIR": extensions,
    }
    path = f"{debian / 'usr/bin'}:{debian / 'usr/sbin'}:/usr/sbin:/usr/bin:/sbin:/bin"
    return [
        Program(
            "containerd",
            [
                str(debian / "usr/bin/containerd"),
                f"--config={folder / 'containerd.toml'}",
                "--log-level=warn",
            ],
            {"PATH": path},
        ),
        Program(
            "kubelet",
            [
                str(tools["kubelet"]),
                f"--config={folder / 'kubelet.yaml'}",
                f"--kubeconfig={files.kubeconfig}",
                f"--root-dir={files.kubelet}",
                f"--hostname-override={NAME}",
                f"--node-ip={NODE_ADDRESS}",
            ],
            {"PATH": path},
        ),
        Program("kube-proxy", [str(tools["kube-proxy"]), f"--config={folder / 'kube-proxy.yaml'}"], rules),
        Program(
            "kube-router",
            [
                str(tools["kube-router"]),
                f"--kubeconfig={files.kubeconfig}",
                f"--hostname-override={NAME}",
                "--run-firewall=true",
                *(
                    "--run-router=false",
                    "--run-service-proxy=false",
                    "--run-loadbalancer=false",
                    "--enable-cni=false",
                ),
                f"--service-cluster-ip-range={SERVICE_RANGE}",
                "--health-port=0",
            ],
            rules,
        ),
        Program("coredns", [str(tools["coredns"]), f"-conf={folder / 'Corefile'}"]),
    ]


def texts(files: NodeFiles, debian: Path, registry_port: int) -> dict[Path, str]:
    """Every file that the node's programs read, but for those with keys in them."""
    folder = files.folder
    return {
        folder / "containerd.toml": _containerd(files, debian),
        folder / "registries/_default/hosts.toml": _registry(registry_port),
        folder / "network/pods.conflist": json.dumps(_network()),
        folder / "kubelet.yaml": yaml.safe_dump(_kubelet(files)),
        folder / "kube-proxy.yaml": yaml.safe_dump(_kube_proxy(files)),
        folder / "resolv.conf": "",
        folder / "Corefile": _corefile(files),
    }


def _toml(sections: Mapping[str, Mapping[str, Any]]) -> str:
    # JSON's strings, numbers, booleans and lists are TOML's as well.
    parts: list[str] = []
    for name, settings in sections.items():
        parts.append(
            "\n".join(
                [
                    *([f"[{name}]"] if name else []),
                    *(f"{key} = {json.dumps(value)}" for key, value in settings.items()),
                ]
            )
        )
    return "\n\n".join(parts) + "\n"


def containerd_importing(root: Path, state: Path, socket: Path) -> str:
    """Of a containerd that only unpacks images."""
    return _toml(
        {
            "": {
                "version": 2,
                "root": str(root),
                "state": str(state),
                "disabled_plugins": ["io.containerd.grpc.v1.cri"],
            },
            "grpc": {"address": str(socket)},
        }
    )


def _containerd(files: NodeFiles, debian: Path) -> str:
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    runc = f"{cri}.containerd.runtimes.runc"
    return _toml(
        {
            "": {"version": 2, "root": str(files.containerd), "state": "/run/containerd"},
            "grpc": {"address": str(files.containerd_socket)},
            cri: {
                "sandbox_image": "kuberay.local/pause:1",
                # Machines in which this runs are often guests without the right to make
                # their processes harder to kill.
                "restrict_oom_score_adj": True,
                "disable_apparmor": True,
            },
            f"{cri}.containerd": {"snapshotter": "overlayfs", "default_runtime_name": "runc"},
            runc: {"runtime_type": "io.containerd.runc.v2"},
            f"{runc}.options": {"BinaryName": str(debian / "usr/sbin/runc"), "SystemdCgroup": False},
            f"{cri}.cni": {"bin_dir": str(debian / "usr/lib/cni"), "conf_dir": str(files.folder / "network")},
            f"{cri}.registry": {"config_path": str(files.folder / "registries")},
        }
    )


def _registry(port: int) -> str:
    # Every registry there is, for this node: one that answers, and has nothing.
    return _toml(
        {
            "": {"server": f"http://127.0.0.1:{port}"},
            f'host."http://127.0.0.1:{port}"': {"capabilities": ["pull", "resolve"]},
        }
    )


def _network() -> dict[str, Any]:
    pair = {
        # Each pod has a link to the node and none to other pods: what goes between them
        # passes the node's rules.
        "type": "ptp",
        "ipMasq": False,
        "ipam": {
            "type": "host-local",
            "dataDir": "/run/addresses",
            "ranges": [[{"subnet": POD_RANGE, "gateway": NODE_ADDRESS}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": [pair]}


def _kube_proxy(files: NodeFiles) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clientConnection": {"kubeconfig": str(files.kubeconfig)},
        "clusterCIDR": POD_RANGE,
        "hostnameOverride": NAME,
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        # These are the whole machine's.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def _kubelet(files: NodeFiles) -> dict[str, Any]:
    certificates = files.home.certificates
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_ADDRESS,
        "readOnlyPort": 0,
        "healthzPort": 0,
        "tlsCertFile": str(certificates / "server.crt"),
        "tlsPrivateKeyFile": str(certificates / "server.key"),
        "authentication": {
            "anonymous": {"enabled": False},
            "x509": {"clientCAFile": str(certificates / "ca.crt")},
        },
        "containerRuntimeEndpoint": f"unix://{files.containerd_socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{files.cgroup}",
        "enforceNodeAllocatable": ["pods"],
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [DNS_ADDRESS],
        "clusterDomain": DOMAIN,
        "resolvConf": str(files.folder / "resolv.conf"),
        "podLogsDir": str(files.folder / "logs"),
        # The machine's disk is the user's: whether pods are to go when it fills up is
        # not for this to say, nor are images to be collected.
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
        },
        "imageGCHighThresholdPercent": 100,
    }


def _corefile(files: NodeFiles) -> str:
    return f"""{DOMAIN}:53 {{
    bind {DNS_ADDRESS}
    errors
    kubernetes {DOMAIN} {{
        kubeconfig {files.kubeconfig}
        pods verified
        ttl 5
    }}
}}
.:53 {{
    bind {DNS_ADDRESS}
    errors
    template ANY ANY {{
        rcode NXDOMAIN
    }}
}}
"""
