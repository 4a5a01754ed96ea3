"""What is wrong with the settings, as every check tells it: one line that names the
key, the value and what is allowed. Pure.
"""

import json
import re
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final, Self

from pydantic import BaseModel, ValidationError

from kuberay.facts.addresses import without_logins
from kuberay.facts.charts import chart_keys, key_paths, versions_that_know
from kuberay.facts.phrases import SECRET, did_you_mean, first_few, nearest
from kuberay.facts.versions import NEWEST_KNOWN
from kuberay.facts.visible import log_line
from kuberay.settings.base import QuotingError, containers, field_of, keys_at, model_at
from kuberay.settings.kubernetes import SECRET_KEYS
from kuberay.settings.overrides import ChartOverrides
from kuberay.settings.stack import PROJECT, StackSettings

#: What keys are called that hold secrets elsewhere than in this program's settings.
SECRET_WORD = re.compile(
    r"pass?(wor[dt]|wd|phrase)|token|secret|credential|(api|access|private).?key", re.IGNORECASE
)
_KEY_IN_TEXT = re.compile(r"(?<![\w-])[\w-]+(?=[\"']?\s*[:=])")

#: Messages whose hints quote only a key, which everyone can read, begin so.
_ABOUT_KEYS = (
    "is not a setting",
    "is no setting",
    "is not a value that the chart knows",
    "must not be readable",
)
#: Hints that quote nothing begin so.
_PLAIN_HINTS = ("quote it", "leave it out", "set its ", "give the name", "write {}")

#: Where something stands in the settings: its keys, from the top.
Place = tuple[str, ...]


@dataclass(frozen=True)
class Problem:
    """Where it is, with which value, and what is allowed."""

    path: Place
    """A check of a part of the settings gives the keys below that part."""
    value: Any
    message: str
    """Goes after the value: ``is too long …``."""
    concealed: str | None = None
    """The message without anything of the value, where that must not be shown; None
    where the message has nothing of it.
    """

    def below(self, *here: str) -> Self:
        """The problem as it is told where the part lies below ``here``."""
        return replace(self, path=(*here, *self.path))


def problem_line(problem: Problem, hidden: set[str]) -> str:
    """A problem in one line. ``hidden``: top-level keys whose values must not show."""
    value, message = _show(problem.value), problem.message
    if _is_secret(problem.path, hidden):
        value, message = (
            SECRET,
            _without_hints(message if problem.concealed is None else problem.concealed, problem.value),
        )
    return log_line(f"{PROJECT}:{'.'.join(problem.path)}: {value} {message}")


def validation_problems(error: ValidationError) -> Iterator[Problem]:
    """What the types of the settings refuse."""
    for detail in error.errors(include_url=False):
        path = tuple(str(part) for part in detail["loc"] if part != "[key]")
        message = _message(detail["type"], detail, path)
        reason = detail.get("ctx", {}).get("error")
        if isinstance(reason, QuotingError):
            yield Problem(path, detail["input"], message, reason.concealed)
        else:
            names = _names_as_a_map(detail["input"], path) if message.startswith("must be a map") else ""
            yield Problem(path, detail["input"], message + names, message)


def _message(kind: str, detail: Any, path: Place) -> str:
    context: dict[str, Any] = detail.get("ctx", {})
    if kind == "extra_forbidden":
        above = _place_above(path)
        if not above and (place := _place_in_chart(path)):
            return place
        known = sorted(keys_at(StackSettings, path[:-1]))
        hint = above or did_you_mean(path[-1], known) or _places_below(path)
        return f"is not a setting{hint}; known here: {', '.join(known)}"
    if kind == "missing":
        return "is required"
    if kind == "literal_error":
        allowed = [part.strip("' ") for part in str(context["expected"]).replace(" or ", ", ").split(", ")]
        return f"must be one of {', '.join(allowed)}{did_you_mean(str(detail['input']), allowed)}"
    if kind == "value_error":
        return str(context["error"])
    if kind in ("string_too_short", "too_short") and context["min_length"] == 1:
        return "must not be empty"
    wanted = _WANTED.get(kind.partition("_")[0], "")
    if wanted and (kind.endswith("_type") or wanted not in ("text", "a list")):
        return f"must be {wanted}{_instead(detail['input'], wanted, path)}"
    return "is refused: " + str(detail["msg"]).replace("Input should be ", "it must be ")


