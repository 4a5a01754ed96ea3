"""Encrypted config, set as a person sets it."""

import subprocess

from tests.integration.harness.stack import Stack
from tests.paths import ROOT


def set_secret(stack: Stack, path: str, text: str) -> None:
    """Adds an encrypted value to the config of a stack."""
    command = stack.command("config", "set", "--secret", "--path", f"kuberay:{path}", text)
    subprocess.run(command, cwd=ROOT, env=stack.cluster.pulumi_env(), capture_output=True, check=True)
