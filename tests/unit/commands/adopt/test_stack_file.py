"""What is written is read as it was meant, whoever reads it."""

import pytest
import yaml

from commands.adopt.stack_file import written


@pytest.mark.parametrize(
    "text",
    [
        "1e-4",
        "5e10",
        "1234e56",
        "0o14",
        "0x1f",
        ".5",
        "12:30",
        "2026-11-29",
        "1_000",
        "yes",
        "null",
        "~",
        "=",
        "",
    ],
)
def test_text_that_some_yaml_reads_as_something_else_is_quoted(text: str) -> None:
    body = written({"config": {"key": text}}, [])
    assert f"key: '{text}'" in body
    assert yaml.safe_load(body) == {"config": {"key": text}}


@pytest.mark.parametrize(
    "text",
    ["aarch64", "rayproject/ray", "raycluster-kuberay", "IfNotPresent", "two\nlines", "it's", "a: b", "#no"],
)
def test_other_text_is_what_it_was(text: str) -> None:
    assert yaml.safe_load(written({"config": {"key": text, text: 1}}, [])) == {
        "config": {"key": text, text: 1}
    }


def test_a_note_cannot_leave_its_line() -> None:
    body = written({}, ["value foo\nencryptionsalt: v1:evil is left out"])
    assert "# - value foo\\nencryptionsalt: v1:evil is left out\n" in body
    assert yaml.safe_load(body) == {}
