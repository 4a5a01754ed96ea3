"""How long people wait, as ratios measured in one run: `make bench`.

Against the guide's helm and kubectl commands with their waits, and against an empty Pulumi program, on one local cluster. Ratios, as this
machine's seconds mean little elsewhere. Nodes are simulated: what is measured is this program, Pulumi, Helm, KubeRay and the API server.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from local.cluster import LocalCluster
from tests.integration.stack import ROOT, Stack

NAMESPACE = "kuberay"
IMAGE_TAG = "2.46.0-py310-aarch64"
#: What the guide edits in values.yaml.
GUIDE_VALUES = {
    group: {
        "resources": {"limits": {"cpu": "1", "memory": "2G"}, "requests": {"cpu": "1", "memory": "2G"}},
        "nodeSelector": {"kubernetes.io/arch": "arm64"},
    }
    for group in ("head", "worker")
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
        return f"{self.what:<66} {ratio:5.2f}   ({self.ours:.2f} s / {self.theirs:.2f} s, to reach: <= {self.to_reach}){met}"


class Bench:
    def __init__(self, cluster: LocalCluster, folder: Path) -> None:
        self._cluster = cluster
        self._folder = folder
        self._values = folder / "values.yaml"
        self._values.write_text(yaml.safe_dump(GUIDE_VALUES))
        (folder / "empty").mkdir()
        (folder / "empty/Pulumi.yaml").write_text("name: empty\nruntime: python\n")
        (folder / "empty/__main__.py").write_text("import pulumi\n")
        self._run("pulumi", "stack", "init", "empty", folder=folder / "empty")
        self.stack = Stack(cluster, "bench", self._sub("bench"))

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
        self._helm_install(release, "kuberay/ray-cluster", "--set", f"image.tag={IMAGE_TAG}", "-f", str(self._values))
        for condition in ("condition=RayClusterProvisioned", "jsonpath={.status.readyWorkerReplicas}=1"):
            self._run("kubectl", "wait", f"--for={condition}", f"raycluster/{release}-kuberay", "-n", NAMESPACE, "--timeout=120s")

    def undo_guide(self, releases: list[str]) -> None:
        for release in [*releases, "kuberay-operator"]:
            self._run("helm", "uninstall", release, "-n", NAMESPACE, "--wait")
        self._delete_crds()
        self._run("kubectl", "delete", "namespace", NAMESPACE)

    def configure(self, clusters: int, **cluster: Any) -> None:
        names = ["raycluster"] if clusters == 1 else [f"ray{number}" for number in range(clusters)]
        self.stack.configure({"architecture": "aarch64", "timeoutSeconds": 300, "clusters": dict.fromkeys(names, cluster)})

    def up(self) -> None:
        self.stack.up_or_fail()

    def undo_up(self) -> None:
        destroyed = self.stack.destroy()
        if not destroyed.ok:
            raise SystemExit(destroyed.text)
        self._delete_crds()

    def preview(self) -> None:
        self._run("pulumi", "preview", "--stack", "bench", "--config-file", str(self.stack.config_file), "--expect-no-changes")

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
        what = "building the report / pulumi preview" + (f", {clusters} clusters change" if clusters > 1 else "")
        return Ratio(what, stack["report_seconds"], stack["preview_seconds"], 0.5)

    def _delete_crds(self) -> None:
        # Helm keeps CRDs; each measured run starts without them, as the first run of a user does.
        crds = [f"{kind}.ray.io" for kind in ("rayclusters", "rayjobs", "rayservices")]
        self._run("kubectl", "delete", "crd", *crds, "--ignore-not-found")

    def _helm_install(self, release: str, chart: str, *more: str) -> None:
        self._run("helm", "install", release, chart, "--version", "1.3.0", "-n", NAMESPACE, *more)

    def _run(self, *command: str, folder: Path | None = None) -> None:
        done = subprocess.run(
            command, cwd=folder or ROOT, env=self._cluster.pulumi_env(), capture_output=True, text=True, check=False, timeout=600
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")

    def _sub(self, name: str) -> Path:
        (self._folder / name).mkdir()
        return self._folder / name


def seconds(action: Callable[..., Any], *arguments: Any) -> float:
    started = time.monotonic()
    action(*arguments)
    return time.monotonic() - started


def measure(bench: Bench, sizes: list[int], rounds: int) -> list[Ratio]:
    """One cluster first, against guide and empty program in turn; then what each further cluster costs."""
    guide: list[float] = []
    first: list[float] = []
    previews: list[float] = []
    empty: list[float] = []
    reports: list[Ratio] = []
    bench.configure(1)
    for number in range(rounds):
        guide.append(seconds(bench.guide))
        bench.undo_guide(["raycluster"])
        first.append(seconds(bench.up))
        print(f"round {number + 1} of {rounds}: guide {guide[-1]:.1f} s, first up {first[-1]:.1f} s", flush=True)
        if number == rounds - 1:
            bench.preview()
            for _ in range(max(rounds, 5)):
                empty.append(seconds(bench.empty_preview))
                previews.append(seconds(bench.preview))
            reports.append(bench.report(1))
        bench.undo_up()
    one_up, one_preview = statistics.median(first), statistics.median(previews)
    ratios = [
        Ratio("first up / the guide's commands with waits", one_up, statistics.median(guide), 1.2),
        Ratio("no-op preview / preview of an empty program", one_preview, statistics.median(empty), 1.6),
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
        bench.configure(size)
        up = seconds(bench.up)
        preview = statistics.median(seconds(bench.preview) for _ in range(3))
        ratios.append(bench.report(size))
        bench.undo_up()
        print(f"{size} clusters: first up {up:.1f} s, no-op preview {preview:.2f} s")
        ratios += [
            Ratio(f"each of {size} clusters beyond the first, first up / helm install", (up - one_up) / (size - 1), each_by_helm, 0.5),
            Ratio(
                f"each of {size} clusters beyond the first, no-op preview / helm install",
                (preview - one_preview) / (size - 1),
                each_by_helm,
                0.5,
            ),
        ]
    return ratios


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="first ups and guide runs to take the median of (default: 3)")
    parser.add_argument("--sizes", type=int, nargs="*", default=[20, 100], help="clusters in a stack (default: 20 100)")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        # Nodes with room for every cluster.
        LocalCluster(Path(folder) / "cluster", node_cpu=1024, node_memory="4Ti") as cluster,
    ):
        # A double is not as slow as the real thing: the stand-in of the provider previews 0.3 s faster than the plugin.
        print(cluster.sources.table(), flush=True)
        ratios = measure(Bench(cluster, Path(folder)), arguments.sizes, arguments.rounds)
    print()
    for ratio in ratios:
        print(ratio.line)


if __name__ == "__main__":
    main()
