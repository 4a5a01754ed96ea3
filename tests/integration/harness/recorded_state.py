"""The state of a stack that an older program has made, kept in
tests/data/recorded-state.json.

`git worktree add <folder> <commit>`, a link to this clone's `.venv` in it, then `python
-m tests.integration.harness.recorded_state <folder>` records it anew: the stack file's
settings, and each resource with its type, name, inputs, parent and dependencies. What
belongs to one cluster or machine alone is left out, and put in again by `restore`.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.cluster import LocalCluster
from tests.integration.harness.stack import GUIDE, Stack
from tests.paths import ROOT

FILE = ROOT / "tests/data/recorded-state.json"
#: The stack's name is part of the names of its resources.
STACK = "recorded-state"
#: Everything that every stack of then could have without a secret.
SETTINGS: Mapping[str, Any] = GUIDE | {
    "clusters": {"raycluster": {"additionalWorkerGroups": {"big": {"memory": "4G"}}}},
    "jobs": {"train": {"entrypoint": "python main.py", "cluster": "raycluster"}},
    "services": {"chat": {"serveConfig": {"applications": [{"name": "echo", "import_path": "echo:app"}]}}},
}
_CHARTS = "https://charts.example/"
#: When, by whom and from which line something was made.
_LEFT_OUT = ("created", "modified", "sourcePosition", "stackTrace")

Resource = dict[str, Any]
State = dict[str, Any]


def restore(recorded: list[Resource], state: State, charts: str) -> State:
    """The recorded state, of the objects that another state of the same stack has.

    Args:
        recorded: the resources of then.
        state: what the program of today has made; every resource of then has to be in
            it.
        charts: where the charts of this cluster come from.
    """
    today = {resource["urn"]: resource for resource in state["resources"]}
    return state | {
        "resources": [
            _restored(resource, today)
            for resource in json.loads(json.dumps(recorded).replace(_CHARTS, charts))
        ]
    }


def _restored(resource: Resource, today: Mapping[str, Resource]) -> Resource:
    now = today[resource["urn"]]
    if resource["type"].startswith("pulumi:providers:"):
        return now
    if provider := resource.get("provider"):
        resource["provider"] = f"{provider}::{today[provider]['id']}"
    # A Stash has what it was given, and Kubernetes' objects what the cluster says.
    restored = resource | {
        key: now[key]
        for key in ("id", "outputs")
        if key in now and not (key in resource and _is_stash(resource))
    }
    if resource["type"] == "kubernetes:helm.sh/v3:Release":
        # Of a release that is also how Helm was asked for it.
        switches = {key: value for key, value in resource["inputs"].items() if isinstance(value, bool)}
        restored["outputs"] = restored["outputs"] | switches
    return restored


def _is_stash(resource: Resource) -> bool:
    return resource["type"] == "pulumi:index:Stash"


def _scrubbed(resource: Resource, charts: str) -> Resource:
    kept = {
        key: value
        for key, value in resource.items()
        if key not in (*_LEFT_OUT, "id") and (key != "outputs" or _is_stash(resource))
    }
    if "provider" in kept:
        kept["provider"] = kept["provider"].rpartition("::")[0]
    if kept["type"].startswith("pulumi:providers:"):
        kept["inputs"] = {}
    return json.loads(json.dumps(kept).replace(charts, _CHARTS))


def main() -> None:
    """Records the state that the program in a folder makes."""
    program = Path(sys.argv[1]).resolve()
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=program, capture_output=True, text=True, check=True
    ).stdout.strip()
    with tempfile.TemporaryDirectory() as folder, LocalCluster(Path(folder, "cluster")) as cluster:
        stack = Stack(cluster, STACK, Path(folder), program)
        stack.configure(SETTINGS)
        stack.up_or_fail()
        write(commit, stack.resources(), cluster.charts_url)


def write(commit: str, resources: list[Resource], charts: str) -> None:
    """Writes the file."""
    scrubbed = [_scrubbed(resource, charts) for resource in resources]
    FILE.write_text(
        json.dumps({"commit": commit, "settings": SETTINGS, "resources": scrubbed}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
