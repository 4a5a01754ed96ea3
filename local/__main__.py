"""Ray on Kubernetes on this machine: `make up`, and `make down` leaves nothing."""

import argparse
import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from commands.stack.interrupts import take_interrupts
from local import job as ray_job
from local import sources, tools
from local.cluster import LocalCluster, default_home
from local.errors import LocalError
from local.progress import elapsed, step
from local.real import machine
from local.real.cluster import RealCluster
from local.stack import LocalStack, kuberay_version

PROGRAM = Path(__file__).parent.parent
KINDS: dict[str, type[LocalCluster]] = {"real": RealCluster, "simulated": LocalCluster}
ENVIRONMENT = """environment:
  KUBERAY_CACHE  folder of built tools (default: ~/.cache/kuberay)
  KUBERAY_HOME   folder of the cluster (default: one for each clone, in the cache)
  CHARTS         a chart repository's address, or a folder of charts
"""


def main() -> None:
    """Runs one command; what goes wrong is said in a line."""
    parser = argparse.ArgumentParser(
        prog="python -m local",
        description=__doc__,
        epilog=ENVIRONMENT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--home",
        type=Path,
        default=default_home(PROGRAM),
        help="folder of the cluster (default: %(default)s)",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("up", help="start a cluster and bring the stack up on it")
    command.add_argument("--stack", default="dev", help="which Pulumi.<stack>.yaml (default: %(default)s)")
    command.add_argument(
        "--nodes",
        choices=["auto", "real", "simulated"],
        default="auto",
        help="auto, the default: real where this machine can, else simulated",
    )
    commands.add_parser("status", help="show the Ray clusters and their pods")
    command = commands.add_parser(
        "job", help="run a Ray job on the stack that is up, and show its log; the exit code follows the job"
    )
    command.add_argument("--stack", default="dev", help="which stack (default: %(default)s)")
    command.add_argument("--cluster", help="which of its clusters, if it has several")
    command.add_argument(
        "entrypoint",
        nargs="*",
        help="what to run, after -- : python -c '…' (default: a task on each node, examples/each_node.py)",
    )
    command = commands.add_parser(
        "within", help="run a command on stacks: of the local cluster where they are up on it, else of yours"
    )
    command.add_argument("--stacks", required=True, help="their names, with spaces between")
    command.add_argument("command_line", nargs="+", metavar="command", help="what to run, after --")
    commands.add_parser(
        "env", help="print what makes `pulumi`, `kubectl` and `helm` in your shell those of the local cluster"
    )
    commands.add_parser("down", help="destroy the stack, stop every process, remove the files")
    commands.add_parser("tools", help="find or build every tool, and say where each is")
    commands.add_parser("doctor", help="say what this machine has and lacks")
    given = parser.parse_args()
    take_interrupts()
    try:
        match given.command:
            case "up":
                up(given.home, given.stack, given.nodes)
            case "status":
                status(given.home)
            case "job":
                job(given.home, given.stack, given.cluster, given.entrypoint)
            case "within":
                within(given.home, given.stacks.split(), given.command_line)
            case "env":
                print_environment(given.home)
            case "down":
                down(given.home)
            case "tools":
                show_tools()
            case _:
                doctor()
    except LocalError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("\nstopped; `make down` cleans up")


def up(home: Path, stack: str, nodes: str) -> None:
    """Tools, cluster, stack: each only as far as it is not there yet."""
    started = time.monotonic()
    cluster = cluster_in(home)
    if cluster.home.supervisor.exists():
        print(f"nodes: {cluster.nodes}, as this cluster was started with them", flush=True)
    else:
        cluster = choose(nodes)(home)
    cluster.kuberay_versions = list(dict.fromkeys([*cluster.known_versions, kuberay_version(PROGRAM, stack)]))
    print(cluster.sources.table(), flush=True)
    with step("control plane"):
        cluster.start()
    try:
        LocalStack(cluster, PROGRAM, stack).up()
    except LocalError as error:
        raise LocalError(
            f"{error}; once that is mended the same command goes on from here, after `make down` it starts"
            " afresh"
        ) from None
    print()
    status(home)
    print(f"Ready after {elapsed(time.monotonic() - started)}. Next:\n")
    for command, effect in next_steps(stack, cluster):
        print(f"  {command:<58}# {effect}")


def next_steps(stack: str, cluster: LocalCluster) -> list[tuple[str, str]]:
    """Commands to type after `up`, and what each does."""
    chosen = "" if stack == "dev" else f" STACK={stack}"
    file = f"Pulumi.{stack}.yaml"
    preview = f"make preview{chosen}"
    # The last line of Pulumi.dev.yaml is the workers' memory, until someone changes it.
    is_as_committed = (PROGRAM / file).read_text().rstrip().endswith("memory: 2G")
    change = (
        (f"sed -i '$ s/2G/3G/' {file} && {preview}", "more memory for the worker: what would restart")
        if is_as_committed
        else (preview, f"after a change of {file}: what would restart")
    )
    runs_ray = cluster.nodes == "real"
    return [
        change,
        (f"make up{chosen}", "brings it"),
        *([(f"make job{chosen}", "runs a Ray job on it")] if runs_ray else []),
        ('eval "$(make -s env)"', "kubectl and helm of this shell work on it, pulumi in $KUBERAY_WORKSPACE"),
        ("make down", "destroys it and stops everything"),
    ]


def within(home: Path, stacks: list[str], command: list[str]) -> None:
    """Turns into the command."""
    cluster = cluster_in(home)
    known = {stack.name: stack for stack in stacks_of(cluster)}
    here = [known[name] for name in stacks if name in known]
    environment: dict[str, str] = dict(os.environ)
    if (
        not here
        and not {"-h", "--help"}.intersection(command)
        and not shutil.which("pulumi", path=environment.get("PATH"))
    ):
        raise LocalError(
            f"{_not_up_here(', '.join(stacks), known)}; for one of your own cluster, put `pulumi` on the PATH"
        )
    if here:
        names = ", ".join(stack.name for stack in here)
        if len(here) < len(stacks):
            others = ", ".join(name for name in stacks if name not in known)
            raise LocalError(
                f"{names}: on this machine's cluster, and {others} not; name them one by one, or add LOCAL=no"
            )
        if not cluster.running:
            # A stack of the same name elsewhere is not what was meant: `destroy` would
            # take it away.
            raise LocalError(
                f"{names}: on this machine's cluster, which does not answer; `make up` starts it, `make down`"
                " removes it, LOCAL=no means a stack of your own"
            )
        bring_up_to_date(cluster, here)
        print(f"{names}: on this machine's cluster (LOCAL=no: on your own)", file=sys.stderr, flush=True)
        environment = cluster.pulumi_env() | {"KUBERAY_WORKSPACE": str(cluster.home.workspace)}
    os.execvpe(command[0], command, environment)  # noqa: S606


def _not_up_here(named: str, known: Iterable[str]) -> LocalError:
    there = f"these are: {', '.join(known)}" if known else "none is; `make up` brings one up"
    return LocalError(f"stack {named} is not up here; {there}")


def print_environment(home: Path) -> None:
    """Lines for a shell to evaluate."""
    cluster = cluster_in(home)
    if not cluster.running:
        raise LocalError("no local cluster runs; `make up` starts one")
    bring_up_to_date(cluster, stacks_of(cluster))
    settings = cluster.pulumi_settings()
    scratch = settings.pop("TMPDIR")
    for name, value in settings.items():
        print(f"export {name}={shlex.quote(value)}")
    print(f"export PATH={shlex.quote(str(_pulumi_of_a_shell(cluster, scratch)))}:$PATH")
    print(f"export KUBERAY_WORKSPACE={shlex.quote(str(cluster.home.workspace))}")
    print(
        f"echo 'In {cluster.home.workspace}: pulumi preview, pulumi up, pulumi stack; anywhere: kubectl,"
        " helm'"
    )


def _pulumi_of_a_shell(cluster: LocalCluster, scratch: str) -> Path:
    """A folder with a `pulumi` whose plugin leaves its keys in the cluster's folder,
    which goes; other commands of that shell keep their own TMPDIR.
    """
    folder = cluster.home.folder / "shell"
    folder.mkdir(exist_ok=True)
    command = shlex.quote(str(cluster.home.folder / "bin/pulumi"))
    (folder / "pulumi").write_text(f'#!/bin/sh\nTMPDIR={shlex.quote(scratch)} exec {command} "$@"\n')
    (folder / "pulumi").chmod(0o755)
    return folder


def bring_up_to_date(cluster: LocalCluster, stacks: list[LocalStack]) -> None:
    """What the stacks ask for by now: their settings, and KubeRay in these versions."""
    asked = [kuberay_version(PROGRAM, stack.name) for stack in stacks]
    cluster.kuberay_versions = list(dict.fromkeys([*cluster.known_versions, *asked]))
    cluster.start()
    for stack in stacks:
        stack.configure()


def choose(nodes: str) -> type[LocalCluster]:
    """The kind of nodes that is asked for, or the one that comes nearest to a cluster
    of one's own; says which, and why.
    """
    if nodes != "auto":
        print(f"nodes: {nodes}", flush=True)
        return KINDS[nodes]
    if reason := machine.why_not():
        print(f"nodes: simulated, as this machine cannot run real nodes: {reason}", flush=True)
        return LocalCluster
    print("nodes: real, as this machine can", flush=True)
    return RealCluster


def status(home: Path) -> None:
    """What the guide's last two commands show, and the operator."""
    cluster = cluster_in(home)
    if not cluster.running:
        raise LocalError("no local cluster runs; `make up` starts one")
    stacks = stacks_of(cluster)
    if not stacks:
        print("a cluster runs, and no stack is up on it; `make up` brings one up")
    for namespace in sorted({stack.namespace for stack in stacks}):
        for question in (
            ["get", "rayclusters"],
            ["get", "pods", "-l", "ray.io/cluster"],
            ["get", "pods", "-l", "app.kubernetes.io/component=kuberay-operator"],
        ):
            command = [*question, "-n", namespace]
            print(f"$ kubectl {' '.join(command)}\n{cluster.kubectl(*command)}")


def job(home: Path, stack: str, cluster: str | None, entrypoint: list[str]) -> None:
    """Ends with 1 when the job does not succeed."""
    local = cluster_in(home)
    if not local.running:
        raise LocalError("no local cluster runs; `make up` starts one")
    if local.nodes == "simulated":
        raise LocalError(
            "the nodes of this cluster are simulated: no Ray runs in its pods; `make down`, then `make up"
            " NODES=real`"
        )
    known = {found.name: found for found in stacks_of(local)}
    if stack not in known:
        raise _not_up_here(stack, known)
    command = entrypoint or ["python", "-c", (PROGRAM / "examples/each_node.py").read_text()]
    if not ray_job.run(known[stack], cluster, shlex.join(command)):
        sys.exit(1)


def down(home: Path) -> None:
    """Works from any state: nothing there, half up, or killed on the way."""
    cluster = cluster_in(home)
    for stack in stacks_of(cluster):
        if not cluster.running:
            break
        try:
            stack.destroy()
        except LocalError as error:
            # The cluster goes next, and everything in it.
            print(f"{error}; the cluster is removed all the same", file=sys.stderr)
    cluster.stop()
    print("nothing of the local cluster is left")


def cluster_in(home: Path) -> LocalCluster:
    """The cluster whose files are in this folder, of whichever kind it is."""
    real = RealCluster(home)
    return real if real.files.folder.exists() else LocalCluster(home)


def stacks_of(cluster: LocalCluster) -> list[LocalStack]:
    """The stacks that were brought up on this cluster."""
    return [
        LocalStack(cluster, PROGRAM, file.name.split(".")[1])
        for file in sorted(cluster.home.workspace.glob("Pulumi.*.yaml"))
    ]


def show_tools() -> None:
    """Builds everything, so that a later `up` is quick."""
    made = sources.prepare([kuberay_version(PROGRAM, "dev")])
    for name, path in sorted(made.tools.programs.items()):
        print(f"{name}  {path}")
    print(f"\n{made.table()}")


def doctor() -> None:
    """One line for each thing that `up` needs or would use."""
    needed = {"git": "apt install git", "make": "apt install make"}
    lines = [(name, shutil.which(name) or f"missing: {how}") for name, how in needed.items()]
    lines.append(
        (
            "python",
            (
                sys.version.split()[0]
                if sys.version_info >= (3, 11)
                else f"{sys.version.split()[0]} is too old: 3.11"
            ),
        )
    )
    go = shutil.which("go")
    minimum = ".".join(map(str, tools.GO_MINIMUM))
    usable = go and tools.go_version(go) >= tools.GO_MINIMUM
    lines.append(
        ("go", go if go and usable else f"missing, or older than {minimum}: one is put into the cache")
    )
    lines.append(
        (
            "nodes",
            (
                f"simulated: for real ones, {reason}"
                if (reason := machine.why_not())
                else "real ones can run here"
            ),
        )
    )
    free = shutil.disk_usage(Path.home()).free // 2**30
    lines.append(("disk", f"{free} GiB free" + ("" if free >= 8 else ": building the tools takes 8")))
    lines.append(("tools", str(tools.cache_folder())))
    for name, answer in lines:
        print(f"  {name:<8}{answer}")


if __name__ == "__main__":
    main()
