"""The local cluster with a real node: containers run, and Ray in them."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

from lightkube import Client

from kuberay.facts.quantities import parse_quantity
from local import control_plane, sources, tools
from local.cluster import LocalCluster, link, until
from local.control_plane import SOCKET_LIMIT, Ports, Program
from local.errors import LocalError
from local.real import cgroups, debian, images, machine, node, store
from local.real.images import Image
from local.real.node import NodeFiles

#: Ray pods ask for a whole core each by default. Where the machine has not as many,
#: they keep that limit and ask for less.
CPU_REQUEST = "250m"
#: What reading a setting of the wrong kind ends in.
_NOT_UNDERSTOOD = (ArithmeticError, AttributeError, TypeError, ValueError)


class RealCluster(LocalCluster):
    """The same as a simulated cluster for whoever uses it, in namespaces of its own
    (sandbox.py).
    """

    nodes = "real"
    cores: int
    """How much CPU Ray's pods may ask for together: the machine's."""

    def __init__(self, *arguments: Any, cores: int | None = None, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.cores = os.cpu_count() or 1 if cores is None else cores

    @cached_property
    def sources(self) -> sources.Sources:
        """With containerd and the images in place of simulated nodes."""
        if reason := machine.why_not():
            raise LocalError(f"this machine cannot run real nodes: {reason}")
        return sources.prepare(self.kuberay_versions, nodes="real")

    @property
    def files(self) -> NodeFiles:
        """Where the node keeps its own."""
        return NodeFiles(self.home)

    def adapted(self, config: dict[str, Any]) -> dict[str, Any]:
        """For the image that there is, and for a machine with few cores. What cannot be
        understood stays, for the program to say what is wrong with it.
        """
        try:
            fitted = self._fitted(config)
        except _NOT_UNDERSTOOD:
            fitted = {}
        return config | _of_the_image() | fitted

    def remarks(self, config: dict[str, Any]) -> list[str]:
        """That Ray is another here, and that pods ask for less CPU."""
        found: list[str] = []
        image = _of_the_image()
        if any(config.get(key) != value for key, value in image.items()):
            said = ", ".join(f"{key.partition(':')[2]} {value}" for key, value in image.items())
            found.append(f"on this machine's cluster it has {said}, whatever the stack file says")
        with suppress(*_NOT_UNDERSTOOD):
            if self._asks_for_too_much(config):
                found.append(
                    f"its Ray pods ask for {CPU_REQUEST} CPU each here and keep their limits: it asks for"
                    f" more than the {self.cores} cores of this machine, or has jobs or services"
                )
        return found

    def _asks_for_too_much(self, config: dict[str, Any]) -> bool:
        asked = sum(map(_cpu_asked_for, _clusters(config).values()))
        return bool(config.get("kuberay:jobs") or config.get("kuberay:services")) or asked > self.cores

    def _fitted(self, config: dict[str, Any]) -> dict[str, Any]:
        clusters = _clusters(config)
        jobs = config.get("kuberay:jobs") or {}
        services = config.get("kuberay:services") or {}
        if self._asks_for_too_much(config):
            clusters = {name: _asking_for_less(cluster) for name, cluster in clusters.items()}
            jobs = {name: job if "cluster" in job else _with_own_cluster(job) for name, job in jobs.items()}
            services = {name: _with_own_cluster(service) for name, service in services.items()}
        return {
            "kuberay:operator": _leaving_cpu_to_ray(config.get("kuberay:operator") or {}),
            "kuberay:clusters": clusters,
            "kuberay:jobs": jobs,
            "kuberay:services": services,
        }

    def stop(self, keep: bool = False) -> None:
        """Ends the first process inside, and with it all others, mounts and network;
        the control groups are taken away then.
        """
        super().stop(keep)
        cgroups.remove(self.files.cgroup)

    def load(self, image: Image) -> None:
        """Gives the node one more image."""
        if image.key not in self._loaded():
            store.load(
                debian.unpacked(debian.NODE), self.files.containerd_socket, image, images.layout(image)
            )
            self._note([*self._loaded(), image.key])

    def _loaded(self) -> list[str]:
        return json.loads(self.files.loaded.read_text())

    def _note(self, keys: Sequence[str]) -> None:
        self.files.loaded.write_text(json.dumps(keys))

    def _programs(self, ports: Ports) -> list[Program]:
        inside = control_plane.control_plane(
            self.home,
            self.sources.tools,
            address=node.NODE_ADDRESS,
            port=node.API_PORT,
            kubeconfig=self._kubeconfig_inside,
            environment={},
        )
        # Its answer to any image that a pod asks for is the same: not found.
        served = control_plane.chart_server(self.home, ports)
        return [
            *inside,
            *node.programs(
                self.files, self.sources.tools, debian.unpacked(debian.NODE), debian.unpacked(debian.FIREWALL)
            ),
            served,
        ]

    @property
    def _addresses(self) -> Sequence[str]:
        return (node.API_SERVICE, node.NODE_ADDRESS)

    @property
    def _kubeconfig_inside(self) -> Path:
        return self.files.kubeconfig

    def _supervisor_configuration(self, ports: Ports) -> str:
        # Inside, its number is 1; the sandbox writes down the one that counts outside.
        return control_plane.supervisor_configuration(
            self.home, self._programs(ports), pid_file=Path("/run/supervisord.pid")
        )

    def _write_files(self) -> None:
        files = self.files
        if len(str(files.longest_socket)) > SOCKET_LIMIT:
            raise LocalError(
                "the path is too long for the kubelet's sockets in it, choose a shorter one with"
                f" KUBERAY_HOME: {self.home.folder}"
            )
        files.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        super()._write_files()
        for path, text in node.texts(files, debian.unpacked(debian.NODE), self._ports().charts).items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for name in (
            "iptables",
            "iptables-save",
            "iptables-restore",
            "ip6tables",
            "ip6tables-save",
            "ip6tables-restore",
        ):
            files.firewall.mkdir(exist_ok=True)
            link(files.firewall / name, debian.unpacked(debian.FIREWALL) / "usr/sbin/xtables-nft-multi")
        files.kubeconfig.touch(mode=0o600)
        outside, inside = (
            f"https://127.0.0.1:{self._ports().api}",
            f"https://{node.NODE_ADDRESS}:{node.API_PORT}",
        )
        files.kubeconfig.write_text(self.kubeconfig.read_text().replace(outside, inside))
        if not files.loaded.exists():
            shutil.rmtree(files.containerd, ignore_errors=True)  # of a start that was killed on the way
            store.give(self._images(), files.containerd)
            self._note([image.key for image in self._images()])

    def _images(self) -> list[Image]:
        operators = [tools.operator(version) for version in self.kuberay_versions]
        made = [images.operator(tool, self.sources.tools.operators[tool.version]) for tool in operators]
        return [images.pause(), *made, images.ray()]

    def _launch(self, supervisor: list[str]) -> None:
        cgroups.make(self.files.cgroup)
        ports = self._ports()
        shown = {ports.api: f"{node.NODE_ADDRESS}:{node.API_PORT}", ports.charts: f"127.0.0.1:{ports.charts}"}
        seen = (tools.cache_folder(), tools.LOCAL.parent, Path(sys.prefix), Path(sys.base_prefix))
        command = [
            *(sys.executable, "-m", "local.real.sandbox", f"--home={self.home.folder}"),
            *(f"--seen={path}" for path in seen),
            *(f"--port={outside}={inside}" for outside, inside in shown.items()),
            *("--", *supervisor, "--nodaemon"),
        ]
        # A proxy of the user's is out of reach from inside.
        environment = self._marked_environment() | {
            "PYTHONPATH": str(tools.LOCAL.parent),
            "NO_PROXY": "*",
            "no_proxy": "*",
        }
        log = self.home.logs / "sandbox.log"
        with log.open("w") as output:
            sandbox = subprocess.Popen(
                command,
                cwd=self.home.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # It outlives this command, and the terminal's interrupt is not for it.
                start_new_session=True,
            )
        if (
            not until(lambda: self.home.supervisor_socket.exists() or sandbox.poll() is not None, 30)
            or sandbox.poll() is not None
        ):
            last = (log.read_text().strip().splitlines() or ["no reason given"])[-1]
            raise LocalError(f"the sandbox of the cluster does not start: {last}; all of it: {log}")

    def _add_nodes(self, client: Client) -> None:
        """The kubelet makes its own; here it gets the operators of versions that have
        been asked for since.
        """
        for image in self._images():
            self.load(image)


def _of_the_image() -> dict[str, Any]:
    """What a stack says of the Ray that there is an image of."""
    return {
        "kuberay:architecture": "aarch64" if images.ray().tag.endswith("-aarch64") else "x86",
        "kuberay:rayVersion": images.ray_version(),
        "kuberay:pythonVersion": images.RAY_PYTHON,
    }


def _clusters(config: dict[str, Any]) -> dict[str, Any]:
    """The settings of each Ray cluster; a stack without any has the guide's."""
    given = config.get("kuberay:clusters", {"raycluster": {}})
    return {name: cluster or {} for name, cluster in given.items()}


