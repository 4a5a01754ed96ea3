"""The settings of the stack that Pulumi is running."""

from pathlib import Path

import pulumi
from pulumi.runtime.config import get_config_env, get_config_secret_keys_env

from components.config import SettingsError, load_settings
from components.settings import StackSettings

#: The folder of Pulumi.yaml: values files and local charts are relative to it.
PROJECT_FOLDER = Path(__file__).resolve().parent.parent


def stack_settings() -> StackSettings:
    """The stack's settings; anything wrong with them ends the program before it registers a resource, one line a problem."""
    try:
        return load_settings(get_config_env(), secret_keys=get_config_secret_keys_env(), project_folder=PROJECT_FOLDER)
    except SettingsError as error:
        raise pulumi.RunError(str(error)) from None
