"""Addresses, and the logins in them."""

import pytest

from kuberay.facts.addresses import without_logins


def test_a_text_without_logins_keeps_its_addresses() -> None:
    assert (
        without_logins("of https://me:hunter2@a.example/b, https://c.example")
        == "of https://a.example/b, https://c.example"
    )
    assert without_logins("https://me:hun/ter 2@a.example/b") == "https://a.example/b"
    assert without_logins("me:hun/ter2@a.example/b") == "a.example/b"


@pytest.mark.parametrize("image", ["r.example:5000/ray:1@sha256:0a", "ray:1@sha256:0a", "ray@sha256:0a"])
def test_the_digest_of_an_image_is_behind_no_login(image: str) -> None:
    assert without_logins(image) == image
