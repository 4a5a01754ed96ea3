"""From the raw config of a stack to its settings, or to one clear line for each problem
with it.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from kuberay.checks.flags import PASSWORD_FLAG, is_plain_password
from kuberay.checks.messages import Place, Problem, problem_line, validation_problems
from kuberay.checks.stack import plan_problems, settings_problems
from kuberay.facts.phrases import SECRET, nearest
from kuberay.facts.visible import log_line
from kuberay.plan.stack import StackPlan, plan_stack
from kuberay.settings.base import containers, field_of
from kuberay.settings.kubernetes import SECRET_KEYS
from kuberay.settings.stack import PROJECT, StackSettings

#: The Kubernetes provider's prefix, and its keys that say which cluster a stack is on.
_KUBERNETES: Final = "kubernetes"
_CHOOSES_THE_CLUSTER: Final = ("cluster", "context", "kubeconfig")
#: How like one of these a key is that was meant to be it: Pulumi has many more
#: providers and keys.
_LIKELY: Final = 0.85


class SettingsError(Exception):
    """Settings that cannot be used: one line a problem, each naming the key, the value
    and what is allowed.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


def load_settings(
    config: Mapping[str, str], *, secret_keys: Iterable[str] = (), project_folder: Path = Path()
) -> StackSettings:
    """The settings of `load_plan` alone."""
    return load_plan(config, secret_keys=secret_keys, project_folder=project_folder).settings


def load_plan(
    config: Mapping[str, str], *, secret_keys: Iterable[str] = (), project_folder: Path = Path()
) -> StackPlan:
    """The settings in a stack's config, and what the stack is to bring up for them.

    Args:
        config: all config of the stack as Pulumi hands it over:
            ``{"kuberay:rayVersion": "2.46.0", "kuberay:clusters": "<JSON>"}``.
        secret_keys: the keys whose values must not be printed.
        project_folder: what values files and local chart folders are relative to.

    Raises:
        SettingsError: something is unknown, misspelt, malformed, or does not go
            together.
    """
    slips = list(map(log_line, _slips_in_keys(config)))
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
            problems.append(
                Problem((key,), text, "is neither text nor YAML that Pulumi understands as an object")
            )
    problems += [
        problem for key, value in raw.items() if key not in hidden for problem in _unencrypted(value, (key,))
    ]
    try:
        settings = StackSettings.model_validate(raw, context={"project_folder": project_folder})
    except ValidationError as error:
        problems += validation_problems(error)
    else:
        if wrong := [*settings_problems(settings), *_encrypted_for_nothing(settings, hidden)]:
            problems += wrong
        else:
            # What pods are and need can only be told of settings that are right.
            plan = plan_stack(settings)
            problems += plan_problems(plan)
            if not problems and not slips:
                return plan
    raise SettingsError([*slips, *(problem_line(problem, hidden) for problem in problems)])


def _encrypted_for_nothing(settings: StackSettings, hidden: set[str]) -> Iterator[Problem]:
    """`metrics` must not be encrypted: its addresses stand readable in pods and in Helm
    values anyway.
    """
    if "metrics" in hidden and (settings.metrics.grafana or settings.metrics.prometheus):
        why = (
            "must be readable with grafana or prometheus, whose addresses pods carry as text: only"
            " prometheus.headersFrom is a secret"
        )
        yield Problem(("metrics",), SECRET, why)


def _slips_in_keys(config: Iterable[str]) -> Iterator[str]:
    """Keys that nobody reads, and somebody wrote to choose the cluster, or for this
    program: without a word, others would be used.
    """
    for full_key in config:
        prefix, _, key = full_key.partition(":")
        meant = _KUBERNETES if prefix == "k8s" else nearest(prefix, (PROJECT, _KUBERNETES), likeness=_LIKELY)
        if meant and meant != prefix:
            yield f"{full_key}: nothing here is called {prefix!r}; did you mean '{meant}:{key}'?"
        elif prefix == _KUBERNETES and (meant := _meant_to_choose(key)) and meant != key:
            yield (
                f"{full_key}: is not a setting of the Kubernetes provider; did you mean"
                f" '{_KUBERNETES}:{meant}'?"
            )


def _meant_to_choose(key: str) -> str | None:
    # kubectl and Helm call them --kube-context and so on.
    spellings = (key, re.sub(r"^kube[-_]?", "", key, flags=re.IGNORECASE))
    return next(
        (meant for each in spellings if (meant := nearest(each, _CHOOSES_THE_CLUSTER, likeness=_LIKELY))),
        None,
    )


def is_sealed(plan: StackPlan, secret_keys: Iterable[str]) -> bool:
    """Whether fingerprints are sealed: where anything in the settings is encrypted, by
    the keys that are, and where it is asked for.
    """
    return plan.settings.protection.seal_fingerprints or any(
        key.startswith(f"{PROJECT}:") for key in secret_keys
    )


def _decode(key: str, text: str) -> Any:
    """Pulumi hands over every value as text: objects and arrays as JSON, and a
    top-level scalar as it stands.
    """
    field = field_of(StackSettings, key)
    if text == "" and field is not None and field.default is None:
        return None
    if field is None or containers(field.annotation):
        # Unknown keys are refused by name, whatever they hold; a scalar where an object
        # belongs is refused by its type.
        return json.loads(text) if text.lstrip().startswith(("{", "[")) else text
    return text


def _unencrypted(value: Any, path: Place) -> Iterator[Problem]:
    """Secrets that stand in the stack file for everyone to read."""
    # A password may be written as text or a number, or as the `value` of a map; for a
    # flag, as a variable that the shell knows.
    is_password = path[-1] in SECRET_KEYS or (path[-1] == "value" and not set(path).isdisjoint(SECRET_KEYS))
    is_text = isinstance(value, str | int | float) and not isinstance(value, bool)
    if is_text and (is_password or (path[-1] == PASSWORD_FLAG and is_plain_password(value))):
        command = "pulumi config set --secret" + (" --path" if len(path) > 1 else "")
        yield Problem(
            path,
            SECRET,
            f"must not be readable in the stack file: {command} '{PROJECT}:{'.'.join(path)}'",
        )
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _unencrypted(below, (*path, str(key)))
