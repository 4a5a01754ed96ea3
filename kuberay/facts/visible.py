"""Texts of others, so that what people read is what is there: nothing hidden, nothing
moved, nothing run by a pipeline.

A value, a name or a message may hold whatever somebody has written. Terminals and logs
act on some characters, and people do not see others.
"""

import re
import unicodedata

#: What Unicode does not count among them, and is not seen all the same: fillers,
#: joiners and selectors.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
#: Letters and numbers that are written from right to left; what stands beside them is
#: shown on the other side.
_TURNS = frozenset(("R", "AL", "AN"))
#: Where a line of a log becomes a command of GitHub's runner, or of Azure's:
#: `::add-mask::x`, `##[error]`, `##vso[…]`.
_COMMAND = re.compile(r"^ *:(?=:)|(?<=#)#(?=\w*\[)")


def visible(text: object) -> str:
    r"""A text in which everything can be seen: a line break is ``\n``, and what turns
    the direction of writing ``\u202e``.
    """
    told = str(text)
    # By far the most are of this kind.
    if told.isascii() and told.isprintable():
        return told
    return "".join(map(_write_out, told))


def log_line(text: object) -> str:
    """One line for a terminal or a log."""
    return as_no_command(visible(text))


def as_no_command(line: str) -> str:
    """A line that a pipeline shows, whatever it looks like."""
    return _COMMAND.sub(lambda found: f"{found[0][:-1]}\\x{ord(found[0][-1]):02x}", line)


def log_lines(text: object) -> str:
    """A text of several lines, each as it may be printed."""
    # Only where every terminal begins a line; a tab, with which programs indent, hides
    # nothing.
    return "\n".join(map(log_line, str(text).replace("\r\n", "\n").expandtabs(4).split("\n")))


def _write_out(char: str) -> str:
    # Not printable are controls, marks of direction, what has no width, other spaces
    # and line ends.
    is_seen = char.isprintable() and not _UNSEEN.match(char) and unicodedata.bidirectional(char) not in _TURNS
    return char if is_seen else char.encode("unicode_escape").decode()
