"""Settings for tests, as a stack's config would give them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from kuberay.checks.loading import load_plan, load_settings
from kuberay.plan.stack import StackPlan
from kuberay.settings.stack import StackSettings
from tests.paths import ROOT


def as_config(settings: Mapping[str, Any]) -> dict[str, str]:
    """As Pulumi hands settings over; a key that has a project's prefix keeps it."""
    return {
        key if ":" in key else f"kuberay:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in settings.items()
    }


def load(secret_keys: tuple[str, ...] = (), **settings: Any) -> StackSettings:
    """The settings of a stack with these, of which the top-level ``secret_keys`` are
    encrypted.
    """
    return load_settings(as_config(settings), secret_keys=[f"kuberay:{key}" for key in secret_keys])


def plan_of_file(file: Path) -> StackPlan:
    """The plan of a stack file that comes with the project."""
    given: dict[str, Any] = yaml.safe_load(file.read_text())["config"]
    return load_plan(as_config(given), project_folder=ROOT)
