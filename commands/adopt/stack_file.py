"""A stack file as `make adopt` writes it. Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from kuberay.facts.visible import visible

#: Text that each version of YAML reads as text, without quotes. What begins with a
#: digit or a dot may be a number, a date or a time.
_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*")


class _Dumper(yaml.SafeDumper):
    """Pulumi reads YAML by other rules than PyYAML writes it: `1e-4` without quotes is
    a number to it.
    """


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    plain = _PLAIN.fullmatch(text) and yaml.safe_load(text) == text
    return dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style=None if plain else '"' if "\n" in text else "'"
    )  # pyright: ignore[reportUnknownMemberType]


_Dumper.add_representer(str, _text)


def written(content: Mapping[str, Any], notes: Iterable[str]) -> str:
    """The file, with what a person has to know at its head."""
    body: str = yaml.dump(dict(content), Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)
    comments = "".join(f"# - {visible(note)}\n" for note in notes)
    return (
        "# yaml-language-server: $schema=docs/stack.schema.json\n"
        f"# Brought along from Helm releases that were made by hand. What to know of it:\n{comments}{body}"
    )
