"""Settings for tests, as a stack's config would give them."""

import json
from typing import Any

from kuberay.checks.loading import load_settings
from kuberay.settings.stack import StackSettings


def load(secret_keys: tuple[str, ...] = (), **settings: Any) -> StackSettings:
    """The settings of a stack with these, of which the top-level ``secret_keys`` are encrypted."""
    config = {f"kuberay:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in settings.items()}
    return load_settings(config, secret_keys=[f"kuberay:{key}" for key in secret_keys])
