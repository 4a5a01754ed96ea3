"""Short digests that say whether something has changed."""

import hashlib
import json
from functools import cache
from typing import Any


def fingerprint(*parts: Any) -> str:
    """The same for the same parts, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


@cache
def secret_digest(secret: str, salt: str) -> str:
    """Says whether a secret has changed without giving it away.

    Each guess at the secret costs as much as this call does: some 50 ms and 16 MB, by scrypt's own advice.
    """
    return hashlib.scrypt(secret.encode(), salt=salt.encode(), n=2**14, r=8, p=1, dklen=12).hex()
