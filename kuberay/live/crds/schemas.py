"""What a schema of a CRD says: what of an object it does not take, and what a stored
one would lose under another.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from kuberay.facts.phrases import did_you_mean

Schema = Mapping[str, Any]


def storage_schema(crd: Mapping[str, Any]) -> Schema:
    """The schema under which a CRD's objects are stored."""
    version = next(version for version in crd["spec"]["versions"] if version["storage"])
    return version["schema"]["openAPIV3Schema"]


def lost_fields(value: Any, now: Schema, then: Schema, path: str = "") -> Iterator[str]:
    """The fields of a stored object that the API server would drop: those that ``then``
    does not know.

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


#: The types of OpenAPI: what is of them, and how it is said.
_TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "object": ((Mapping,), "a map"),
    "array": ((list,), "a list"),
    "string": ((str,), "text"),
    "integer": ((int,), "a whole number"),
    "number": ((int, float), "a number"),
    "boolean": ((bool,), "true or false, without quotes"),
}


def refused_values(
    value: Any, schema: Schema, path: tuple[str, ...] = (), *, whose: str = "the CRD"
) -> Iterator[tuple[tuple[str, ...], Any, str]]:
    """Where a value is none that a schema takes: the place below, what stands there,
    and why. A null takes a field away.
    """
    if value is None or not schema:
        return
    if "enum" in schema and value not in schema["enum"]:
        allowed = [str(each) for each in schema["enum"] if each != ""]
        yield path, value, f"must be one of {', '.join(allowed)}{did_you_mean(str(value), allowed)}"
        return
    if schema.get("x-kubernetes-int-or-string"):
        wanted, said = (int, str), "text or a whole number"
    else:
        wanted, said = _TYPES.get(schema.get("type", ""), ((object,), ""))
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted not in ((bool,), (object,))):
        quoted = "; quote it" if said == "text" and isinstance(value, bool | int | float) else ""
        yield path, value, f"must be {said}{quoted}"
    elif isinstance(value, list):
        for index, item in enumerate(value):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            yield from refused_values(item, schema.get("items", {}), (*path, str(index)), whose=whose)
    elif isinstance(value, Mapping):
        for key, below in value.items():  # pyright: ignore[reportUnknownVariableType]
            here, known = (*path, str(key)), _below(schema, str(key))  # pyright: ignore[reportUnknownArgumentType]
            if known is not None:
                yield from refused_values(below, known, here, whose=whose)
            elif not schema.get("x-kubernetes-preserve-unknown-fields"):
                names = sorted(schema.get("properties") or {})
                hint = did_you_mean(str(key), names)  # pyright: ignore[reportUnknownArgumentType]
                yield here, below, f"is no field of {whose}{hint}; known here: {', '.join(names)}"
