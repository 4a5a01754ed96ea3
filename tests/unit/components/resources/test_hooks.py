"""A hook that fails is never taken for one that has ended well."""

import asyncio
from typing import Any

import httpx2
import pulumi
import pytest

from components.resources.hooks import with_error_text


def run(error: Exception) -> None:
    async def fail(_: pulumi.ResourceHookArgs) -> None:
        raise error

    async def hook() -> None:
        nothing: Any = None
        await with_error_text(fail)(nothing)

    asyncio.run(hook())


def test_an_error_without_text_is_called_by_its_name() -> None:
    assert str(httpx2.ReadTimeout("")) == ""
    with pytest.raises(pulumi.RunError, match=r"^ReadTimeout$"):
        run(httpx2.ReadTimeout(""))


def test_an_error_keeps_its_text() -> None:
    with pytest.raises(pulumi.RunError, match=r"^raycluster-kuberay: no pod$"):
        run(ValueError("raycluster-kuberay: no pod"))


def test_what_the_cluster_quotes_of_encrypted_settings_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    said = (
        'kuberay:clusters.a: refused by the API server: Pod "a" is invalid: env[0].name: Invalid value:'
        ' "hunter2": must be\nkuberay:clusters.b: admission webhook "env.corp" denied the request: \n\n'
        "policy: hunter2"
    )
    with pytest.raises(pulumi.RunError, match="hunter2"):
        run(ValueError(said))
    # These are in no pod.
    monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", '["kuberay:authToken", "kuberay:chartRepository"]')
    with pytest.raises(pulumi.RunError, match="hunter2"):
        run(ValueError(said))
    monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", '["kuberay:authToken", "kuberay:clusters"]')
    with pytest.raises(pulumi.RunError) as raised:
        run(ValueError(said))
    assert str(raised.value) == (
        'kuberay:clusters.a: refused by the API server: Pod "a" is invalid: env[0].name: Invalid value:'
        ' [secret]\nkuberay:clusters.b: admission webhook "env.corp" denied the request: [secret]'
    )


def test_what_an_error_quotes_is_no_command_of_a_pipeline() -> None:
    with pytest.raises(pulumi.RunError) as raised:
        run(ValueError("denied: a\n::add-mask::b\x1b[2J"))
    assert str(raised.value) == "denied: a\n\\x3a:add-mask::b\\x1b[2J"