def _cpu_asked_for(cluster: dict[str, Any]) -> Decimal:
    """By all pods of a Ray cluster together, in cores."""
    workers = [cluster.get("worker") or {}, *(cluster.get("additionalWorkerGroups") or {}).values()]
    groups = [(1, cluster.get("head") or {}), *((group.get("replicas", 1), group) for group in workers)]
    return sum(
        (
            Decimal(count) * parse_quantity(str(group.get("cpuRequest", group.get("cpu", 1))))
            for count, group in groups
        ),
        Decimal(0),
    )


def _asking_for_less(cluster: dict[str, Any]) -> dict[str, Any]:
    """Settings of a Ray cluster whose pods fit a small machine together; their limits
    stay.
    """
    groups = {"head": cluster.get("head") or {}, "worker": cluster.get("worker") or {}}
    more = cluster.get("additionalWorkerGroups") or {}
    return cluster | _less(groups) | ({"additionalWorkerGroups": _less(more)} if more else {})


def _with_own_cluster(workload: dict[str, Any]) -> dict[str, Any]:
    return workload | {"rayCluster": _asking_for_less(workload.get("rayCluster") or {})}


def _less(groups: dict[str, Any]) -> dict[str, Any]:
    return {name: {"cpuRequest": CPU_REQUEST, **group} for name, group in groups.items()}


def _leaving_cpu_to_ray(operator: dict[str, Any]) -> dict[str, Any]:
    """Settings of an operator that keeps its limit and asks for no CPU: the guide's two
    pods then have room on two cores.
    """
    values = operator.get("values") or {}
    resources = values.get("resources") or {}
    requests = {"cpu": "0", **(resources.get("requests") or {})}
    return operator | {"values": values | {"resources": resources | {"requests": requests}}}
