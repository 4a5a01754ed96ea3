"""The stack that Pulumi is running: its settings and plans, its cluster,
its secrets.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import pulumi
from pulumi.runtime.config import get_config_env, get_config_secret_keys_env

from kuberay.checks.advice import stack_advice
from kuberay.checks.left_open import exposures
from kuberay.checks.loading import SettingsError, load_plan
from kuberay.facts.phrases import without_values
from kuberay.facts.versions import is_later
from kuberay.facts.visible import log_line
from kuberay.live.api.connection import Connection
from kuberay.plan.stack import StackPlan
from kuberay.settings.stack import PROJECT, may_be_quoted

T = TypeVar("T")

#: The folder of Pulumi.yaml: values files and local charts are relative to it.
PROJECT_FOLDER = Path(__file__).resolve().parent.parent


def is_encrypted(key: str) -> bool:
    """Whether something below this key of the stack's config is encrypted. Pulumi tells
    that of top-level keys only.
    """
    return f"{PROJECT}:{key}" in get_config_secret_keys_env()


def secret_where_encrypted(value: T, key: str) -> T | pulumi.Output[T]:
    """A value that comes from below this key of the config, kept as a secret where
    something there is encrypted.
    """
    return pulumi.Output.secret(value) if is_encrypted(key) else value


def told(message: object) -> str:
    """What an error or the cluster says, without what it may quote of a stack's
    encrypted settings.
    """
    return without_values(message) if may_be_quoted(get_config_secret_keys_env()) else str(message)


def conceal_texts(texts: Mapping[str, str], key: str) -> dict[str, pulumi.Input[str]]:
    """The texts of a map, kept as secrets where something below this key of the config
    is encrypted.
    """
    return {name: secret_where_encrypted(text, key) for name, text in texts.items()}


def stack_connection() -> Connection:
    """The cluster of the stack's default Kubernetes provider, for whatever has to be
    asked beside Pulumi.
    """
    config = pulumi.Config("kubernetes")
    return Connection(
        config.get("kubeconfig") or None, config.get("context") or None, config.get("cluster") or None
    )


def stack_plan() -> StackPlan:
    """The stack's settings and plans; anything wrong with them ends the program before
    it registers a resource, one line a problem.

    Logs what they leave open, and what they are warned of.
    """
    try:
        plan = load_plan(
            get_config_env(), secret_keys=get_config_secret_keys_env(), project_folder=PROJECT_FOLDER
        )
    except SettingsError as error:
        raise pulumi.RunError(str(error)) from None
    if is_later(plan.settings.kuberay_version):
        _look_at_its_charts(plan)
    for line in exposures(plan):
        pulumi.log.info(log_line(f"open: {line}"))
    for _, line in stack_advice(plan, repository_is_encrypted=is_encrypted("chartRepository")):
        pulumi.log.warn(log_line(line))
    return plan


def _look_at_its_charts(plan: StackPlan) -> None:
    # Any other stack is spared the imports.
    from kuberay.live.crds.later_versions import look_at_later_version

    if later := look_at_later_version(plan, PROJECT_FOLDER):
        if later.problems:
            raise pulumi.RunError("\n".join(map(log_line, later.problems)))
        pulumi.log.warn(log_line(later.remark))
