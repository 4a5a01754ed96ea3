"""Which values a chart reads, by its templates and its values.yaml. Pure: texts in,
paths of keys out.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from kuberay.facts.charts import ANY, EACH, Keys

#: Where a value is, from the top of values.yaml; EACH stands for a name that the user
#: chooses.
ValuePath = tuple[str, ...]

#: Templates name a value `.Values.head.image`, or `$values.image` in the loop over
#: additional worker groups.
_USE: Final = re.compile(r"(?:\$?\.Values|\$values)((?:\.[A-Za-z]\w*)+)")
_PRESENCE: Final = re.compile(r"hasKey \.Values((?:\.[A-Za-z]\w*)*) \"(\w+)\"")


def read_values(templates: Iterable[str], defaults: Mapping[str, Any], known: Keys) -> set[ValuePath]:
    """The path of every value that the templates read or values.yaml has.

    Args:
        templates: the texts of the chart's templates.
        defaults: what its values.yaml holds.
        known: the keys of a version of the chart, which say how deep values.yaml is of
            interest.
    """
    return {*(path for text in templates for path in _named(text)), *value_paths(defaults, known)}


def value_paths(values: Mapping[str, Any], known: Keys, above: ValuePath = ()) -> Iterator[ValuePath]:
    """The path of every value, as deep as known keys go."""
    for key, value in values.items():
        here = (*above, EACH if EACH in known else key)
        yield here
        below = known.get(here[-1], ANY)
        if below is not ANY and isinstance(value, Mapping):
            yield from value_paths(value, below, here)  # pyright: ignore[reportUnknownArgumentType]


def is_read(path: ValuePath, read: Iterable[ValuePath]) -> bool:
    """Whether a chart reads a value, or one below it: some maps it takes apart, others
    it copies whole.
    """
    return any(path == each[: len(path)] for each in read)


def is_listed(path: ValuePath, known: Keys) -> bool:
    """Whether known keys have a path, or a map that is copied whole and
    lies above it.
    """
    level: Any = known
    for key in path:
        if level is ANY:
            return True
        if key not in level:
            return False
        level = level[key]
    return True


def _named(template: str) -> Iterator[ValuePath]:
    for found in _USE.finditer(template):
        path = tuple(found[1].strip(".").split("."))
        yield ("additionalWorkerGroups", EACH, *path) if found[0].startswith("$values") else path
    for found in _PRESENCE.finditer(template):
        yield (*(part for part in found[1].split(".") if part), found[2])
