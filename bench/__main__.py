"""How long people wait, as ratios measured in one run: `make bench`.

Against the guide's helm and kubectl commands with their waits, and against Pulumi
programs: an empty one, and a bare one with the same namespace and releases
(bench/bare). All on one local cluster, and as ratios, as this machine's seconds mean
little elsewhere. Nodes are simulated: what is measured is this program, Pulumi, Helm,
KubeRay and the API server. With `NODES=real` pods run Ray, and what is measured is what
a user waits for: the first job's end, and pods with more memory.
"""

import argparse
import contextlib
import io
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from commands.stack.interrupts import take_interrupts
from local import job
from local.cluster import LocalCluster
from local.errors import LocalError
from local.real import images
from local.real.cluster import CPU_REQUEST, RealCluster
from tests.integration.harness.stack import Stack
from tests.paths import ROOT

NAMESPACE = "kuberay"
RAISED = "2500M"
#: In turn with those of the empty program: one of them differs by a fifth from the
#: next.
PREVIEWS = 15
#: Of one processor, in percent.
_IDLE = 15


def guide_values(cluster: LocalCluster, worker_memory: str = "2G") -> dict[str, Any]:
    """What the guide edits in values.yaml; with real nodes also how little CPU pods ask
    for, as in `up`.
    """
    cpu = CPU_REQUEST if cluster.nodes == "real" else "1"
    selector = {"nodeSelector": {"kubernetes.io/arch": "arm64"}} if cluster.nodes == "simulated" else {}
    return {
        group: {
            "resources": {
                "limits": {"cpu": "1", "memory": memory},
                "requests": {"cpu": cpu, "memory": memory},
            },
            **selector,
        }
        for group, memory in {"head": "2G", "worker": worker_memory}.items()
    }


@dataclass(frozen=True)
class Ratio:
    what: str
    ours: float
    theirs: float
    to_reach: float

    @property
    def line(self) -> str:
        ratio = self.ours / self.theirs
        met = "" if ratio <= self.to_reach else "   MISSED"
        return (
            f"{self.what:<66} {ratio:5.2f}   ({self.ours:.2f} s / {self.theirs:.2f} s, to reach: <="
            f" {self.to_reach}){met}"
        )


