"""What a stored object would lose under another schema."""

from typing import Any

import pytest

from kuberay.live.crds.schemas import lost_fields, refused_values, unknown_fields

TEXT = {"type": "string"}


def fields(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def lost(value: Any, now: dict[str, Any], then: dict[str, Any]) -> list[str]:
    return list(lost_fields(value, now, then))


def test_a_field_that_both_schemas_know_is_kept() -> None:
    assert lost({"a": {"b": "x"}}, fields(a=fields(b=TEXT)), fields(a=fields(b=TEXT))) == []


def test_a_field_that_only_the_present_schema_knows_is_lost_whole() -> None:
    assert lost(
        {"a": "x", "auth": {"mode": "token"}}, fields(a=TEXT, auth=fields(mode=TEXT)), fields(a=TEXT)
    ) == ["auth"]


def test_a_field_deep_in_a_list_is_named_with_its_place() -> None:
    now = fields(groups={"type": "array", "items": fields(name=TEXT, labels=TEXT)})
    then = fields(groups={"type": "array", "items": fields(name=TEXT)})
    assert lost({"groups": [{"name": "a"}, {"name": "b", "labels": "x"}]}, now, then) == ["groups[1].labels"]


def test_what_the_present_schema_fills_in_by_itself_is_nobodys() -> None:
    # KubeRay 1.7 writes priority 0 into every worker group.
    now = fields(priority={"type": "integer", "default": 0})
    assert lost({"priority": 0}, now, fields()) == []
    assert lost({"priority": 5}, now, fields()) == ["priority"]


def test_keys_of_a_map_and_free_form_objects_are_kept() -> None:
    labels = {"type": "object", "additionalProperties": TEXT}
    free = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = fields(labels=labels, free=free, open={"type": "object", "additionalProperties": True})
    assert (
        lost({"labels": {"a": "b"}, "free": {"x": {"y": 1}}, "open": {"x": {"y": 1}}}, schema, schema) == []
    )


def test_fields_that_another_schema_does_not_know_are_named_once_each_the_highest_first() -> None:
    group = fields(name=TEXT, labels={"type": "object", "additionalProperties": fields(unit=TEXT)})
    now = fields(groups={"type": "array", "items": group}, auth=fields(mode=fields(kind=TEXT)), kept=TEXT)
    then = fields(
        groups={
            "type": "array",
            "items": fields(labels={"type": "object", "additionalProperties": fields()}),
        },
        kept=TEXT,
    )
    assert unknown_fields(now, then) == ["auth", "groups[].name", "groups[].labels.*.unit"]
    assert unknown_fields(then, now) == []


def test_a_default_is_a_field_too_when_schemas_are_compared() -> None:
    assert unknown_fields(fields(priority={"type": "integer", "default": 0}), fields()) == ["priority"]


def test_a_free_form_object_knows_every_field() -> None:
    assert (
        unknown_fields(fields(a=TEXT), {"type": "object", "x-kubernetes-preserve-unknown-fields": True}) == []
    )


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (
            {"suspnd": True},
            (
                "suspnd True is no field of the CRD; did you mean 'suspend'?; known here: amount, groups,"
                " mode, suspend"
            ),
        ),
        ({"suspend": "true"}, "suspend true must be true or false, without quotes"),
        ({"mode": "tokn"}, "mode tokn must be one of token, disabled; did you mean 'token'?"),
        ({"groups": {}}, "groups {} must be a list"),
        ({"groups": [{"replicas": "1"}]}, "groups.0.replicas 1 must be a whole number"),
        ({"groups": [{"replicas": True}]}, "groups.0.replicas True must be a whole number"),
        ({"groups": [{"name": 5}]}, "groups.0.name 5 must be text; quote it"),
        ({"amount": 1.5}, "amount 1.5 must be text or a whole number"),
    ],
)
def test_a_value_that_a_schema_does_not_take_is_told_with_its_place(value: Any, line: str) -> None:
    schema = fields(
        suspend={"type": "boolean"},
        mode={"type": "string", "enum": ["token", "disabled", ""]},
        amount={"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, TEXT]},
        groups={"type": "array", "items": fields(name=TEXT, replicas={"type": "integer"})},
    )
    assert [f"{'.'.join(path)} {found} {why}" for path, found, why in refused_values(value, schema)] == [line]


def test_what_a_schema_takes_and_a_null_are_not_refused() -> None:
    free = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = fields(
        free=free, labels={"type": "object", "additionalProperties": TEXT}, count={"type": "integer"}
    )
    assert list(refused_values({"free": {"a": [1]}, "labels": {"x": "y"}, "count": None}, schema)) == []
