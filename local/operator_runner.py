"""Runs the real KubeRay operator for the simulated pod of its Deployment.

The operator's version is the pod's image tag, its arguments and environment are the
pod's own, and it works as the pod's service account, so that the chart's roles are put
to the test. The pod turns ready when the process answers its probe.
"""

import json
import os
import shutil
import subprocess
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import psutil
import yaml
from lightkube import ApiError, Client
from lightkube.models.authentication_v1 import BoundObjectReference, TokenRequestSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Pod, PodStatus, ServiceAccountToken

from local.control_plane import HOME_MARK
from local.ports import free_ports

OPERATOR_LABEL = ("app.kubernetes.io/component", "kuberay-operator")
TOKEN_SECONDS = 24 * 3600
LONGEST_BACK_OFF = 10.0
#: How often an operator that is ready is probed, as by a kubelet.
PROBE_SECONDS = 5.0

Manifest = dict[str, Any]
"""A pod as it travels over the API."""


class OperatorPod:
    """One operator pod and its process."""

    def __init__(self, pod: Manifest, folder: Path) -> None:
        self.name: str = pod["metadata"]["name"]
        self.namespace: str = pod["metadata"]["namespace"]
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None
        self.probe = ""
        self.ready = False
        self.probe_after = 0.0
        self.token_written = 0.0
        self.restarts = 0
        self.started = now()
        self.start_after = 0.0
        self.reported: Manifest = {}

    @property
    def log(self) -> Path:
        """What the process prints."""
        return self.folder / "log"

    def is_ready(self) -> bool:
        """Whether it answers its probe: asked again and again until it does, then now
        and then.
        """
        if not self.ready or time.monotonic() >= self.probe_after:
            self.ready = answers(self.probe)
            self.probe_after = time.monotonic() + PROBE_SECONDS
        return self.ready

    def stop(self) -> None:
        """Ends the process and forgets what it needed."""
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class OperatorRunner:
    """Keeps one operator process for each operator pod, and tells the API server how it
    is.
    """

    def __init__(self, client: Client, programs: Path, folder: Path) -> None:
        self.client = client
        self._programs = programs
        self.folder = folder
        self.pods: dict[str, OperatorPod] = {}
        self._present: dict[str, Manifest] = {}
        self.changed = Event()
        """Set when there is something new about an operator pod."""

    @property
    def programs(self) -> dict[str, Path]:
        """Version -> program, as of now."""
        return {version: Path(path) for version, path in json.loads(self._programs.read_text()).items()}

    def forget_predecessors(self) -> None:
        """Ends operators that an earlier runner of this cluster left behind when it was
        killed.
        """
        programs = {str(path.resolve()) for path in self.programs.values()}
        for process in psutil.process_iter():
            try:
                if process.exe() in programs and process.environ().get(HOME_MARK) == os.environ.get(
                    HOME_MARK
                ):
                    process.kill()
            except (psutil.AccessDenied, psutil.NoSuchProcess):
                continue
        shutil.rmtree(self.folder, ignore_errors=True)

    def follow(self) -> None:
        """Keeps an eye on the operator pods until the API server ends the watch; for a
        thread of its own.
        """
        labels: dict[str, Any] = dict([OPERATOR_LABEL])
        listing = self.client.list(Pod, namespace="*", labels=labels)
        self._present = {pod["metadata"]["uid"]: pod for pod in (found.to_dict() for found in listing)}
        self.changed.set()
        for event, found in self.client.watch(
            Pod, namespace="*", labels=labels, resource_version=listing.resourceVersion
        ):
            pod = found.to_dict()
            others = {uid: other for uid, other in self._present.items() if uid != pod["metadata"]["uid"]}
            # Anew, as `step` may be going through the one before.
            self._present = others if event == "DELETED" else others | {pod["metadata"]["uid"]: pod}
            self.changed.set()

    def step(self) -> None:
        """Brings processes in line with the operator pods there are now."""
        present = self._present
        for uid in self.pods.keys() - present.keys():
            self.pods.pop(uid).stop()
        for uid, pod in present.items():
            if "deletionTimestamp" in pod["metadata"]:
                self._finish(uid, pod)
            # The simulated node gives the address once the scheduler has placed the
            # pod.
            elif pod.get("status", {}).get("podIP"):
                self._keep_running(uid, pod)

    def _finish(self, uid: str, pod: Manifest) -> None:
        if uid in self.pods:
            self.pods.pop(uid).stop()
        try:
            self.client.delete(
                Pod, pod["metadata"]["name"], namespace=pod["metadata"]["namespace"], grace_period=0
            )
        except ApiError as error:
            if error.status.code != 404:
                raise

    def _keep_running(self, uid: str, pod: Manifest) -> None:
        if uid not in self.pods:
            self.pods[uid] = OperatorPod(
                pod, self.folder / pod["metadata"]["namespace"] / pod["metadata"]["name"]
            )
        mine = self.pods[uid]
        container = pod["spec"]["containers"][0]
        version = image_version(container["image"])
        programs = self.programs
        if version not in programs:
            message = (
                f"no operator {version} was made ready for this cluster, only {', '.join(sorted(programs))}"
            )
            self._report(mine, pod, {"waiting": {"reason": "ErrImagePull", "message": message}}, ready=False)
            return
        if mine.process and (code := mine.process.poll()) is not None:
            self._crashed(mine, pod, code)
        if mine.process is None and time.monotonic() >= mine.start_after:
            self._start(mine, pod, programs[version])
        if mine.process is None:
            return
        if time.monotonic() - mine.token_written > TOKEN_SECONDS / 2:
            self._write_token(mine, pod)
        self._report(mine, pod, {"running": {"startedAt": mine.started}}, ready=mine.is_ready())

    def _start(self, mine: OperatorPod, pod: Manifest, program: Path) -> None:
        ports = free_ports()
        metrics, health = next(ports), next(ports)
        mine.probe, mine.ready = f"http://127.0.0.1:{metrics}/metrics", False
        self._write_token(mine, pod)
        (mine.folder / "kubeconfig").write_text(self._kubeconfig(mine))
        container = pod["spec"]["containers"][0]
        command = [
            str(program),
            f"--kubeconfig={mine.folder / 'kubeconfig'}",
            *(within(mine.folder, container, argument) for argument in container.get("args") or []),
            # Outside a pod there is no file to read the namespace from; the addresses
            # would be taken on a shared machine.
            f"--leader-election-namespace={mine.namespace}",
            f"--metrics-addr=127.0.0.1:{metrics}",
            f"--health-probe-bind-address=127.0.0.1:{health}",
        ]
        kept = {
            key: value
            for key, value in os.environ.items()
            if key in (HOME_MARK, "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
        }
        with mine.log.open("ab") as log:
            mine.process = subprocess.Popen(
                command, env=kept | environment(pod), cwd=mine.folder, stdout=log, stderr=log
            )
        mine.started = now()

    def _crashed(self, mine: OperatorPod, pod: Manifest, code: int) -> None:
        mine.process = None
        mine.restarts += 1
        back_off = min(2.0 ** (mine.restarts - 1), LONGEST_BACK_OFF)
        mine.start_after = time.monotonic() + back_off
        ended = {
            "exitCode": code if code >= 0 else 128 - code,
            "reason": "Error",
            "startedAt": mine.started,
            "finishedAt": now(),
        }
        waiting = {
            "reason": "CrashLoopBackOff",
            "message": f"back-off {back_off:.0f}s restarting failed container",
        }
        self._report(mine, pod, {"waiting": waiting}, ready=False, last={"terminated": ended})

    def _write_token(self, mine: OperatorPod, pod: Manifest) -> None:
        mine.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        bound = BoundObjectReference(apiVersion="v1", kind="Pod", name=mine.name, uid=pod["metadata"]["uid"])
        asked = TokenRequestSpec(audiences=[], expirationSeconds=TOKEN_SECONDS, boundObjectRef=bound)
        wanted = ServiceAccountToken(metadata=ObjectMeta(), spec=asked)
        account = pod["spec"].get("serviceAccountName", "default")
        given = self.client.create(wanted, account, namespace=mine.namespace)
        token = mine.folder / "token"
        token.touch(mode=0o600)
        token.write_text(given.to_dict()["status"]["token"])
        mine.token_written = time.monotonic()

    def _kubeconfig(self, mine: OperatorPod) -> str:
        cluster = self.client.config.cluster
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "pod",
                "contexts": [
                    {
                        "name": "pod",
                        "context": {"cluster": "local", "user": "pod", "namespace": mine.namespace},
                    }
                ],
                "clusters": [
                    {
                        "name": "local",
                        "cluster": {
                            "server": cluster.server,
                            "certificate-authority-data": cluster.certificate_auth_data,
                        },
                    }
                ],
                "users": [{"name": "pod", "user": {"tokenFile": str(mine.folder / "token")}}],
            }
        )

    def _report(
        self, mine: OperatorPod, pod: Manifest, state: Manifest, *, ready: bool, last: Manifest | None = None
    ) -> None:
        container = pod["spec"]["containers"][0]
        status: Manifest = {
            "phase": "Running" if mine.process or mine.restarts else "Pending",
            "containerStatuses": [
                {
                    "name": container["name"],
                    "image": container["image"],
                    "imageID": "",
                    "ready": ready,
                    "started": mine.process is not None,
                    "restartCount": mine.restarts,
                    "state": state,
                    "lastState": last or mine.reported.get("containerStatuses", [{}])[0].get("lastState", {}),
                }
            ],
        }
        if status == mine.reported:
            return
        mine.reported = status
        conditions = {
            "Initialized": True,
            "PodReadyToStartContainers": True,
            "ContainersReady": ready,
            "Ready": ready,
        }
        reported = status | {
            "conditions": [
                {"type": kind, "status": str(value), "lastTransitionTime": now()}
                | (
                    {}
                    if value
                    else {
                        "reason": "ContainersNotReady",
                        "message": f"container {container['name']} is not ready",
                    }
                )
                for kind, value in conditions.items()
            ]
        }
        self.client.patch(PodStatus, mine.name, {"status": reported}, namespace=mine.namespace)


