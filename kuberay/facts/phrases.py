"""Phrases that messages share: the nearest right spelling, one line of a text, the
first few of many.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Sequence

from kuberay.facts.visible import visible

#: How the program begins to say that it takes a release over that was made by hand; its
#: name follows, and a comma.
TAKES_OVER = "takes over Helm release "
#: What stands for a value that must not be shown, here as in what the CLI prints.
SECRET = "[secret]"
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
#: From here on a message may quote a value of an object: the API server's own (field
#: errors of `k8s.io/apimachinery`), a policy's or an admission webhook's, the
#: kubelet's. A line of this program's begins with its project's name.
_QUOTES = re.compile(
    r"((?:Invalid|Unsupported|Duplicate) value|Not found|denied (?:the )?request|exec(?=: \"))"
    r": .*?(?=\nkuberay:|\Z)",
    re.DOTALL,
)
#: Takes a line of progress.
Report = Callable[[str], None]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``"; did you mean 'memory'?"``, or nothing where no known word is near."""
    near = nearest(word, known)
    return f"; did you mean {near!r}?" if near else ""


def nearest(word: str, known: Iterable[str], *, likeness: float = 0.6) -> str | None:
    """The known word that is spelt most like this one, if any is."""
    by_folded = {_fold(name): name for name in known}
    near = difflib.get_close_matches(_fold(word), by_folded, n=1, cutoff=likeness)
    return by_folded[near[0]] if near else None


def _fold(word: str) -> str:
    # worker_memory, worker-memory and WorkerMemory are all near workerMemory.
    return word.lower().replace("_", "").replace("-", "")


def one_line(message: object) -> str:
    """A message in one line, in which everything can be seen; Ray's and its users' logs
    come in colours, which are left out.
    """
    return visible(" ".join(_COLOURS.sub("", str(message or "")).split()))


def error_line(error: Exception) -> str:
    """What an error says, in one line, or at least what it is: a request's timeout says
    nothing.
    """
    return one_line(error) or type(error).__name__


def without_values(message: object) -> str:
    """What Kubernetes says of an object of which something is encrypted in the stack's
    config, without what it may quote of it.
    """
    return _QUOTES.sub(rf"\1: {SECRET}", str(message))


def counted(number: int | str, what: str) -> str:
    """``1 pod``, ``3 pods``, ``0-10 pods``"""
    return f"{number} {what}" if str(number) == "1" else f"{number} {what}s"


def and_list(names: Sequence[str]) -> str:
    """``a, b and c``"""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def first_few(names: Sequence[str], most: int = 3) -> str:
    """``a, b, c and 7 more``"""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
