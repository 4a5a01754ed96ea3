"""Tells whether a secret has changed, without giving it away."""

import hashlib
from functools import cache


@cache
def secret_digest(secret: str, salt: str) -> str:
    """Another one for each secret. Each guess at it costs as much as this call does: some 50 ms and 16 MB, by scrypt's own advice."""
    return hashlib.scrypt(secret.encode(), salt=salt.encode(), n=2**14, r=8, p=1, dklen=12).hex()
