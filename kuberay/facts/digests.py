"""Short hashes that say whether something has changed."""

import hashlib
import json
from typing import Any


def fingerprint(*parts: Any) -> str:
    """The same for the same parts, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]