#: What pydantic's types are called here, by the first word of its errors.
_WANTED: Final = {
    "dict": "a map",
    "model": "a map",
    "list": "a list",
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
}

#: Values of the ``ray-cluster`` chart that settings write, and these settings.
_WRITTEN_BY: Final = {
    "containerEnv": "env",
    "disabled": "enabled",
    "enableInTreeAutoscaling": "autoscaling",
    "initArgs": "rayStartParams",
    "resources": "cpu and memory",
}


def _place_in_chart(path: Place) -> str:
    """Where a value of a chart belongs that is written as a setting, or nothing where
    no chart knows it.
    """
    above = [model_at(StackSettings, path[:end]) for end in range(len(path))]
    found = next(
        ((end, model) for end, model in enumerate(above) if model and issubclass(model, ChartOverrides)), None
    )
    if found is None:
        return ""
    end, model = found
    place = path[end:]
    if not versions_that_know(model.chart, place):
        # What KubeRay calls serviceType is service.type to its chart.
        alike = (
            each
            for each in key_paths(chart_keys(model.chart, NEWEST_KNOWN))
            if len(each) > 1 and "".join(each).lower() == path[-1].lower()
        )
        place = next(alike, ())
    if not place:
        return ""
    instead = f"; here it is written by {_WRITTEN_BY[path[-1]]}" if path[-1] in _WRITTEN_BY else ""
    return (
        f"is no setting but a value of the {model.chart} chart:"
        f" {'.'.join((*path[:end], 'values', *place))}{instead}"
    )


def _place_above(path: Place) -> str:
    """Where a key is a setting, further up."""
    *here, key = path
    places = [
        (*here[:end], key)
        for end in reversed(range(len(here)))
        if key in keys_at(StackSettings, tuple(here[:end]))
    ]
    return (
        f" here; it is one at {'.'.join(places[0]) if len(places[0]) > 1 else f'{PROJECT}:{key}'}"
        if places
        else ""
    )


def _places_below(path: Place) -> str:
    """Where a key is a setting, one level further down."""
    *here, key = path
    keys = keys_at(StackSettings, tuple(here))
    below = [(*here, name, *entry) for name in keys for entry in ((), ("<name>",))]
    places = [".".join((*place, key)) for place in below if key in keys_at(StackSettings, place)]
    return f" here; it is one at {first_few(places)}" if places else ""


def _instead(value: Any, wanted: str, path: Place) -> str:
    """What to write in place of a value of a wrong type."""
    known = sorted(keys_at(StackSettings, path)) if wanted == "a map" else []
    keys = f" with keys of: {', '.join(known)}" if known else ""
    if value is None:
        return keys + _instead_of_nothing(wanted, path)
    if wanted == "a map":
        return keys + _as_a_map(value, path)
    if wanted == "a whole number":
        return _as_seconds(value, path)
    if wanted == "a list":
        return ", even of one" if value and isinstance(value, Mapping | str) else ""
    if wanted != "text":
        return ""
    if isinstance(value, Mapping) and list(map(str, value)) == ["name"]:
        return "; give the name alone"
    if isinstance(value, Mapping | list):
        example = {"image": "registry.example/team/ray:2.46.0-py310", "entrypoint": "python main.py"}
        return f"; write it as one, such as {example[path[-1]]}" if path[-1] in example else ""
    return "; quote it"


def _as_seconds(value: Any, path: Place) -> str:
    """The number that was meant by ``10m``, as other tools have it."""
    match = re.fullmatch(
        r"(\d{1,9}) *(s|m|h|d)((?<=s)ec.*|(?<=m)in.*|(?<=h)(r|our)s?|(?<=d)ays?)?", str(value)
    )
    if match is None or "seconds" not in path[-1].lower():
        return ""
    return f"; did you mean {int(match[1]) * {'s': 1, 'm': 60, 'h': 3600, 'd': 86400}[match[2]]}?"


def _instead_of_nothing(wanted: str, path: Place) -> str:
    """What to do about a key with nothing after it, which YAML reads as null."""
    model = model_at(StackSettings, path[:-1])
    field = model and field_of(model, path[-1])
    if field is None and (entry := model_at(StackSettings, path)):
        return "; write {} for all of its defaults" if _may_be_empty(entry) else ""
    if field is None:
        return '; write "" where it is to be empty' if wanted == "text" else "; leave it out"
    if field.is_required():
        return ""
    default = str(field.default).lower() if isinstance(field.default, bool) else field.default
    return "; leave it out for its default" + (
        f", {default}" if isinstance(default, str | int) and default != "" else ""
    )


