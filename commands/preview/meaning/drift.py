"""What in the cluster is no longer as the stack made it, where `pulumi refresh` does
not look: inside Helm releases. Pure.

The API server is asked what an object would be if it were applied once more, without
applying it. Compared with the object as it is, that shows neither what the API server
fills in by default nor another way to write a quantity. What people have added is taken
out of it first: an apply leaves alone what it does not know.
"""

import copy
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from commands.preview.meaning.differences import Difference, differences, hidden_changes
from commands.preview.meaning.hiding import hides_more, keeps_secrets, may_be_secret, without_free
from commands.preview.meaning.report import Drift, StackReport, worst
from commands.preview.meaning.steps import Preview
from kuberay.facts.objects import Object
from kuberay.facts.quantities import same_amount

#: Metadata that the API server writes.
_NOT_COMPARED = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp")
#: Of a group that Ray's autoscaler scales.
_AUTOSCALERS = ("replicas", "scaleStrategy")
#: How programs by which people change things begin to call themselves. Whatever else
#: adds fields, such as a webhook or an operator, does what it is there for.
_OF_PEOPLE = ("kubectl", "k9s", "lens", "openlens", "headlamp", "dashboard", "mozilla", "rancher")
#: What `kubectl rollout restart` writes changes nothing of what was asked for.
_RESTARTED = "kubectl.kubernetes.io/restartedAt"
_GLOBAL_KINDS = ("Namespace", "CustomResourceDefinition", "PriorityClass", "StorageClass")


def drift_of(applied: Object, live: Object | None, values: Any = None) -> Drift | None:
    """How an object differs from what it would be if it were applied again; None where
    it does not.

    Both are decrypted. A value is told where nobody can have written a secret; else,
    that it differs. ``values``: those of its release as a preview shows them. What is a
    secret there is none the less here: where they have one, neither are keys and names
    told that somebody chose.
    """
    kind, name = str(applied["kind"]), str(applied["metadata"]["name"])
    if live is None:
        return Drift(kind=kind, name=name, what="deleted")
    found = [
        one
        for one in differences(_strip(live), _strip(applied))
        if not _is_same(one) and not _is_autoscalers(one, applied)
    ]
    fields = dict.fromkeys(_describe(one, values) for one in found)
    return Drift(kind=kind, name=name, what="edited", fields=list(fields)) if found else None


def without_additions(applied: Object, rendered: Object) -> Object:
    """An object as it would be if it were applied, without the fields that people have
    added beside what Helm has rendered: the API server knows who wrote each field.
    """
    pruned = copy.deepcopy(dict(applied))
    for entry in applied["metadata"].get("managedFields") or []:
        if str(entry.get("manager")).lower().startswith(_OF_PEOPLE) and not entry.get("subresource"):
            fields = dict(entry.get("fieldsV1") or {})
            labels = {key: of for key, of in fields.pop("f:metadata", {}).items() if key == "f:labels"}
            _take_out(pruned, fields | {"f:metadata": labels}, rendered)
    return pruned


def _take_out(tree: Any, fields: Mapping[str, Any], rendered: Any) -> None:
    for key, below in fields.items():
        sign, _, named = key.partition(":")
        if sign == "f" and isinstance(tree, dict) and named in tree and named != _RESTARTED:
            there: Any = rendered.get(named) if isinstance(rendered, Mapping) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            if below:
                _take_out(tree[named], below, there)
            elif there is None:
                del tree[named]
        elif sign == "k" and isinstance(tree, list):
            keys = json.loads(named)
            item, there = _item_of(tree, keys), _item_of(rendered, keys)
            if item is not None and there is None:
                tree.remove(item)  # pyright: ignore[reportUnknownMemberType]
            elif item is not None:
                _take_out(item, below, there)


def _item_of(items: Any, keys: Mapping[str, Any]) -> Any:
    """The one of a list that these keys name; of a port, also one that a chart leaves
    out.
    """
    given: list[Any] = items if isinstance(items, list) else []
    return next((item for item in given if keys.items() <= {"protocol": "TCP", **item}.items()), None)


def is_namespaced(obj: Object) -> bool:
    """Whether an object of a chart lies in the release's namespace."""
    return not str(obj["kind"]).startswith("Cluster") and obj["kind"] not in _GLOBAL_KINDS


def _strip(obj: Object) -> Object:
    """What was asked for of it."""
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _NOT_COMPARED}
    return {key: value for key, value in obj.items() if key != "status"} | {"metadata": metadata}


def _is_same(one: Difference) -> bool:
    """Whether both are the same amount: custom resources keep what was written."""
    is_amount = {"limits", "requests"} & set(one.path) and one.old is not None and one.new is not None
    return bool(is_amount) and same_amount(one.old, one.new)


def _is_autoscalers(one: Difference, applied: Object) -> bool:
    scaled = (applied.get("spec") or {}).get("enableInTreeAutoscaling") is True
    return scaled and "workerGroupSpecs" in one.path and bool(set(_AUTOSCALERS) & set(one.path))


def _describe(one: Difference, values: Any) -> str:
    hides_all = hides_more(values)
    path = without_free(one.path) if keeps_secrets(values) else one.path
    if hides_all:
        path = tuple("[…]" if part.startswith("[") and not part[1:-1].isdigit() else part for part in path)
    where = replace(one, path=path).where
    if len(path) < len(one.path):
        return f"{where} differs"
    shown = not hides_all and not may_be_secret(path)
    if one.old is None:
        return f"{where} is gone" + (f", not {one.new}" if shown else "")
    if one.new is None:
        return f"{where} is {one.old}, and was not there" if shown else f"{where} was not there"
    return f"{where} is {one.old}, not {one.new}" if shown else f"{where} differs"


def seen_by_refresh(preview: Preview) -> list[Drift]:
    """What `--refresh` has found deleted, so that it is created again, or other than
    the stack made it, whose settings are the same.
    """
    found: list[Drift] = []
    for step in preview.steps:
        made = preview.refreshed.get((step.type, step.name))
        if made is None or not step.type.startswith("kubernetes:"):
            continue
        kind = step.type.rpartition(":")[2].removesuffix("Patch")
        if step.operation == "create":
            found.append(Drift(kind=kind, name=step.name, what="deleted"))
        elif step.operation == "update" and made == step.new and step.changed:
            secrets = hidden_changes(made, step.new, step.changed)
            # Of what is a secret as a whole, the keys below are one too.
            fields = (
                next((each for each in secrets if path.startswith(each)), path) for path in step.changed
            )
            found.append(Drift(kind=kind, name=step.name, what="edited", fields=list(dict.fromkeys(fields))))
    return found


def add_drift(report: StackReport, found: list[Drift]) -> None:
    """A stack that has drifted is one that changes, whether `pulumi up` would notice it
    or not.
    """
    report.drift = sorted(found, key=lambda one: (one.what, one.kind, one.name))
    report.level = worst([report.level, "changes" if found else "nothing"])
