"""Writes the stack file that brings Helm releases along which were made by hand:
`python -m commands.adopt --stack dev`.

It reads the releases of KubeRay's two charts in a namespace and their values, works out
the settings that say the same, renders both and says where they differ. It changes
nothing in the cluster. `pulumi up` then takes the releases over as they run: no pod
restarts.
"""

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from commands.adopt.adoption import Adoption, adopt, as_stack_config, hide_secrets, is_operator_release
from commands.adopt.owners import other_owner
from commands.adopt.stack_file import written
from commands.preview.live_cluster import ClusterError, drift_of_releases
from commands.stack.cli import WORKSPACE, StackError
from commands.stack.command import command_parser, ends_in_a_line
from commands.stack.helm import Helm
from kuberay.facts.charts import CHARTS
from kuberay.facts.objects import is_ray_object
from kuberay.facts.phrases import error_line
from kuberay.facts.visible import log_line, log_lines
from kuberay.live.api.client import ApiError, HTTPError, refusal
from kuberay.live.api.connection import CLUSTER, CONTEXT, KUBECONFIG, Connection
from kuberay.live.api.credentials import CredentialError
from kuberay.live.api.kubeconfig import KubeconfigError
from kuberay.live.inventory import Cluster
from kuberay.live.takeover.marks import Record
from kuberay.settings.stack import PROJECT

#: Settings of a stack file that do not come from a release.
_KEPT = ("chartRepository", "timeoutSeconds")


