"""What is different between two trees of JSON, a line a value, and where only a secret
is. Pure.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from commands.preview.meaning.hiding import MISSING, names_of, without_moved
from kuberay.facts.labels import STACK_MARK, TEMPLATE_ANNOTATION
from kuberay.facts.phrases import SECRET

#: How a reason is said that nobody may see.
ENCRYPTED_SETTING = "a setting that is kept encrypted"


@dataclass(frozen=True)
class Difference:
    """One value that differs."""

    path: tuple[str, ...]
    old: Any
    """The value before, as text; None where there was none."""
    new: Any

    @property
    def top(self) -> str:
        """The key that it is below."""
        return next(iter(self.path), "")

    @property
    def where(self) -> str:
        """``worker.containerEnv[A].value``"""
        return "".join(part if part.startswith("[") else f".{part}" for part in self.path).removeprefix(".")


def differences(old: Any, new: Any, path: tuple[str, ...] = ()) -> Iterator[Difference]:
    """Every value that is in one tree only, or differs. Empty maps and lists count as
    nothing there.
    """
    if new == SECRET and old not in (MISSING, SECRET):
        # What is kept encrypted from now on may well be what stood there before.
        yield Difference(path, SECRET, SECRET)
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys([*old, *new]):
            yield from differences(old.get(key, MISSING), new.get(key, MISSING), (*path, str(key)))
    elif isinstance(old, list) and isinstance(new, list):
        yield from differences(_by_name(old), _by_name(new), path)
    elif isinstance(old, (Mapping, list)) or isinstance(new, (Mapping, list)):
        yield from _whole(old, path, gone=True)
        yield from _whole(new, path, gone=False)
    elif old != new:
        yield Difference(path, _show(old), _show(new))


def shown_differences(old: Any, new: Any) -> list[Difference]:
    """What differs, without what stands there for the program itself; nothing where all
    of the new tree is a secret.
    """
    if new == SECRET:
        return []
    before, after = old if isinstance(old, Mapping) else {}, new if isinstance(new, Mapping) else {}
    found = differences(without_moved(before, after), after)
    return [one for one in found if TEMPLATE_ANNOTATION not in one.path and one.path[-1] != STACK_MARK]


def lines(found: Iterator[Difference] | list[Difference]) -> list[str]:
    """As a diff: ``- path: old`` and ``+ path: new``; ``~`` where a secret changes. Of
    a longer text each line has the sign, further in.
    """
    written: list[str] = []
    for one in found:
        if one.old == one.new == SECRET:
            written.append(f"~ {one.where}: a secret changes")
            continue
        for sign, value in (("-", one.old), ("+", one.new)):
            if value is not None:
                written += f"{sign} {one.where}: {value}".replace("\n", f"\n{sign}     ").split("\n")
    return written


def _whole(tree: Any, path: tuple[str, ...], *, gone: bool) -> Iterator[Difference]:
    """Every value of a tree that was not there, or is not there any more."""
    if isinstance(tree, list):
        tree = _by_name(tree)
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _whole(value, (*path, str(key)), gone=gone)
    elif tree is not MISSING:
        yield Difference(path, _show(tree), None) if gone else Difference(path, None, _show(tree))


def _by_name(items: list[Any]) -> dict[str, Any]:
    """Entries with names are compared by name, as Kubernetes merges them; others by
    their place.
    """
    if names := names_of(items):
        return {f"[{name}]": item for name, item in zip(names, items, strict=True)}
    return {f"[{number}]": item for number, item in enumerate(items)}


def _show(value: Any) -> str | None:
    if value is MISSING or value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def hidden_changes(old: Any, new: Any, changed: Sequence[str]) -> list[str]:
    """The secrets that differ, by path, though both sides show the same: as the
    provider found them (`detailedDiff`).
    """
    return [
        path
        for path in _secret_paths(old, new)
        if any(one.startswith(path) or path.startswith(f"{one}.") for one in changed)
    ]


def _secret_paths(old: Any, new: Any, path: str = "") -> Iterator[str]:
    if old == new == SECRET:
        yield path
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in old:
            if key in new:
                part = f".{key}" if re.fullmatch(r"[A-Za-z_$][\w$]*", str(key)) else f'["{key}"]'
                yield from _secret_paths(old[key], new[key], f"{path}{part}".removeprefix("."))
    elif isinstance(old, list) and isinstance(new, list):
        for number, (one, other) in enumerate(zip(old, new, strict=False)):
            yield from _secret_paths(one, other, f"{path}[{number}]")
