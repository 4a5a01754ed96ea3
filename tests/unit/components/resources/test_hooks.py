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


def test_what_an_error_quotes_is_no_command_of_a_pipeline() -> None:
    with pytest.raises(pulumi.RunError) as raised:
        run(ValueError("denied: a\n::add-mask::b\x1b[2J"))
    assert str(raised.value) == "denied: a\n\\x3a:add-mask::b\\x1b[2J"
