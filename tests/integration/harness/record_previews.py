"""Records what `pulumi preview --json` prints for the unit tests:
`python -m tests.integration.harness.record_previews`.

Run it again when the program writes other resources, or the CLI another document. Only
what the report reads is kept.
"""

import json
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from local.cluster import LocalCluster
from tests.integration.harness.encrypted import set_secret
from tests.integration.harness.stack import Stack
from tests.paths import PREVIEWS

GUIDE: dict[str, Any] = {"architecture": "aarch64", "clusters": {"raycluster": {}}}
SERVE = {"applications": [{"name": "chat", "import_path": "chat:app"}]}
#: The stack that the changes below start from.
BEFORE: dict[str, Any] = {
    "architecture": "aarch64",
    "clusters": {
        "raycluster": {
            "head": {"env": {"A": "1"}},
            "additionalWorkerGroups": {"big": {"memory": "4G", "replicas": 2}},
        },
        "other": {},
    },
}


def cluster(**changed: Any) -> dict[str, Any]:
    """The stack with another `raycluster`."""
    return BEFORE | {
        "clusters": BEFORE["clusters"] | {"raycluster": BEFORE["clusters"]["raycluster"] | changed}
    }


CHANGES: dict[str, dict[str, Any]] = {
    "nothing": BEFORE,
    "memory": cluster(worker={"memory": "3G"}),
    "head-environment": cluster(head={"env": {"A": "2"}}),
    "replicas": cluster(worker={"replicas": 3}),
    "architecture": BEFORE | {"architecture": "x86"},
    "ray": BEFORE | {"rayVersion": "2.52.0", "pythonVersion": "3.11"},
    "operator": BEFORE | {"kuberayVersion": "1.6.2"},
    "cluster-added": BEFORE | {"clusters": BEFORE["clusters"] | {"third": {"worker": {"gpus": 1}}}},
    "cluster-removed": BEFORE | {"clusters": {"raycluster": BEFORE["clusters"]["raycluster"]}},
    "group-removed": cluster(additionalWorkerGroups={}),
    "service-type": cluster(values={"service": {"type": "NodePort"}}),
    "kept-pods": cluster(upgradeStrategy="None", worker={"memory": "3G"}),
    "protection": BEFORE | {"protection": {"networkPolicy": {"enabled": False}, "podSecurity": "none"}},
    "service-added": BEFORE
    | {"services": {"chat": {"serveConfig": SERVE}}, "jobs": {"train": {"entrypoint": "python -m train"}}},
    "namespace-handed-over": BEFORE | {"createNamespace": False},
    "broken": BEFORE | {"archtecture": "x86"},
}


def main() -> None:
    """Records every preview."""
    PREVIEWS.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(Path(folder, "cluster"), kuberay_versions=("1.3.0", "1.6.2")) as local,
    ):
        stack = Stack(local, "dev", _sub(folder, "dev"))
        _changes(stack)
        _secrets(stack)
        _workloads(stack)
        stack.destroy()


def _changes(stack: Stack) -> None:
    stack.configure(GUIDE)
    record(stack, "new")
    stack.configure(BEFORE)
    stack.up_or_fail()
    for name, settings in CHANGES.items():
        stack.configure(settings)
        record(stack, name)
    stack.configure(BEFORE)
    stack.cluster.kubectl("delete", "networkpolicy", "--all", "-n", "kuberay")
    stack.cluster.kubectl(
        "annotate", "namespace", "kuberay", "kuberay.pulumi/stack=someone/else", "--overwrite"
    )
    record(stack, "drift", "--refresh")
    stack.cluster.kubectl(
        "annotate", "namespace", "kuberay", "kuberay.pulumi/stack=kuberay/dev", "--overwrite"
    )
    refreshed = stack.refresh()
    assert refreshed.ok, refreshed.text


def _secrets(stack: Stack) -> None:
    with_token = BEFORE | {"rayVersion": "2.52.0"}
    secrets: dict[str, Callable[[str], None]] = {
        "secret-token": lambda text: set_secret(stack, "authToken", text),
        "secret-environment": lambda text: set_secret(stack, "clusters.raycluster.head.env.KEY", text),
        "secret-values": lambda text: set_secret(stack, "clusters.raycluster.values.head.labels.key", text),
    }
    for name, set_to in secrets.items():
        stack.configure(with_token)
        set_to("opensesame-opensesame-opensesame")
        stack.up_or_fail()
        set_to("anotherword-anotherword-anotherword")
        record(stack, name)


def _workloads(stack: Stack) -> None:
    chat: dict[str, Any] = {"serveConfig": SERVE, "rayCluster": {"worker": {"replicas": 1}}}
    train = {"entrypoint": "python -m train", "cluster": "other"}
    workloads = BEFORE | {"services": {"chat": chat}, "jobs": {"train": train}}
    stack.configure(workloads)
    stack.up_or_fail()
    another = {
        "applications": [
            {"name": "chat", "import_path": "chat:app", "deployments": [{"name": "Chat", "num_replicas": 2}]}
        ]
    }
    for name, service, job in (
        ("serve-config", chat | {"serveConfig": another}, train),
        ("service-cluster", chat | {"rayCluster": {"worker": {"replicas": 1, "memory": "3G"}}}, train),
        ("service-replicas", chat | {"rayCluster": {"worker": {"replicas": 2}}}, train),
        ("job", chat, train | {"entrypoint": "python -m train --epochs 2"}),
    ):
        stack.configure(BEFORE | {"services": {"chat": service}, "jobs": {"train": job}})
        record(stack, name)
    stack.configure(BEFORE)
    record(stack, "workloads-removed")


def record(stack: Stack, name: str, *options: str) -> None:
    """Writes one preview down."""
    text = stack.preview_json(*options).text
    digest: Mapping[str, Any] = json.loads(text[text.index("{") :])
    kept = {
        "steps": [_kept(step) for step in digest["steps"]],
        "diagnostics": digest.get("diagnostics"),
        "changeSummary": digest["changeSummary"],
    }
    written = re.sub(r"http://127\.0\.0\.1:\d+/", "https://charts.example/", _lines(kept))
    assert "opensesame" not in written and "anotherword" not in written, name
    (PREVIEWS / f"{name}.json").write_text(written)
    print(f"{name}: {dict(digest['changeSummary'])}")


def _lines(kept: Mapping[str, Any]) -> str:
    """A line a step, in an order that the engine does not give: small, and what changes
    shows in a diff.
    """
    steps = ",\n".join(sorted((json.dumps(step, sort_keys=True) for step in kept["steps"]), key=_place))
    rest = json.dumps({key: value for key, value in kept.items() if key != "steps"}, sort_keys=True)
    return f'{{"steps": [\n{steps}\n],\n{rest[1:]}\n'


def _place(line: str) -> tuple[str, str]:
    step = json.loads(line)
    return step["urn"], step["op"]


def _kept(step: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: step[key] for key in ("op", "urn", "detailedDiff") if step.get(key)}
    is_stack = step["urn"].split("::")[-2] == "pulumi:pulumi:Stack"
    for side in ("oldState", "newState"):
        if state := step.get(side):
            inputs = {
                key: value for key, value in (state.get("inputs") or {}).items() if value not in ("", False)
            }
            kept[side] = {"inputs": inputs} | ({"outputs": state.get("outputs")} if is_stack else {})
            kept[side] |= {"retainOnDelete": True} if state.get("retainOnDelete") else {}
    return kept


def _sub(folder: str, name: str) -> Path:
    made = Path(folder, name)
    made.mkdir()
    return made


if __name__ == "__main__":
    main()
