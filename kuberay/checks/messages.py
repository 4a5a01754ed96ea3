"""What is wrong with the settings, as every check tells it: one line that names the key, the value and what is allowed. Pure."""

import json
import re
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final, Self

from pydantic import BaseModel, ValidationError

from kuberay.facts.charts import without_logins
from kuberay.facts.phrases import did_you_mean, nearest
from kuberay.settings.base import containers, keys_at
from kuberay.settings.kubernetes import SECRET_KEYS
from kuberay.settings.stack import PROJECT, StackSettings

#: What stands for a value that must not be printed.
HIDDEN: Final = "[secret]"

#: What keys are called that hold secrets elsewhere than in this program's settings.
_SECRET_WORD = re.compile(r"pass?(wor[dt]|wd|phrase)|token|secret|credential|(api|access|private).?key", re.IGNORECASE)
_KEY_IN_TEXT = re.compile(r"(?<![\w-])[\w-]+(?=[\"']?\s*[:=])")

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

    def below(self, *here: str) -> Self:
        """The problem as it is told where the part lies below ``here``."""
        return replace(self, path=(*here, *self.path))


def problem_line(problem: Problem, hidden: set[str]) -> str:
    """A problem in one line. ``hidden``: top-level keys whose values must not be printed."""
    value, message = _show(problem.value), problem.message
    if _is_secret(problem.path, hidden):
        # A message may quote what it is about.
        value, message = HIDDEN, message.replace(problem.value, HIDDEN) if _is_long(problem.value) else message
    return f"{PROJECT}:{'.'.join(problem.path)}: {value} {message}"


def validation_problems(error: ValidationError) -> Iterator[Problem]:
    """What the types of the settings refuse."""
    for detail in error.errors(include_url=False):
        path = tuple(str(part) for part in detail["loc"] if part != "[key]")
        yield Problem(path, detail["input"], _message(detail["type"], detail, path))


def _message(kind: str, detail: Any, path: Place) -> str:
    context: dict[str, Any] = detail.get("ctx", {})
    if kind == "extra_forbidden":
        known = sorted(keys_at(StackSettings, path[:-1]))
        return f"is not a setting{did_you_mean(path[-1], known)}; known here: {', '.join(known)}"
    if kind == "missing":
        return "is required"
    if kind == "literal_error":
        allowed = [part.strip("' ") for part in str(context["expected"]).replace(" or ", ", ").split(", ")]
        return f"must be one of {', '.join(allowed)}{did_you_mean(str(detail['input']), allowed)}"
    if kind == "value_error":
        return str(context["error"])
    if kind == "string_pattern_mismatch":
        return _pattern_message(path[-1], str(context["pattern"]))
    if kind in ("dict_type", "model_type", "model_attributes_type"):
        known = sorted(keys_at(StackSettings, path))
        return "must be a map" + (f" with keys of: {', '.join(known)}" if known else "")
    if kind == "string_type":
        return "must be text; quote it"
    if kind.startswith("int_"):
        return "must be a whole number"
    if kind.startswith("bool_"):
        return "must be true or false"
    return "is refused: " + str(detail["msg"]).replace("Input should be ", "it must be ")


def _pattern_message(key: str, pattern: str) -> str:
    explained = {
        "rayVersion": "is not a full Ray version: three numbers, such as 2.46.0",
        "accelerator": "is not an image flavour: cpu, gpu or a CUDA version such as cu124",
        "redisAddress": "is not the address of a Redis: host and port, such as redis.team.svc:6379",
        "image": "is not an image reference, such as registry.example/team/ray:2.46.0-py310",
        "gpuResource": "is not the name of a device resource, such as nvidia.com/gpu",
        "mountPath": "must be an absolute path, such as /data",
    }
    return explained.get(key, f"does not match {pattern}")


def _is_secret(path: Place, hidden: set[str]) -> bool:
    """Whether what stands there must not be printed; the name of a Secret may be."""
    if path[:1] and path[0] in hidden:
        return True
    # Further up are names that people give to clusters and jobs.
    return "secretKeyRef" not in path and (not set(path).isdisjoint(SECRET_KEYS) or any(map(_names_a_secret, path[-2:])))


@cache
def _names_a_secret(key: str) -> bool:
    """Whether a key is one of those that hold secrets, or was meant to be one: people misspell them, and write others beside them."""
    if key in SECRET_KEYS:
        return True
    return key not in _all_keys() and bool(_SECRET_WORD.search(key) or (len(key) < 50 and nearest(key, SECRET_KEYS, likeness=0.75)))


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


def _is_long(value: Any) -> typing.TypeGuard[str]:
    return isinstance(value, str) and len(value) > 2 and value != HIDDEN


def _show(value: Any) -> str:
    text = json.dumps(_hide_secrets(value), default=str, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "…"


def _hide_secrets(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: HIDDEN if _names_a_secret(str(key)) else _hide_secrets(below) for key, below in value.items()}
    if isinstance(value, (list, tuple)):
        return [_hide_secrets(below) for below in value]
    if not isinstance(value, str):
        return value
    # A text may be JSON or YAML that could not be read as such.
    return HIDDEN if any(map(_names_a_secret, _KEY_IN_TEXT.findall(value))) else without_logins(value)
