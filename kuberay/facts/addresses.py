"""Addresses: whose they are, and how they are shown without what is secret in them."""

import re
from typing import NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit


class Login(NamedTuple):
    """What a Helm repository asks for."""

    username: str
    password: str


def split_login(address: str) -> tuple[str, Login | None]:
    """An address without the login that stands in it, and that login.

    Raises:
        ValueError: it is no address.
    """
    parts = urlsplit(address)
    if not parts.hostname or parts.port == 0:
        raise ValueError("no host, or no port that there is")
    before, at, host = parts.netloc.rpartition("@")
    if not at:
        return address, None
    username, _, password = before.partition(":")
    return urlunsplit(parts._replace(netloc=host)), Login(unquote(username), unquote(password))


def without_logins(text: str) -> str:
    """A text without the logins in its addresses."""
    # Also of one that is written wrong: with a slash in the password, or without the
    # scheme. An image may have a digest in that place.
    return re.sub(r"(//).*@|(?<![^\s'\"])[^\s:@/'\"]+:(?!//)[^\s@'\"]+@(?!sha256:)", r"\1", text)


def without_queries(text: str) -> str:
    """A text without the queries of its addresses, which hold a signature where an
    address is a key by itself.
    """
    return re.sub(r"(\w://[^\s?]*)\?[^\s'\"]*", r"\1", text)


def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own."""
    return urlsplit(address).hostname in ("localhost", "127.0.0.1", "::1")