def main() -> None:
    parser = command_parser("commands.adopt", __doc__)
    parser.add_argument("--stack", required=True, help="which stack; its file Pulumi.<stack>.yaml is written")
    parser.add_argument("--config-file", type=Path, help="its config, where that is not Pulumi.<stack>.yaml")
    parser.add_argument(
        "--namespace", help="where the releases are, if there are some in more than one namespace"
    )
    parser.add_argument(
        "--release",
        action="append",
        default=[],
        help="a release to bring along; all of the namespace without it",
    )
    parser.add_argument(
        "--kubeconfig", help="of the cluster; the stack file's without it, else that of kubectl"
    )
    parser.add_argument(
        "--context", help="of the kubeconfig; the stack file's without it, else the current one"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask before the file is written")
    given = parser.parse_args()
    path = given.config_file or WORKSPACE / f"Pulumi.{given.stack}.yaml"
    with ends_in_a_line("stopped; nothing is written"), _refusals():
        file, config = _read(path)
        chosen = {KUBECONFIG: given.kubeconfig, CONTEXT: given.context}
        config |= {key: value for key, value in chosen.items() if value}
        cluster = Cluster(_connection(config))
        found = releases(cluster, given.namespace, given.release)
        kept = {key: _readable(config, f"{PROJECT}:{key}") for key in _KEPT if f"{PROJECT}:{key}" in config}
        with Helm() as helm:
            adoption = adopt(found, helm, kept, _progress)
        adoption.notes += _compared(cluster, found)
        others = {key: value for key, value in config.items() if not key.startswith(f"{PROJECT}:")}
        shown, text = (
            written({**file, "config": {**others, **as_stack_config(part)}}, adoption.notes)
            for part in (hide_secrets(adoption.config)[0], adoption.config)
        )
        _show(path, adoption, shown, there=path.exists())
        if adoption.differences:
            raise StackError("what the stack would make is not what runs, as said above; nothing is written")
        if not given.yes and input(f"Write {path.name}? [y/N] ").strip().lower() not in ("y", "yes"):
            raise StackError("not written")
        path.write_text(text)
    print(
        log_line(
            f"{path.name} is written. `make preview STACK={given.stack}` shows what `make deploy"
            f" STACK={given.stack}` takes over."
        )
    )


@contextmanager
def _refusals() -> Generator[None]:
    try:
        yield
    except ApiError as error:
        raise StackError(f"the Kubernetes API server refuses: {refusal(error)}") from None
    except (HTTPError, KubeconfigError, CredentialError, OSError) as error:
        raise StackError(error_line(error)) from None
    except EOFError:  # Nobody can be asked.
        raise KeyboardInterrupt from None


def _progress(text: str) -> None:
    print(log_line(f"{text} …"), file=sys.stderr, flush=True)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """A stack file that is there already, and what it has below `config`."""
    try:
        content: Any = yaml.safe_load(path.read_text()) if path.exists() else {}
        file = dict(content or {})
        return file, dict(file.get("config") or {})
    except (yaml.YAMLError, UnicodeDecodeError, TypeError, ValueError):
        raise StackError(f"{path.name} is not a readable stack file") from None


def _connection(config: dict[str, Any]) -> Connection:
    keys = [key for key in (KUBECONFIG, CONTEXT, CLUSTER) if key in config]
    return Connection.of({key: _readable(config, key) for key in keys})


def _readable(config: dict[str, Any], key: str) -> Any:
    """A value that is not encrypted: this command has no keys."""
    if isinstance(config[key], dict):
        named = (
            "name the cluster with --kubeconfig and --context"
            if key in (KUBECONFIG, CONTEXT)
            else "write it as text for this command"
        )
        raise StackError(f"{key} is encrypted in the stack file; {named}")
    return config[key]


def releases(cluster: Cluster, namespace: str | None, names: Sequence[str]) -> list[Record]:
    """The newest record of each release that is to be brought along, the operator's
    first.
    """
    newest: dict[tuple[str, str], Record] = {}
    for record in cluster.records(namespace):
        key = (record.namespace, record.release)
        # A stack's may be of the program's own chart.
        is_known = record.chart in CHARTS or record.stack is not None
        if is_known and (key not in newest or newest[key].revision < record.revision):
            newest[key] = record
    found = [one for one in newest.values() if one.status != "uninstalled"]
    if not found:
        raise StackError(
            "there is no Helm release of"
            f" {' or '.join(CHARTS)}{f' in namespace {namespace}' if namespace else ''}"
        )
    if missing := [name for name in names if name not in {one.release for one in found}]:
        raise StackError(
            f"there is no release {missing[0]}; there is {', '.join(sorted({one.release for one in found}))}"
        )
    if names:
        spaces = {one.namespace for one in found if one.release in names}
        found = [
            one
            for one in found
            if one.namespace in spaces and (one.release in names or is_operator_release(one))
        ]
    spaces = sorted(
        {one.namespace for one in found if not _is_operator(one)} or {one.namespace for one in found}
    )
    if len(spaces) > 1:
        raise StackError(
            f"there are releases in the namespaces {', '.join(spaces)}; choose one with --namespace, for a"
            " stack has one"
        )
    chosen = [one for one in found if one.namespace == spaces[0]]
    # An operator's release of another name is one that the stack uses and does not
    # make.
    chosen = [one for one in chosen if not _is_operator(one) or is_operator_release(one)]
    for record in chosen:
        _check(cluster, record)
    return sorted(chosen, key=lambda one: (not _is_operator(one), one.release))


def _is_operator(record: Record) -> bool:
    return record.chart == "kuberay-operator"


def _check(cluster: Cluster, record: Record) -> None:
    """Refuses what is someone else's, or not in a condition to be taken over."""
    what = f"Helm release {record.release}"
    if record.stack:
        raise StackError(
            f"{what} is of stack {record.stack} already: go on with that stack, whose state `pulumi login`"
            " leads to, or name others with --release"
        )
    if record.status != "deployed":
        raise StackError(
            f"{what} is {record.status}; `helm upgrade` or `helm rollback` has to bring it to `deployed`"
            " first"
        )
    for obj in record.objects:
        if is_ray_object(obj) or obj["kind"] == "Deployment":
            there = {**obj, "metadata": {"namespace": record.namespace, **obj["metadata"]}}
            live = cluster.get(there)
            name = f"{obj['kind']} {obj['metadata']['name']}"
            if live is None:
                raise StackError(f"{name} of {what} is gone; `helm upgrade` has to bring it back first")
            if tool := other_owner(live):
                raise StackError(
                    f"{name} of {what} is kept by {tool}, which would go on writing it; take it from there"
                    " first"
                )


def _compared(cluster: Cluster, releases: Sequence[Record]) -> list[str]:
    """Refuses what is no longer as Helm has made it: what the stack would make of it is
    not what runs. Gives what could not be compared.
    """
    notes: list[str] = []
    for release in releases:
        try:
            place = {"name": release.release, "namespace": release.namespace}
            drifted = list(drift_of_releases(cluster, [place], with_additions=False))
        except ClusterError as error:
            notes.append(
                f"{release.release}: whether it is still as Helm has made it could not be asked: {error}"
            )
            continue
        for one in drifted:
            if one.kind in ("Deployment", "RayCluster"):
                how = "`helm upgrade` with what it is to be, or back to what it was, comes first"
                raise StackError(
                    f"{one.kind} {one.name} is not as Helm has made it ({'; '.join(one.fields) or one.what});"
                    f" {how}"
                )
    return notes


def _show(path: Path, adoption: Adoption, text: str, *, there: bool) -> None:
    lines = [f"{path.name}{', which is there already, would become' if there else ''}:", ""]
    lines += [f"  {line}" for line in text.splitlines()]
    lines += ["", *(f"not the same: {line}" for line in adoption.differences)]
    if not adoption.differences:
        lines.append("What Helm renders of it is what runs: no object changes.")
    print(log_lines("\n".join(lines)))


if __name__ == "__main__":
    main()
