"""What a stored object, or any that there could be, would lose under another schema of its CRD."""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]


def storage_schema(crd: Mapping[str, Any]) -> Schema:
    """The schema under which a CRD's objects are stored."""
    version = next(version for version in crd["spec"]["versions"] if version["storage"])
    return version["schema"]["openAPIV3Schema"]


def lost_fields(value: Any, now: Schema, then: Schema, path: str = "") -> Iterator[str]:
    """The fields of a stored object that the API server would drop: those that ``then`` does not know.

    What ``now`` fills in by itself is nobody's, and does not count.
    """
    if then.get("x-kubernetes-preserve-unknown-fields"):
        return
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from lost_fields(item, now.get("items", {}), then.get("items", {}), f"{path}[{index}]")
    if not isinstance(value, dict):
        return
    for key, below in value.items():
        before, after = _below(now, key), _below(then, key)
        here = f"{path}.{key}" if path else str(key)
        if after is not None:
            yield from lost_fields(below, before or {}, after, here)
        elif before is None or "default" not in before or before["default"] != below:
            yield here


def unknown_fields(now: Schema, then: Schema) -> list[str]:
    """The fields that ``now`` has and ``then`` does not know, the highest first.

    In a path `[]` stands for any item of a list, and `*` for any key of a map.
    """
    found = (field.replace("[0]", "[]") for field in lost_fields(_with_every_field(now), {}, then))
    return sorted(found, key=lambda field: field.count("."))


def _with_every_field(schema: Schema) -> Any:
    """An object as large as a schema allows, without values."""
    if "items" in schema:
        return [_with_every_field(schema["items"])]
    known = {key: _with_every_field(below) for key, below in (schema.get("properties") or {}).items()}
    rest = schema.get("additionalProperties")
    return known | ({"*": _with_every_field(rest)} if isinstance(rest, Mapping) else {})


def _below(schema: Schema, key: str) -> Schema | None:
    known = (schema.get("properties") or {}).get(key)
    if known is not None:
        return known
    rest = schema.get("additionalProperties")
    return {"x-kubernetes-preserve-unknown-fields": True} if rest is True else rest or None
