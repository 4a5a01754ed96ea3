"""What `pulumi preview --json` prints, typed. Pure."""

import json
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from commands.stack.messages import without_kubeconfig
from kuberay.facts.charts import RELEASE
from kuberay.facts.objects import value_at
from kuberay.facts.phrases import SECRET, TAKES_OVER, one_line, without_values
from kuberay.settings.stack import PROJECT, may_be_quoted

Properties = Mapping[str, Any]

Operation = Literal["create", "adopt", "update", "replace", "delete", "retain"]
"""Pulumi's words; with `retain` something leaves the stack and stays in the cluster,
with `adopt` it was there and comes into the stack.
"""

#: What stands for pods that are up (components/resources/wait_for.py): replaced when
#: they restart.
WAIT_FOR = "pulumi:index:Stash"
#: The beginning of the types of its components.
COMPONENT = "kuberay:components:"

#: Settings, by their whole keys.
PRICES, SERVICES = f"{PROJECT}:prices", f"{PROJECT}:services"

#: The halves of a replacement, which is listed as a whole too, and what `--refresh`
#: reads, are no changes.
_CHANGES: dict[str, Operation] = {
    "create": "create",
    "import": "create",
    "update": "update",
    "replace": "replace",
    "delete": "delete",
}
_FRAMING = "program exited with non-zero exit code"


@dataclass(frozen=True)
class Step:
    """What is done to one resource."""

    operation: Operation
    type: str
    """``kubernetes:helm.sh/v3:Release``"""
    name: str
    parents: str
    """Type of the component that it belongs to; empty for none."""
    old: Properties
    new: Properties
    changed: tuple[str, ...] = ()
    """Paths of the inputs that the provider finds changed, those of secrets included.
    """
    is_kept: bool = False
    """Whether what was there before stays in the cluster (`retainOnDelete`)."""


@dataclass(frozen=True)
class Preview:
    steps: tuple[Step, ...]
    outputs: Properties
    """The stack's outputs before."""
    operations: Mapping[str, int]
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    """What the program says of the stack, a line each."""
    refreshed: Mapping[tuple[str, str], Properties]
    """With `--refresh`: the inputs that the state had of everything, by type and name.
    """
    connection: Mapping[str, str] = field(default_factory=dict[str, str])
    """Where the cluster is, by the provider's keys in the stack's config; a kubeconfig
    may be encrypted.
    """
    unchanged: Mapping[tuple[str, str, str], Properties] = field(
        default_factory=dict[tuple[str, str, str], Properties]
    )
    """The inputs of what stays as it is, by parents, type and name, where the preview
    was asked to list it.
    """
    prices: str = ""
    """The setting `prices`, as JSON."""


def read_preview(digest: Mapping[str, Any]) -> Preview:
    steps: list[Mapping[str, Any]] = digest.get("steps") or []
    config: Mapping[str, str] = digest.get("config") or {}
    keeps_secrets = may_be_quoted(key for key, value in config.items() if SECRET in str(value))
    said: list[Mapping[str, Any]] = [
        {**one, "message": without_values(one.get("message") or "")} if keeps_secrets else one
        for one in digest.get("diagnostics") or []
    ]
    notes = tuple(one_line(_text(one)) for one in said if one.get("severity") == "info")
    adopted = {
        note.removeprefix(TAKES_OVER).partition(",")[0] for note in notes if note.startswith(TAKES_OVER)
    }
    # The engine does many at a time, in another order each time.
    changes = [_read_step(step, adopted) for step in steps if step["op"] in _CHANGES]
    outputs = (
        value_at(step, ("oldState", "outputs"))
        for step in steps
        if _identity(step)[1] == "pulumi:pulumi:Stack" and step["op"] in ("same", "update")
    )
    return Preview(
        steps=tuple(sorted(changes, key=lambda step: _by_number(step.name))),
        outputs=next(outputs, None) or {},
        operations=digest.get("changeSummary") or {},
        errors=tuple(_error_lines(said)),
        warnings=tuple(
            one_line(_text(one).removeprefix("warning: ")) for one in said if one.get("severity") == "warning"
        ),
        notes=notes,
        refreshed={
            _identity(step)[1:]: _inputs(step, "oldState") for step in steps if step["op"] == "refresh"
        },
        connection={key: value for key, value in config.items() if key.startswith("kubernetes:")},
        unchanged={_identity(step): _inputs(step, "newState") for step in steps if step["op"] == "same"},
        prices=str(config.get(PRICES) or ""),
    )


def parse_preview(output: str) -> Preview | None:
    """What the CLI printed; None where that is no preview."""
    start = output.find("{")
    try:
        digest, _ = json.JSONDecoder().raw_decode(output[start:]) if start >= 0 else (None, 0)
    except ValueError:
        return None
    return read_preview(digest) if isinstance(digest, dict) else None


def _read_step(step: Mapping[str, Any], adopted: Container[str]) -> Step:
    parents, type_, name = _identity(step)
    operation = _CHANGES[step["op"]]
    if operation == "create" and type_ == RELEASE and name in adopted:
        operation = "adopt"
    is_kept = bool((step.get("oldState") or {}).get("retainOnDelete"))
    return Step(
        operation="retain" if operation == "delete" and is_kept else operation,
        type=type_,
        name=name,
        parents=parents,
        old=_inputs(step, "oldState"),
        new=_inputs(step, "newState"),
        changed=tuple(step.get("detailedDiff") or ()),
        is_kept=is_kept,
    )


def _inputs(step: Mapping[str, Any], side: str) -> Properties:
    return (step.get(side) or {}).get("inputs") or {}


def _by_number(name: str) -> list[tuple[int, str]]:
    """ray2 before ray10."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


def _identity(step: Mapping[str, Any]) -> tuple[str, str, str]:
    *_, types, name = str(step["urn"]).split("::")
    parents, _, type_ = types.rpartition("$")
    return parents, type_, name


def _error_lines(said: list[Mapping[str, Any]]) -> list[str]:
    texts = [_text(one).removeprefix("error: ") for one in said if one.get("severity") == "error"]
    lines = [line for text in texts for line in text.splitlines() if line.strip()]
    causes = [line for line in lines if _FRAMING not in line]
    return list(dict.fromkeys(causes or lines))


def _text(diagnostic: Mapping[str, Any]) -> str:
    return without_kubeconfig(str(diagnostic.get("message") or "")).strip().expandtabs(4)
