"""A whole Kubernetes cluster in one folder, started and stopped in seconds."""

import contextlib
import hashlib
import json
import os
import shutil
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from xmlrpc.client import ServerProxy

import psutil
from lightkube import ApiError, Client, KubeConfig
from lightkube.resources.core_v1 import Node, NodeStatus, ServiceAccount
from lightkube.types import PatchType
from supervisor.xmlrpc import SupervisorTransport

from local import certificates, control_plane, sources, tools
from local.control_plane import ARCHITECTURES, HOME_MARK, Home, Ports, Program
from local.errors import LocalError
from local.ports import free_ports, is_free
from local.sources import Nodes

START_SECONDS = 90
STOP_SECONDS = 15


class LocalCluster:
    """A cluster whose files all lie in `home`. Any number can run side by side.

    with LocalCluster(folder) as cluster:
        cluster.run_pulumi(["up", "--yes", "--stack", "dev"], folder_of_the_program)
    """

    nodes: Nodes = "simulated"

    def __init__(
        self,
        home: Path,
        kuberay_versions: Sequence[str] = ("1.3.0",),
        *,
        node_cpu: int = 16,
        node_memory: str = "64Gi",
        kubernetes: tools.Tool = tools.KUBERNETES,
    ) -> None:
        self.home = Home(home.resolve())
        self.kuberay_versions = kuberay_versions
        self.kubernetes = kubernetes
        self.node_room = {"cpu": str(node_cpu), "memory": node_memory}

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @cached_property
    def sources(self) -> sources.Sources:
        """The tools, the provider and the charts; found or built when first
        asked for.
        """
        return sources.prepare(self.kuberay_versions, kubernetes=self.kubernetes)

    @property
    def kubeconfig(self) -> Path:
        """Access as the cluster's administrator."""
        return self.home.kubeconfig

    @property
    def charts_url(self) -> str:
        """The Helm repository to take charts from."""
        charts = self.sources.charts
        return charts if isinstance(charts, str) else f"http://127.0.0.1:{self._ports().charts}/"

    def adapted(self, config: dict[str, Any]) -> dict[str, Any]:
        """A stack's config as it has to be here."""
        return config

    def remarks(self, config: dict[str, Any]) -> list[str]:
        """What of a stack's config is otherwise here, a line each."""
        return []

    @property
    def known_versions(self) -> list[str]:
        """Versions of KubeRay that have been asked for in this cluster: a stack may be
        on its way from one to another.
        """
        return list(json.loads(self.home.operators.read_text())) if self.home.operators.exists() else []

    @property
    def running(self) -> bool:
        """Whether the API server answers."""
        return self._supervised() and self._api_is_ready()

    def client(self) -> Client:
        """A client with an administrator's rights."""
        return Client(KubeConfig.from_file(self.kubeconfig), trust_env=False)

    def start(self) -> None:
        """Starts what is not running, and returns once pods can be made. A cluster that
        was kept comes back as it was.
        """
        self._supervise()
        self._wait("the API server", self._api_is_ready)
        client = self.client()
        self._add_nodes(client)
        # Real ones come by themselves; there is none at first.
        self._wait("the nodes", lambda: {_is_ready(node) for node in client.list(Node)} == {True})
        self._wait("the controllers", lambda: _exists(client, ServiceAccount, "default", "default"))

    def _add_nodes(self, client: Client) -> None:
        for architecture in ARCHITECTURES:
            node = control_plane.node(architecture, self.node_room)
            for kind in (Node, NodeStatus):
                client.patch(
                    kind,
                    node["metadata"]["name"],
                    node,
                    patch_type=PatchType.APPLY,
                    field_manager="local",
                    force=True,
                )

    def stop(self, keep: bool = False) -> None:
        """Ends every process of this cluster, also those of a start that was killed,
        and removes its files unless they are kept.
        """
        self._kill()
        if not keep and self.home.operators.exists():
            shutil.rmtree(self.home.folder, ignore_errors=True)

    def processes(self) -> list[psutil.Process]:
        """Every process of this cluster, whoever its parent is by now."""
        mine = (process for process in psutil.process_iter() if process.pid != os.getpid())
        return [process for process in mine if _home_of(process) == str(self.home.folder)]

    def pulumi_env(self) -> dict[str, str]:
        """The environment in which `pulumi` works against this cluster, on state kept
        in its folder, untouched by the user's set-up.
        """
        return _plain_environment() | self.pulumi_settings() | {HOME_MARK: str(self.home.folder)}

    def pulumi_settings(self) -> dict[str, str]:
        """What of that environment is this cluster's."""
        home = self.home.folder
        programs = home / "bin"
        return {
            "PATH": os.pathsep.join(
                [str(programs), str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
            ),
            "KUBECONFIG": str(self.kubeconfig),
            "TMPDIR": str(self.home.scratch),
            "KUBECACHEDIR": str(self.home.scratch / "kube"),
            "PULUMI_HOME": str(home / "pulumi"),
            # Without the file of metadata beside the state, which a killed run can
            # leave empty: Pulumi reads the stack no more then.
            "PULUMI_BACKEND_URL": f"file://{home / 'state'}?metadata=skip",
            "PULUMI_CONFIG_PASSPHRASE": os.environ.get("PULUMI_CONFIG_PASSPHRASE", "local"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "HELM_CACHE_HOME": str(home / "helm/cache"),
            "HELM_CONFIG_HOME": str(home / "helm/config"),
            "HELM_DATA_HOME": str(home / "helm/data"),
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def run_pulumi(self, arguments: list[str], folder: Path, *, quiet: bool = False) -> str:
        """Runs `pulumi` in a folder. `quiet`: its output is returned, and shown only
        when it fails; else it goes to the terminal.
        """
        command = [str(self.home.folder / "bin/pulumi"), *arguments, "--non-interactive"]
        pipe = subprocess.PIPE if quiet else None
        with subprocess.Popen(
            command, cwd=folder, env=self.pulumi_env(), stdout=pipe, stderr=pipe, text=True
        ) as pulumi:
            try:
                output, errors = pulumi.communicate()
            except KeyboardInterrupt:
                # The terminal has told Pulumi as well: it ends its step and frees the
                # stack, given the time.
                pulumi.wait()
                raise
        if pulumi.returncode:
            raise LocalError(
                f"pulumi {' '.join(arguments[:1])} failed" + (f":\n{output}{errors}" if quiet else "")
            )
        return output if quiet else ""

    def kubectl(self, *arguments: str) -> str:
        """What `kubectl` prints."""
        command = [self.home.folder / "bin/kubectl", *arguments]
        answer = subprocess.run(command, env=self.pulumi_env(), capture_output=True, text=True, check=False)
        if answer.returncode:
            raise LocalError(f"kubectl {' '.join(arguments)}: {answer.stderr.strip()}")
        return answer.stdout

    def restart(self, program: str) -> None:
        """Ends one of its processes; the supervisor starts it again."""
        self._supervisor().supervisor.stopProcess(program)
        self._supervisor().supervisor.startProcess(program)

    def _supervise(self) -> None:
        """Writes the cluster's files and starts its processes, unless they run."""
        self._write_versions()
        if self._supervised():
            return
        self._kill()
        self._write_files()
        self._launch(
            [sys.executable, "-m", "supervisor.supervisord", "--configuration", str(self.home.supervisor)]
        )
        # It goes to the background before it writes down which process it is.
        until(self._supervised, START_SECONDS)

    def _launch(self, supervisor: list[str]) -> None:
        started = subprocess.run(
            supervisor, env=self._marked_environment(), capture_output=True, text=True, check=False
        )
        if started.returncode:
            raise LocalError(f"the supervisor does not start: {(started.stderr or started.stdout).strip()}")

    def _marked_environment(self) -> dict[str, str]:
        return _plain_environment() | {HOME_MARK: str(self.home.folder)}

    def _supervisor_configuration(self, ports: Ports) -> str:
        return control_plane.supervisor_configuration(self.home, self._programs(ports))

    @property
    def _addresses(self) -> Sequence[str]:
        """Where its servers are asked, beside loopback."""
        return ()

    @property
    def _kubeconfig_inside(self) -> Path:
        """The one for the cluster's own programs."""
        return self.kubeconfig

    def _programs(self, ports: Ports) -> list[Program]:
        served = (
            [control_plane.chart_server(self.home, ports)] if isinstance(self.sources.charts, Path) else []
        )
        return [*control_plane.programs(self.home, ports, self.sources.tools), *served]

    def _write_versions(self) -> None:
        """What another version of KubeRay changes, also on a cluster that runs."""
        home, made = self.home, self.sources
        home.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not home.operators.exists() and any(home.folder.iterdir()):
            # `stop` removes the whole folder: it had better be one of our own.
            raise LocalError(
                f"{home.folder} holds other files already; choose an empty folder for the cluster"
            )
        known: dict[str, str] = json.loads(home.operators.read_text()) if home.operators.exists() else {}
        known |= {version: str(path) for version, path in made.tools.operators.items()}
        unfinished = home.operators.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(known))
        unfinished.replace(home.operators)
        if isinstance(made.charts, Path):
            link(home.charts, made.charts)

    def _write_files(self) -> None:
        home, made = self.home, self.sources
        for folder in (
            home.folder,
            home.logs,
            home.etcd,
            home.scratch,
            home.folder / "state",
            home.folder / "bin",
        ):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        ports = self._choose_ports()
        home.ports.write_text(json.dumps(vars(ports)))
        self._write_access(ports)
        home.scheduler.write_text(control_plane.scheduler_configuration(self._kubeconfig_inside))
        shutil.copy(tools.LOCAL / "stages.yaml", home.stages)
        host = made.tools["pulumi-language-python"]
        programs = [
            *(made.tools[name] for name in ("pulumi", "kubectl", "helm")),
            host,
            host.with_name(f"{host.name}-exec"),
        ]
        for program in programs:
            _hard_link(home.folder / "bin" / program.name, program)
        plugin = home.folder / f"pulumi/plugins/resource-kubernetes-v{tools.provider_version()}"
        plugin.mkdir(parents=True, exist_ok=True)
        link(plugin / "pulumi-resource-kubernetes", made.provider)
        home.supervisor.write_text(self._supervisor_configuration(ports))

    def _write_access(self, ports: Ports) -> None:
        home = self.home
        if not (home.certificates / "service-accounts.key").exists():
            certificates.write(home.certificates, self._addresses)
        read = {
            name: (home.certificates / name).read_bytes() for name in ("ca.crt", "admin.crt", "admin.key")
        }
        home.kubeconfig.touch(mode=0o600)
        home.kubeconfig.write_text(
            control_plane.kubeconfig(
                f"https://127.0.0.1:{ports.api}", read["ca.crt"], read["admin.crt"], read["admin.key"]
            )
        )

    def _ports(self) -> Ports:
        try:
            return Ports(**json.loads(self.home.ports.read_text()))
        except FileNotFoundError:
            raise LocalError(f"no cluster has been started in {self.home.folder}") from None

    def _choose_ports(self) -> Ports:
        """The ports of the last start, so that what refers to them stays right; others
        where one has been taken since.
        """
        known: dict[str, int] = json.loads(self.home.ports.read_text()) if self.home.ports.exists() else {}
        free = free_ports()
        names = Ports.__dataclass_fields__
        return Ports(
            **{name: known[name] if name in known and is_free(known[name]) else next(free) for name in names}
        )

    def _supervised(self) -> bool:
        try:
            process = psutil.Process(int(self.home.supervisor_pid.read_text()))
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            return False
        # The pid of a supervisor that was killed may belong to another program by now.
        return _home_of(process) == str(self.home.folder)

    def _supervisor(self) -> Any:
        return ServerProxy(
            "http://127.0.0.1",
            transport=SupervisorTransport(serverurl=f"unix://{self.home.supervisor_socket}"),
        )

    def _kill(self) -> None:
        """Nothing here needs a farewell: the data is thrown away, or lies in etcd's
        files, which outlive a kill.
        """

        def killed() -> bool:
            # Asked again each time: the supervisor may have replaced one while it was
            # alive itself.
            left = self.processes()
            for process in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(left, timeout=1)
            return not left

        if not until(killed, STOP_SECONDS):
            raise LocalError(
                "these processes cannot be ended:"
                f" {', '.join(str(process.pid) for process in self.processes())}"
            )
        for name in (
            self.home.supervisor_socket,
            self.home.supervisor_pid,
            self.home.etcd_socket,
            self.home.folder / "etcd-peer:1",
        ):
            name.unlink(missing_ok=True)

    def _api_is_ready(self) -> bool:
        context = ssl.create_default_context(cafile=str(self.home.certificates / "ca.crt"))
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        try:
            with opener.open(f"https://127.0.0.1:{self._ports().api}/readyz", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def _wait(self, what: str, condition: Callable[[], bool]) -> None:
        def happened() -> bool:
            if not self._supervised():
                raise LocalError(f"the local cluster has gone; see {self.home.logs}")
            return condition()

        if not until(happened, START_SECONDS):
            raise LocalError(
                f"{what} did not get ready in {START_SECONDS} s{self._complaints()}\nAll logs:"
                f" {self.home.logs}"
            )

    def _complaints(self) -> str:
        """The last line of each program that does not stay up."""
        states: list[dict[str, Any]] = self._supervisor().supervisor.getAllProcessInfo()
        down = [
            state["name"]
            for state in states
            if state["statename"] != "RUNNING" or state["now"] - state["start"] < 15
        ]
        ends = {
            name: (self.home.logs / f"{name}.log").read_text(errors="replace").splitlines()[-1:]
            for name in down
        }
        return "".join(f"\n  {name}: {line[0][:300]}" for name, line in ends.items() if line)


def default_home(program: Path) -> Path:
    """Where `make up` keeps its cluster: `KUBERAY_HOME`, or one folder for each clone
    in the cache.
    """
    if chosen := os.environ.get("KUBERAY_HOME"):
        return Path(chosen).expanduser()
    return tools.cache_folder() / "clusters" / hashlib.sha256(str(program.resolve()).encode()).hexdigest()[:8]


def _plain_environment() -> dict[str, str]:
    """The environment of this process without what would point Pulumi or Kubernetes
    clients anywhere else.
    """
    return {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("PULUMI_", "HELM_")) and key != "KUBECONFIG"
    }


def link(name: Path, target: Path) -> None:
    """A symbolic link, also where there is one."""
    name.unlink(missing_ok=True)
    name.symlink_to(target)


def _hard_link(link: Path, target: Path) -> None:
    """The CLI looks for its language host beside the file that it really is: a symbolic
    link would lead it elsewhere.
    """
    link.unlink(missing_ok=True)
    try:
        os.link(target.resolve(), link)
    except OSError:
        shutil.copy2(target, link)


def _home_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(HOME_MARK)
    except (psutil.AccessDenied, psutil.NoSuchProcess, OSError):
        return None


def _is_ready(node: Node) -> bool:
    """Whether pods can go there: the taint of a new node outlasts its
    becoming ready.
    """
    conditions = (node.status.conditions if node.status else None) or []
    tainted = bool(node.spec and node.spec.taints)
    return not tainted and any(
        condition.type == "Ready" and condition.status == "True" for condition in conditions
    )


def _exists(client: Client, kind: type[ServiceAccount], name: str, namespace: str) -> bool:
    try:
        client.get(kind, name, namespace=namespace)
    except ApiError as error:
        if error.status.code == 404:
            return False
        raise
    return True


def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Waits for it; whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
