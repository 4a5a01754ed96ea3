"""From the raw config of a stack to its settings, or to one clear line for each thing that is wrong with it."""

import json
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from kuberay.checks.problem import Problem
from kuberay.checks.stack import cross_checks
from kuberay.facts.phrases import did_you_mean
from kuberay.settings.kubernetes import SECRET_KEYS
from kuberay.settings.stack import StackSettings

PROJECT = "kuberay"


class SettingsError(Exception):
    """Settings that cannot be used: one line a problem, each naming the key, the value and what is allowed."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


def load_settings(config: Mapping[str, str], *, secret_keys: Iterable[str] = (), project_folder: Path = Path()) -> StackSettings:
    """The settings in a stack's config.

    Args:
        config: all config of the stack as Pulumi hands it over: ``{"kuberay:rayVersion": "2.46.0", "kuberay:clusters": "<JSON>"}``.
        secret_keys: the keys whose values must not be printed.
        project_folder: what values files and local chart folders are relative to.

    Raises:
        SettingsError: something is unknown, misspelt, malformed, or does not go together.
    """
    hidden = {key.partition(":")[2] for key in secret_keys if key.startswith(f"{PROJECT}:")}
    raw: dict[str, Any] = {}
    problems: list[Problem] = []
    for full_key, text in config.items():
        project, _, key = full_key.partition(":")
        if project != PROJECT:
            continue
        try:
            raw[key] = _decode(key, text)
        except ValueError:
            problems.append(Problem((key,), text, "is neither text nor YAML that Pulumi understands as an object"))
    problems += [problem for key, value in raw.items() if key not in hidden for problem in _unencrypted(value, (key,))]
    try:
        settings = StackSettings.model_validate(raw, context={"project_folder": project_folder})
        problems += cross_checks(settings)
    except ValidationError as error:
        problems += _problems(error)
    else:
        if not problems:
            return settings
    raise SettingsError(_line(problem, hidden) for problem in problems)


def _decode(key: str, text: str) -> Any:
    """Pulumi hands over every value as text: objects and arrays as JSON, and a top-level scalar as it stands."""
    field = _field(StackSettings, key)
    if text == "" and field is not None and field.default is None:
        return None
    if field is None or _containers(field.annotation):
        # Unknown keys are refused by name, whatever they hold; a scalar where an object belongs is refused by its type.
        return json.loads(text) if text.lstrip().startswith(("{", "[")) else text
    return text


def _unencrypted(value: Any, path: tuple[str, ...]) -> Iterator[Problem]:
    """Secrets that stand in the stack file for everyone to read."""
    # A password may be written as text, or as the `value` of a map.
    if isinstance(value, str) and (path[-1] in SECRET_KEYS or (path[-1] == "value" and not set(path).isdisjoint(SECRET_KEYS))):
        command = "pulumi config set --secret" + (" --path" if len(path) > 1 else "")
        yield Problem(path, "[secret]", f"must not be readable in the stack file: {command} '{PROJECT}:{'.'.join(path)}'")
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _unencrypted(below, (*path, str(key)))


def _problems(error: ValidationError) -> Iterator[Problem]:
    for detail in error.errors(include_url=False):
        path = tuple(str(part) for part in detail["loc"] if part != "[key]")
        yield Problem(path, detail["input"], _message(detail["type"], detail, path))


def _message(kind: str, detail: Any, path: tuple[str, ...]) -> str:
    context: dict[str, Any] = detail.get("ctx", {})
    if kind == "extra_forbidden":
        known = sorted(_keys_at(path[:-1]))
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
        known = sorted(_keys_at(path))
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


def _line(problem: Problem, hidden: set[str]) -> str:
    value = "[secret]" if _is_secret(problem.path, hidden) else _shown(problem.value)
    return f"{PROJECT}:{'.'.join(problem.path)}: {value} {problem.message}"


def _is_secret(path: tuple[str, ...], hidden: set[str]) -> bool:
    """Whether what stands there must not be printed; the name of a Secret may be."""
    return bool(path) and (path[0] in hidden or ("secretKeyRef" not in path and not set(path).isdisjoint(SECRET_KEYS)))


def _shown(value: Any) -> str:
    text = json.dumps(_without_secrets(value), default=str, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "…"


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: "[secret]" if key in SECRET_KEYS else _without_secrets(below) for key, below in value.items()}
    return value


# --- Which keys there are at a path of the settings ---------------------------------------------------------------------


def _field(model: type[BaseModel], alias: str) -> FieldInfo | None:
    return next((field for name, field in model.model_fields.items() if (field.alias or name) == alias), None)


def _containers(annotation: Any) -> list[Any]:
    """The models, dicts and lists that an annotation allows."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _containers(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return [found for option in typing.get_args(annotation) for found in _containers(option)]
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return [annotation] if is_model or origin in (dict, list) else []


def _keys_at(path: tuple[str, ...]) -> list[str]:
    """The keys that the settings know at a path, none where any key will do."""
    annotation: Any = StackSettings
    for part in path:
        containers = _containers(annotation)
        if not containers:
            return []
        container = containers[0]
        if typing.get_origin(container) in (dict, list):
            annotation = typing.get_args(container)[-1]
        else:
            field = _field(container, part)
            if field is None:
                return []
            annotation = field.annotation
    containers = _containers(annotation)
    if not containers or typing.get_origin(containers[0]) is not None:
        return []
    return [field.alias or name for name, field in containers[0].model_fields.items()]
