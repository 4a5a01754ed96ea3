"""The nearest right spelling, for error messages."""

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``"; did you mean 'memory'?"``, or nothing where no known word is near."""
    by_folded = {_fold(name): name for name in known}
    near = difflib.get_close_matches(_fold(word), by_folded, n=1, cutoff=0.6)
    return f"; did you mean {by_folded[near[0]]!r}?" if near else ""


def _fold(word: str) -> str:
    # worker_memory, worker-memory and WorkerMemory are all near workerMemory.
    return word.lower().replace("_", "").replace("-", "")
