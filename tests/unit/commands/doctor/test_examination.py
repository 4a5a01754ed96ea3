"""What the doctor reads in the cluster is told without what is encrypted in
the stack's config.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import pytest

from commands.doctor.examination import Examination
from commands.doctor.finding import Finding
from commands.stack.cli import Pulumi, StackConfig

REFUSED = 'of head: refused by the API server: Pod "a" is invalid: env[0].name: Invalid value: "hunter2"'


class Cli:
    """The CLI, for a stack that has made nothing."""

    def __init__(self, *secret_keys: str) -> None:
        self._secret_keys = frozenset(secret_keys)

    def ask(self, *_: str) -> Any:
        return {"deployment": {}}

    def config(self) -> StackConfig:
        return StackConfig({}, self._secret_keys)


async def found(cli: Cli) -> str:
    return [finding async for finding in Examination(cast("Pulumi", cli)).findings()][-1].text


def test_what_the_cluster_quotes_of_encrypted_settings_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async def in_cluster(*_: object) -> AsyncIterator[Finding]:
        yield Finding("wrong", "ray, head", REFUSED)

    def nothing(*_: object) -> Iterator[Finding]:
        return iter(())

    monkeypatch.setattr(Examination, "_in_cluster", in_cluster)
    monkeypatch.setattr(Examination, "_read_settings", nothing)
    assert asyncio.run(found(Cli("kubernetes:kubeconfig"))) == REFUSED
    assert asyncio.run(found(Cli("kuberay:clusters"))) == REFUSED.replace('"hunter2"', "[secret]")