class Bench:
    def __init__(self, cluster: LocalCluster, folder: Path) -> None:
        self._cluster = cluster
        self._folder = folder
        self._values = folder / "values.yaml"
        self._values.write_text(yaml.safe_dump(guide_values(cluster)))
        self._tag = images.ray().tag if cluster.nodes == "real" else "2.46.0-py310-aarch64"
        (folder / "empty").mkdir()
        (folder / "empty/Pulumi.yaml").write_text("name: empty\nruntime: python\n")
        (folder / "empty/__main__.py").write_text("import pulumi\n")
        self._run("pulumi", "stack", "init", "empty", folder=folder / "empty")
        self.stack = Stack(cluster, "bench", self._sub("bench"))

    def settle(self) -> None:
        """Waits until the API server has done with what was deleted: over KubeRay's
        CRDs it works on for seconds after it has answered, at the cost of whatever is
        measured next.
        """
        running = self._cluster.processes()
        server = next(process for process in running if process.name() == "kube-apiserver")
        while server.cpu_percent(interval=2) > _IDLE:
            pass

    def guide(self) -> None:
        """The guide's commands, each waited for."""
        self._run("helm", "repo", "add", "kuberay", self._cluster.charts_url, "--force-update")
        self._run("helm", "repo", "update")
        self._run("kubectl", "create", "namespace", NAMESPACE)
        self._helm_install("kuberay-operator", "kuberay/kuberay-operator", "--wait")
        self._run("helm", "show", "values", "kuberay/ray-cluster", "--version", "1.3.0")
        self.guide_cluster("raycluster")
        self._run("kubectl", "get", "rayclusters", "-n", NAMESPACE)
        self._run("kubectl", "get", "pods", "-l", "ray.io/cluster=raycluster-kuberay", "-n", NAMESPACE)

    def guide_cluster(self, release: str) -> None:
        """One more cluster, the guide's way."""
        self._helm_install(
            release, "kuberay/ray-cluster", "--set", f"image.tag={self._tag}", "-f", str(self._values)
        )
        for condition in ("condition=RayClusterProvisioned", "jsonpath={.status.readyWorkerReplicas}=1"):
            self._run(
                "kubectl",
                "wait",
                f"--for={condition}",
                f"raycluster/{release}-kuberay",
                "-n",
                NAMESPACE,
                "--timeout=120s",
            )

    def guide_raises_memory(self) -> None:
        """By hand: KubeRay 1.3 leaves running pods as they are, so the old one is
        deleted.
        """
        raised = self._folder / "raised.yaml"
        raised.write_text(yaml.safe_dump(guide_values(self._cluster, RAISED)))
        chart = ("raycluster", "kuberay/ray-cluster", "--version", "1.3.0", "--set", f"image.tag={self._tag}")
        self._run("helm", "upgrade", *chart, "-f", str(raised), "-n", NAMESPACE)
        workers = ("-l", "ray.io/node-type=worker", "-n", NAMESPACE)
        self._run("kubectl", "delete", "pods", *workers, "--wait=false")
        # The next one has to be there before it can be waited for.
        made = (
            f"jsonpath={{.items[?(@.spec.containers[0].resources.limits.memory=='{RAISED}')].metadata.name}}"
        )
        while not (name := self._cluster.kubectl("get", "pods", *workers, "-o", made)):
            time.sleep(0.2)
        self._run(
            "kubectl", "wait", f"pod/{name}", "-n", NAMESPACE, "--for=condition=Ready", "--timeout=300s"
        )

    def first_job(self) -> None:
        """A task on each node, by way of a port-forward."""
        forward = (
            f"kubectl port-forward --namespace {NAMESPACE} service/raycluster-kuberay-head-svc 8265:8265"
        )
        with job.forwarded(self._cluster, forward, port=8265) as address:
            with contextlib.redirect_stdout(io.StringIO()):
                succeeded = job.follow(
                    address, shlex.join(["python", "-c", (ROOT / "examples/each_node.py").read_text()])
                )
            if not succeeded:
                raise SystemExit("the first job failed")

    def undo_guide(self, releases: list[str]) -> None:
        for release in [*releases, "kuberay-operator"]:
            self._run("helm", "uninstall", release, "-n", NAMESPACE, "--wait")
        self._delete_crds()
        self._run("kubectl", "delete", "namespace", NAMESPACE)

    def configure(self, clusters: int, **cluster: Any) -> None:
        names = ["raycluster"] if clusters == 1 else [f"ray{number}" for number in range(clusters)]
        self.stack.configure(
            {"architecture": "aarch64", "timeoutSeconds": 300, "clusters": dict.fromkeys(names, cluster)}
        )

    def up(self) -> None:
        self.stack.up_or_fail()

    def undo_up(self) -> None:
        self.stack.clear()
        self._delete_crds()

    def preview(self) -> None:
        self._run(
            "pulumi",
            "preview",
            "--stack",
            "bench",
            "--config-file",
            str(self.stack.config_file),
            "--expect-no-changes",
        )

    def bare_up(self, clusters: int) -> None:
        """Brings up the bare program, and takes what it made away by hand: its state
        stays, and a preview looks at that alone.
        """
        folder, stack = ROOT / "bench/bare", f"bare{clusters}"
        values = {**guide_values(self._cluster), "image": {"tag": self._tag}}
        settings = {
            "charts": self._cluster.charts_url,
            "clusters": str(clusters),
            "values": json.dumps(values),
        }
        program = self._sub(stack)
        for file in folder.iterdir():
            if file.is_file():
                shutil.copy(file, program)
        self._run("pulumi", "stack", "init", stack, folder=program)
        for key, value in settings.items():
            self._run("pulumi", "config", "set", key, value, "--stack", stack, folder=program)
        self._run("pulumi", "up", "--yes", "--skip-preview", "--stack", stack, folder=program)
        self.undo_guide([f"ray{number}" for number in range(clusters)])

    def bare_preview(self, clusters: int) -> None:
        self._run(
            "pulumi",
            "preview",
            "--stack",
            f"bare{clusters}",
            "--expect-no-changes",
            folder=self._folder / f"bare{clusters}",
        )

    def empty_preview(self) -> None:
        self._run("pulumi", "preview", "--stack", "empty", folder=self._folder / "empty")

    def report(self, clusters: int) -> Ratio:
        """What a report adds to a preview in which every cluster changes."""
        self.configure(clusters, worker={"memory": "3G"})
        reported = self.stack.make_preview("bench")
        if not reported.ok:
            raise SystemExit(reported.text)
        (stack,) = json.loads((self.stack.config_file.parent / "report/report.json").read_text())["stacks"]
        self.configure(clusters)
        what = "building the report / pulumi preview" + (
            f", {clusters} clusters change" if clusters > 1 else ""
        )
        return Ratio(what, stack["report_seconds"], stack["preview_seconds"], 0.5)

    def _delete_crds(self) -> None:
        # Helm keeps CRDs; each measured run starts without them, as the first run of a
        # user does.
        crds = [f"{kind}.ray.io" for kind in ("rayclusters", "rayjobs", "rayservices")]
        self._run("kubectl", "delete", "crd", *crds, "--ignore-not-found")

    def _helm_install(self, release: str, chart: str, *more: str) -> None:
        self._run("helm", "install", release, chart, "--version", "1.3.0", "-n", NAMESPACE, *more)

    def _run(self, *command: str, folder: Path | None = None) -> None:
        done = subprocess.run(
            command,
            cwd=folder or ROOT,
            env=self._cluster.pulumi_env(),
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")

    def _sub(self, name: str) -> Path:
        (self._folder / name).mkdir()
        return self._folder / name


def several(text: str) -> int:
    number = int(text)
    if number < 2:
        raise argparse.ArgumentTypeError(f"{number} is too few: what a further cluster costs takes two")
    return number


def seconds(action: Callable[..., Any], *arguments: Any) -> float:
    started = time.monotonic()
    action(*arguments)
    return time.monotonic() - started


def measure(bench: Bench, sizes: list[int], rounds: int) -> list[Ratio]:
    """One cluster first, against guide and empty program in turn; then what each
    further cluster costs.
    """
    guide: list[float] = []
    first: list[float] = []
    previews: list[float] = []
    bare: list[float] = []
    empty: list[float] = []
    reports: list[Ratio] = []
    bench.configure(1)
    bench.bare_up(1)
    for number in range(rounds):
        bench.settle()
        guide.append(seconds(bench.guide))
        bench.undo_guide(["raycluster"])
        bench.settle()
        first.append(seconds(bench.up))
        print(
            f"round {number + 1} of {rounds}: guide {guide[-1]:.1f} s, first up {first[-1]:.1f} s", flush=True
        )
        if number == rounds - 1:
            bench.preview()
            for _ in range(PREVIEWS):
                bare.append(seconds(bench.bare_preview, 1))
                empty.append(seconds(bench.empty_preview))
                previews.append(seconds(bench.preview))
            reports.append(bench.report(1))
        bench.undo_up()
    one_up, one_preview = statistics.median(first), statistics.median(previews)
    ratios = [
        Ratio("first up / the guide's commands with waits", one_up, statistics.median(guide), 1.0),
        Ratio("no-op preview / the bare program's", one_preview, statistics.median(bare), 0.85),
        Ratio("no-op preview / an empty program's", one_preview, statistics.median(empty), 1.8),
        *reports,
    ]
    if not sizes:
        return ratios

    bench.guide()
    more = [f"more{number}" for number in range(10)]
    each_by_helm = statistics.median(seconds(bench.guide_cluster, release) for release in more)
    bench.undo_guide(["raycluster", *more])
    print(f"each further cluster by helm install and kubectl wait: {each_by_helm:.2f} s")
    for size in sizes:
        bench.bare_up(size)
        bench.configure(size)
        up = seconds(bench.up)
        both = [(seconds(bench.preview), seconds(bench.bare_preview, size)) for _ in range(5)]
        preview, bare_preview = (statistics.median(side) for side in zip(*both, strict=True))
        ratios.append(bench.report(size))
        bench.undo_up()
        with bench.stack.state_at_the_end():
            at_the_end = seconds(bench.up)
        bench.undo_up()
        print(
            f"{size} clusters: first up {up:.1f} s, its state written at the end {at_the_end:.1f} s, no-op"
            f" preview {preview:.2f} s"
        )
        ratios += [
            Ratio(
                f"each of {size} clusters beyond the first, first up / helm install",
                (up - one_up) / (size - 1),
                each_by_helm,
                0.5,
            ),
            Ratio(
                "   the same with PULUMI_SKIP_CHECKPOINTS=true (docs/operating.md)",
                (at_the_end - one_up) / (size - 1),
                each_by_helm,
                0.5,
            ),
            Ratio(f"no-op preview of {size} clusters / the bare program's", preview, bare_preview, 0.5),
        ]
    return ratios


def measure_real(bench: Bench, rounds: int) -> list[Ratio]:
    """To the end of the first job, and from a raised memory to ready pods
    that have it.
    """
    guide: list[float] = []
    ours: list[float] = []
    guide_raised: list[float] = []
    raised: list[float] = []
    for number in range(rounds):
        guide.append(seconds(bench.guide) + seconds(bench.first_job))
        guide_raised.append(seconds(bench.guide_raises_memory))
        bench.undo_guide(["raycluster"])
        bench.configure(1)
        ours.append(seconds(bench.up) + seconds(bench.first_job))
        bench.configure(1, worker={"memory": RAISED})
        raised.append(seconds(bench.up))
        bench.undo_up()
        print(
            f"round {number + 1} of {rounds}: guide {guide[-1]:.0f} s, ours {ours[-1]:.0f} s; "
            f"memory raised by hand {guide_raised[-1]:.0f} s, ours {raised[-1]:.0f} s",
            flush=True,
        )
    return [
        Ratio(
            "first job finished / the guide's commands and the same job",
            statistics.median(ours),
            statistics.median(guide),
            1.2,
        ),
        Ratio(
            "raised memory to ready pods / helm upgrade and kubectl delete pod",
            statistics.median(raised),
            statistics.median(guide_raised),
            1.2,
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rounds", type=int, default=3, help="first ups and guide runs to take the median of (default: 3)"
    )
    parser.add_argument(
        "--sizes",
        type=several,
        nargs="*",
        default=[20, 100],
        help="clusters in a stack, 2 or more (default: 20 100)",
    )
    parser.add_argument(
        "--nodes", choices=["simulated", "real"], default="simulated", help="(default: simulated)"
    )
    arguments = parser.parse_args()
    take_interrupts()
    # Packages are compiled when they are installed; a machine that forbids to keep
    # bytecode would compile this program, and no other, in every run that is measured.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    real = arguments.nodes == "real"
    # Simulated nodes have room for every cluster; on the real one both sides ask for as
    # little CPU, as guide_values says.
    kind = partial(RealCluster, cores=0) if real else partial(LocalCluster, node_cpu=1024, node_memory="4Ti")
    with tempfile.TemporaryDirectory() as folder, kind(Path(folder) / "cluster") as cluster:
        print(cluster.sources.table(), flush=True)
        bench = Bench(cluster, Path(folder))
        ratios = (
            measure_real(bench, arguments.rounds)
            if real
            else measure(bench, arguments.sizes, arguments.rounds)
        )
    print()
    for ratio in ratios:
        print(ratio.line)


if __name__ == "__main__":
    try:
        main()
    except LocalError as error:
        sys.exit(f"error: {error}")
