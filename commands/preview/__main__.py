"""What `pulumi up` would do, for a reviewer: `python -m commands.preview dev prod`.

Says for each stack which Ray pods restart and why, what CPU, memory and GPUs come to,
what a month costs by the settings' prices, whether the nodes have room, what changes
version or loses protection, and shows the difference of the Helm values and of what
Helm renders of them. Changes nothing. Secrets are never shown.

It needs no access to the target cluster: it works from the stack's state, and says what
it could not know then. A stack that does not exist yet is previewed as new, in an empty
backend of its own.
"""

import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from commands.preview.engine import Engine
from commands.preview.join import TITLE
from commands.preview.live_cluster import drift_of_releases, reach, room_of
from commands.preview.manifests import CHART_REPOSITORY, add_manifests
from commands.preview.meaning.cost import add_costs
from commands.preview.meaning.drift import add_drift, seen_by_refresh
from commands.preview.meaning.fit import add_fit, brings_pods
from commands.preview.meaning.report import EXIT_CODES, Report, StackReport, same_change, worst
from commands.preview.meaning.stack_report import stack_report
from commands.preview.meaning.steps import Preview
from commands.preview.output.files import write
from commands.preview.output.terminal import terminal
from commands.preview.output.wording import what_happens
from commands.stack.cli import WORKSPACE, StackError
from commands.stack.command import command_parser, mistake
from commands.stack.helm import Helm
from commands.stack.interrupts import take_interrupts
from kuberay.facts.charts import RELEASE
from kuberay.facts.phrases import SECRET
from kuberay.facts.visible import log_line
from kuberay.live.api.connection import KUBECONFIG, Connection

_EXIT_CODES = """exit codes, with --exit-codes:
  0  nothing changes
  1  a preview failed (without --exit-codes too)
  2  something changes, and no Ray pod restarts
  3  Ray pods restart
  4  something is destroyed
The worst of all stacks counts, and a failed preview most.
"""


def main() -> None:
    parser = command_parser("commands.preview", __doc__, _EXIT_CODES)
    parser.add_argument("stacks", nargs="+", metavar="stack", help="which stacks")
    parser.add_argument(
        "--output",
        type=Path,
        help="folder for report.md, comment.md (at most 64,000 characters), report.json and report.txt",
    )
    parser.add_argument(
        "--refresh", action="store_true", help="compare with what is in the cluster, not with the state alone"
    )
    parser.add_argument(
        "--drift",
        action="store_true",
        help="--refresh, and look for what was edited or deleted inside Helm releases",
    )
    parser.add_argument(
        "--as-in",
        type=Path,
        metavar="REPORT",
        help="end with 1 where this report.json, which was approved, says another thing",
    )
    parser.add_argument(
        "--exit-codes", action="store_true", help="end with a code that says what would happen"
    )
    parser.add_argument(
        "--config-folder",
        type=Path,
        default=WORKSPACE,
        help="where Pulumi.<stack>.yaml are (default: beside the program)",
    )
    given = parser.parse_args()
    take_interrupts()
    engine = Engine(given.config_folder.resolve(), given.refresh or given.drift)
    with Helm() as helm, ThreadPoolExecutor(max_workers=os.cpu_count()) as threads:
        stacks = list(
            threads.map(
                lambda stack: preview(stack, engine, helm, drift=given.drift), dict.fromkeys(given.stacks)
            )
        )
    report = Report(level=worst(stack.level for stack in stacks), stacks=stacks)
    if given.output:
        write(report, given.output, "Drift" if given.drift else TITLE)
    print(terminal(report, colours=sys.stdout.isatty() and "NO_COLOR" not in os.environ), end="")
    if given.as_in and (problems := list(differences(report, given.as_in))):
        sys.exit("\n".join(log_line(f"error: {problem}") for problem in problems))
    code = EXIT_CODES[report.level]
    sys.exit(code if given.exit_codes or code == EXIT_CODES["failed"] else 0)


def preview(stack: str, engine: Engine, helm: Helm, *, drift: bool = False) -> StackReport:
    """One stack's report, whatever goes wrong on the way: the others have theirs all
    the same.
    """
    say(f"{stack}: pulumi preview …")
    try:
        return _preview(stack, engine, helm, drift=drift)
    except StackError as error:
        report = StackReport(stack=stack, level="failed", errors=str(error).splitlines())
    except Exception as error:
        report = StackReport(stack=stack, level="failed", errors=[f"no report, for {mistake(error)}"])
    say(f"{stack}: {report.errors[0]}")
    return report


def _preview(stack: str, engine: Engine, helm: Helm, *, drift: bool) -> StackReport:
    previewed = engine.preview(stack)
    started = time.monotonic()
    report = stack_report(stack, previewed.preview)
    report.is_new = previewed.is_new or report.is_new
    add_costs(report, previewed.preview)
    add_manifests(report, previewed.preview.steps, helm, lambda: engine.secret(stack, CHART_REPOSITORY))
    ask_the_cluster(report, previewed.preview, engine, drift=drift)
    report.preview_seconds, report.report_seconds = previewed.seconds, time.monotonic() - started
    say(
        f"{stack}: {what_happens(report)[0]} (preview {previewed.seconds:.1f} s, report"
        f" {report.report_seconds:.1f} s)"
    )
    return report


def ask_the_cluster(report: StackReport, preview: Preview, engine: Engine, *, drift: bool) -> None:
    """Fills in what only the cluster knows, or that it cannot be asked."""
    if report.level == "failed":
        return
    comes = brings_pods(report, preview)
    if report.is_new and not comes:
        return
    connection = dict(preview.connection)
    try:
        if connection.get(KUBECONFIG) == SECRET:
            connection[KUBECONFIG] = engine.secret(report.stack, KUBECONFIG)
        cluster = reach(Connection.of(connection))
        if comes:
            add_fit(report, preview, room_of(cluster))
        if drift and not report.is_new:
            releases = [inputs for (type_, _), inputs in preview.refreshed.items() if type_ == RELEASE]
            add_drift(report, [*seen_by_refresh(preview), *drift_of_releases(cluster, releases)])
    except StackError as error:
        if comes and report.fit is None:
            add_fit(report, preview, str(error))
        if drift and not report.is_new:
            # A check that could not look had better not pass.
            report.level, report.errors = "failed", [f"the cluster could not be asked: {error}"]
        elif not report.is_new:
            report.unknown.append(
                f"what is in the cluster, which could not be asked ({error}): pods that still run an old"
                " spec, and drift"
            )


def differences(report: Report, file: Path) -> Iterator[str]:
    """One line for each stack whose change is not the one in an earlier report."""
    try:
        approved = {stack.stack: stack for stack in Report.model_validate_json(file.read_bytes()).stacks}
    except (OSError, ValueError) as error:
        yield f"--as-in {file} is no report that can be read: {str(error).splitlines()[0]}"
        return
    for stack in report.stacks:
        before = approved.get(stack.stack)
        if before is None:
            yield f"{stack.stack} was not previewed: {file} has {', '.join(approved) or 'no stack'}"
        elif not same_change(before, stack):
            then, now = what_happens(before)[0], what_happens(stack)[0]
            yield (
                f"{stack.stack} is no longer as it was previewed (then: {then}; now: {now}): something has"
                " changed it since, so nothing is done; start the pipeline anew and approve what it shows"
            )


def say(line: str) -> None:
    """Progress, apart from the report."""
    print(log_line(line), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
