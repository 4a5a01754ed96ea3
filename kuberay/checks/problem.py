"""One thing that is wrong with the settings, as every check tells it."""

from dataclasses import dataclass, replace
from typing import Any, Self


@dataclass(frozen=True)
class Problem:
    """Where it is, with which value, and what is allowed."""

    path: tuple[str, ...]
    """Keys from the top of the settings; a check of a part gives those below the part."""
    value: Any
    message: str
    """Goes after the value: ``is too long …``."""

    def below(self, *here: str) -> Self:
        """The same of settings that are themselves a part of others."""
        return replace(self, path=(*here, *self.path))