def image_version(image: str) -> str:
    """'quay.io/kuberay/operator:v1.3.0' -> '1.3.0'."""
    return image.partition("@")[0].rpartition(":")[2].removeprefix("v")


def environment(pod: Manifest) -> dict[str, str]:
    """The container's variables, as far as they need nothing but the pod to tell."""
    fields = {"metadata.name": pod["metadata"]["name"], "metadata.namespace": pod["metadata"]["namespace"]}
    values: dict[str, str] = {}
    for variable in pod["spec"]["containers"][0].get("env") or []:
        path = variable.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
        values[variable["name"]] = fields.get(path, "") if path else variable.get("value", "")
    return values


def within(folder: Path, container: Manifest, argument: str) -> str:
    """The argument with a path in one of the container's volumes moved into `folder`:
    nothing may be written elsewhere.
    """
    for mount in container.get("volumeMounts") or []:
        path = mount["mountPath"].rstrip("/")
        name, equals, value = argument.rpartition("=")
        if value == path or value.startswith(f"{path}/"):
            moved = folder / "volumes" / value.lstrip("/")
            moved.parent.mkdir(parents=True, exist_ok=True)
            return f"{name}{equals}{moved}"
    return argument


def answers(address: str) -> bool:
    """Whether an HTTP server on this machine says yes."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(address, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def now() -> str:
    """The time as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
