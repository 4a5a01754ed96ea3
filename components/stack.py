"""The settings of the stack that Pulumi is running."""

import os
import signal
from pathlib import Path

import pulumi
from pulumi.runtime.config import get_config_env, get_config_secret_keys_env
from pulumi.runtime.mocks import MockMonitor
from pulumi.runtime.settings import get_monitor

from components.config import SettingsError, load_settings
from components.protection import open_things
from components.settings.stack import StackSettings

#: The folder of Pulumi.yaml: values files and local charts are relative to it.
PROJECT_FOLDER = Path(__file__).resolve().parent.parent


def stack_settings() -> StackSettings:
    """The stack's settings; anything wrong with them ends the program before it registers a resource, one line a problem.

    What they leave open is said, one line each.
    """
    if not isinstance(get_monitor(), MockMonitor):
        # When a resource fails, the engine interrupts the program; Python's traceback would bury the cause that was just printed.
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    try:
        settings = load_settings(get_config_env(), secret_keys=get_config_secret_keys_env(), project_folder=PROJECT_FOLDER)
    except SettingsError as error:
        raise pulumi.RunError(str(error)) from None
    for line in open_things(settings):
        pulumi.log.info(f"open: {line}")
    return settings
