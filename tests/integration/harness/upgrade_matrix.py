"""Every upgrade and downgrade between the operators that can be built, on a stack with
all in it: `make upgrade-matrix`.

Keeps what came out in tests/data/upgrades.json, and writes docs/upgrades.md from it: a
run may do some of the pairs, another the rest.
"""

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import permutations
from pathlib import Path

from local import tools
from local.cluster import LocalCluster
from local.errors import LocalError
from tests.integration.harness.kubernetes import Kubernetes
from tests.integration.harness.stack import Run, Stack
from tests.integration.harness.upgrades import delete_crds, everything, operator_image, running, scale_up
from tests.paths import ROOT

Pair = tuple[str, str]
#: By version of Kubernetes, then by both versions of KubeRay: the day, and what became
#: of it.
Results = dict[str, dict[str, dict[str, tuple[str, str]]]]

VERSIONS = tools.versions_at_hand("kuberay-operator")
#: What became of an upgrade where all is well.
KEPT = "kept"
_RESULTS = ROOT / "tests/data/upgrades.json"
_PAGE = ROOT / "docs/upgrades.md"


def main() -> None:
    """Runs pairs and writes down each as it ends."""
    parser = argparse.ArgumentParser(prog="make upgrade-matrix", description=__doc__)
    kubernetes = tools.versions_at_hand("kubernetes")
    parser.add_argument(
        "--kubernetes", default=tools.KUBERNETES.version, help=f"one of {', '.join(kubernetes)}"
    )
    parser.add_argument("--missing", action="store_true", help="only pairs that have no result yet")
    parser.add_argument(
        "pairs",
        nargs="*",
        metavar="1.3.0-1.6.2",
        help="from which version to which; all of them where none is named",
    )
    chosen = parser.parse_args()
    pairs = [_pair(parser, text) for text in chosen.pairs] or list(permutations(VERSIONS, 2))
    try:
        control_plane = tools.kubernetes(chosen.kubernetes)
        done = load().get(chosen.kubernetes, {})
        if chosen.missing:
            pairs = [(old, new) for old, new in pairs if new not in done.get(old, {})]
        bad = 0
        with tempfile.TemporaryDirectory() as folder:
            versions = sorted({version for pair in pairs for version in pair}, key=tools.numbers)
            with LocalCluster(
                Path(folder, "cluster"), kuberay_versions=versions, kubernetes=control_plane
            ) as cluster:
                for pair, result in _run(cluster, Path(folder), pairs):
                    _write_down(chosen.kubernetes, pair, result)
                    bad += result != KEPT and not result.startswith("refused")
        raise SystemExit(1 if bad else 0)
    except LocalError as error:
        parser.exit(2, f"{error}\n")


def _pair(parser: argparse.ArgumentParser, text: str) -> Pair:
    old, _, new = text.partition("-")
    if old == new or not {old, new} <= set(VERSIONS):
        parser.error(f"{text}: write two of {', '.join(VERSIONS)}, such as {VERSIONS[0]}-{VERSIONS[-1]}")
    return old, new


def _run(cluster: LocalCluster, folder: Path, pairs: Sequence[Pair]) -> Iterator[tuple[Pair, str]]:
    stack, kubernetes = Stack(cluster, "upgrades", folder), Kubernetes(cluster)
    now = None
    for old, new in in_turn(pairs):
        if now != old:
            if now is not None:
                stack.clear()
                delete_crds(kubernetes)
            stack.configure(everything(old))
            stack.up_or_fail()
            scale_up(kubernetes)
        result = _upgrade(stack, kubernetes, new)
        now = new if result == KEPT else ""
        yield (old, new), result


def in_turn(pairs: Sequence[Pair]) -> Iterator[Pair]:
    """Each pair once, the next from where the last has led to as long as
    there is one.
    """
    left, now = list(dict.fromkeys(pairs)), ""
    while left:
        ways_on = Counter(old for old, _ in left)
        pair = max((pair[0] == now, ways_on[pair[1]], pair) for pair in left)[2]
        left.remove(pair)
        now = pair[1]
        yield pair


def _upgrade(stack: Stack, kubernetes: Kubernetes, version: str) -> str:
    before = running(kubernetes)
    stack.configure(everything(version))
    run = stack.up()
    if not run.ok:
        return _why(run)
    if (image := operator_image(kubernetes)) != f"quay.io/kuberay/operator:v{version}":
        return f"failed: {image} runs"
    after = running(kubernetes)
    if after != before:
        changed = [
            name for name in ("pods", "job", "service") if getattr(after, name) != getattr(before, name)
        ]
        return f"restarted: {', '.join(changed)}"
    if changes := stack.preview().changes:
        return f"failed: the next preview changes {', '.join(changes)}"
    return KEPT


def _why(run: Run) -> str:
    refusals = [line.partition("kuberay:")[2] for line in run.error_lines if "kuberay:kuberayVersion" in line]
    return (
        f"refused: {refusals[0]}"
        if refusals
        else f"failed: {(run.error_lines or ['no reason given'])[0].strip()}"
    )


# --- What is written down -------------------------------------------------------------


def load() -> Results:
    """What came out so far."""
    return json.loads(_RESULTS.read_text()) if _RESULTS.exists() else {}


def _write_down(kubernetes: str, pair: Pair, result: str) -> None:
    old, new = pair
    results = load()
    results.setdefault(kubernetes, {}).setdefault(old, {})[new] = (time.strftime("%Y-%m-%d"), result)
    _RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    _PAGE.write_text(page(results))
    print(f"{old} -> {new}: {result}", flush=True)


def page(results: Results) -> str:
    """docs/upgrades.md"""
    lines = [
        "# Upgrades that were run",
        "",
        "Written by `make upgrade-matrix`. Each cell is one `up` that leads a running stack from",
        "KubeRay's version of the line to that of the column: a cluster that has scaled up, a job",
        "that ran on it, and a service, on simulated nodes with the real operators. A day: on",
        "that day no pod and no container restarted, the job did not run again, the service kept",
        "its cluster, and the next preview was empty. A number: see below the table. –: not run.",
    ]
    for kubernetes in tools.versions_at_hand("kubernetes"):
        lines += ["", f"## Kubernetes {kubernetes}", "", *_table(results.get(kubernetes, {}))]
    return "\n".join(lines) + "\n"


def _table(done: dict[str, dict[str, tuple[str, str]]]) -> Iterator[str]:
    notes: list[str] = []

    def cell(old: str, new: str) -> str:
        if old == new:
            return ""
        if new not in done.get(old, {}):
            return "–"
        day, result = done[old][new]
        if result == KEPT:
            return day
        notes.append(f"{day}, {old} to {new}: {result}")
        return f"({len(notes)})"

    yield f"| from \\ to | {' | '.join(VERSIONS)} |"
    yield f"|---|{'---|' * len(VERSIONS)}"
    for old in VERSIONS:
        yield f"| {old} | {' | '.join(cell(old, new) for new in VERSIONS)} |"
    if notes:
        yield ""
        yield from (f"{number}. {note}" for number, note in enumerate(notes, 1))


if __name__ == "__main__":
    main()
