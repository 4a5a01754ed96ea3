"""Short digests that say whether something has changed."""

import hashlib
import hmac
import json
from dataclasses import dataclass
from functools import cache
from typing import Any

_LENGTH = 12
#: What the state keeps of a stack that holds secrets, by the name of its Stash
#: (components/resources/fingerprint_key.py).
KEY_STASH = "fingerprint-key"


def fingerprint(*parts: Any) -> str:
    """The same for the same parts, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:_LENGTH]


@dataclass(frozen=True)
class Seal:
    """Makes of a fingerprint one that can be seen: whoever lacks the key cannot try
    what it is of, however short a secret in it is.
    """

    key: str
    kept: frozenset[str] = frozenset()
    """Fingerprints that stay as they are: running pods carry them from before there was
    a key, and would restart over others.
    """

    def __call__(self, fingerprint: str) -> str:
        if fingerprint in self.kept:
            return fingerprint
        return hmac.new(self.key.encode(), fingerprint.encode(), hashlib.sha256).hexdigest()[:_LENGTH]


@cache
def secret_digest(secret: str, salt: str) -> str:
    """Says whether a secret has changed without giving it away.

    Each guess at the secret costs as much as this call does: some 50 ms and 16 MB, by
    scrypt's own advice.
    """
    return hashlib.scrypt(secret.encode(), salt=salt.encode(), n=2**14, r=8, p=1, dklen=12).hex()