def _as_a_map(value: Any, path: Place) -> str:
    """The map that was meant by a switch, as other tools have them."""
    model = model_at(StackSettings, path)
    if model is None or (switch := str(value).lower()) not in ("true", "false"):
        return ""
    if key := next((key for key in ("enabled", "install") if field_of(model, key)), None):
        return f"; did you mean {{{key}: {switch}}}?"
    if not _may_be_empty(model):
        return ""
    return "; did you mean {}?" if switch == "true" else "; leave it out instead"


def _may_be_empty(model: type[BaseModel]) -> bool:
    return not any(field.is_required() for field in model.model_fields.values())


def _names_as_a_map(value: Any, path: Place) -> str:
    """The map that was meant by a list of names, as other tools have them; the names
    are part of the value.
    """
    if model_at(StackSettings, path) is not None or not isinstance(value, list):
        return ""
    names = [_name_in_list(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    more = ", …" if len(names) > 3 else ""
    return (
        f"; did you mean {{{', '.join(f'{name}: …' for name in names[:3])}{more}}}?"
        if names and all(names)
        else ""
    )


def _name_in_list(item: Any) -> str | None:
    """The name in ``{name: A, value: b}``, ``{A: b}`` or ``A=b``; what is like no name
    may be a value.
    """
    if isinstance(item, Mapping):
        name = str(item.get("name") or next(iter(item)) if len(item) == 1 or "name" in item else "")
    else:
        name, _, value = str(item).partition("=")
        # Encoded text ends so.
        name = name if value.strip("=") else ""
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) else None


def _is_secret(path: Place, hidden: set[str]) -> bool:
    """Whether what stands there must not be printed; the name of a Secret may be."""
    if path[:1] and path[0] in hidden:
        return True
    # Further up are names that people give to clusters and jobs.
    return "secretKeyRef" not in path and (
        not set(path).isdisjoint(SECRET_KEYS) or any(map(_names_a_secret, path[-2:]))
    )


def _without_hints(message: str, value: Any) -> str:
    """A message without what may be made from a value: hints, what stands in quotes,
    and the value itself.
    """
    if not message.startswith(_ABOUT_KEYS):
        said, *hints = message.split("; ")
        said = re.sub(r"""(?<!\w)['"](?!-').*['"](?!\w)""", SECRET, said)
        message = "; ".join([said, *(hint for hint in hints if hint.startswith(_PLAIN_HINTS))])
    text = re.escape(str(value))
    return re.sub(rf"(?<!\w){text}(?!\w)", SECRET, message) if value not in ("", SECRET) else message


@cache
def _names_a_secret(key: str) -> bool:
    """Whether a key is one of those that hold secrets, or was meant to be one: people
    misspell them, and write others beside them.
    """
    if key in SECRET_KEYS:
        return True
    return key not in _all_keys() and bool(
        SECRET_WORD.search(key) or (len(key) < 50 and nearest(key, SECRET_KEYS, likeness=0.75))
    )


@cache
def _all_keys() -> frozenset[str]:
    """Every key that the settings know anywhere."""
    return frozenset(_keys_below(StackSettings))


def _keys_below(annotation: Any) -> Iterator[str]:
    for found in containers(annotation):
        if isinstance(found, type) and issubclass(found, BaseModel):
            for name, field in found.model_fields.items():
                yield field.alias or name
                yield from _keys_below(field.annotation)
        else:
            yield from _keys_below(typing.get_args(found)[-1])


def _show(value: Any) -> str:
    text = json.dumps(_hide_secrets(value), default=str, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "…"


def _hide_secrets(value: Any) -> Any:
    if isinstance(value, Mapping):
        # Kubernetes has variables as {name: …, value: …}.
        of_secret = _names_a_secret(str(value.get("name", "")))
        is_hidden = {key: _names_a_secret(str(key)) or (of_secret and key == "value") for key in value}
        return {key: SECRET if is_hidden[key] else _hide_secrets(below) for key, below in value.items()}
    if isinstance(value, (list, tuple)):
        return [_hide_secrets(below) for below in value]
    if not isinstance(value, str):
        return value
    # A text may be JSON or YAML that could not be read as such.
    return SECRET if any(map(_names_a_secret, _KEY_IN_TEXT.findall(value))) else without_logins(value)
