"""Texts of others in Markdown, as GitHub and GitLab show it. Pure.

A word stays as it is where Markdown, GitHub and GitLab make nothing of it. Any other is
written as code, in which nothing is markup, a link or a mention. The texts have been
made visible before, so that each is one line.
"""

import re
from collections.abc import Iterable, Iterator

#: A longer text would be all that a comment holds; the report as data has all of it.
_LONGEST = 1000
_PIECE = re.compile(r"`(?P<quoted>[^`]+)`|(?P<space>\s+)|(?P<word>[^\s`]+|`+)")
#: What a word may mean.
_MARKUP = re.compile(
    r"""[^\w.,:;()/'"→–…=+%?-]|_     # most others: markup, references to people, issues
    | ^[-+=/:]                       # at a line's start: a list, a table, a command of GitLab's
    | :[\w+-]+:                      # an emoji
    | ://|\bwww\.|%\w|\bgh-\d        # a link, a milestone, an issue
    | \b[0-9a-f]{7,40}\b             # a commit
    """,
    re.VERBOSE | re.IGNORECASE,
)
#: At the start of a line.
_NUMBERED = re.compile(r"\d+[.)]")


def sentence(text: str) -> str:
    """Words of a paragraph, or of an item of a list. What stands in them between
    backticks is code.
    """
    shown = _shortened(text)
    written = ""
    codes = ""
    for piece, is_code in _pieces(shown.strip()):
        # Two that touch would be read as one, with backticks in it.
        codes += piece if is_code else ""
        if not is_code:
            written += (_code(codes) if codes else "") + piece
            codes = ""
    return written + (_code(codes) if codes else "") or "–"


def name(text: str) -> str:
    """A name, a version or an amount: one word, or code."""
    return code(text) if " " in text else sentence(text)


def cell(written: str) -> str:
    """Such Markdown within a table, which takes a bar for its own even in code."""
    return written.replace("|", r"\|")


def code(text: str) -> str:
    """A path, or whatever is always code."""
    return _code(_shortened(text)) if text else "–"


def fenced(lines: Iterable[str], language: str = "") -> str:
    """Lines as a block of code."""
    # GitLab looks for its commands at the start of a line before it knows where code
    # is.
    kept = [f" {line}" if line.startswith("/") else line for line in lines]
    fence = _longer_than("```", kept)
    return "\n".join([f"{fence}{language}", *kept, fence])


def _pieces(text: str) -> Iterator[tuple[str, bool]]:
    """The text bit by bit, and whether each has to be code."""
    for found in _PIECE.finditer(text):
        if found["quoted"]:
            yield found["quoted"], True
        elif found["space"]:
            yield " ", False
        else:
            yield from _word(found["word"])


def _word(word: str) -> Iterator[tuple[str, bool]]:
    """A word without the brackets, quotes and stops around it, where it has
    to be code.
    """
    rest = word.lstrip("(\"'")
    core = rest.rstrip(".,;)\"'")
    if _NUMBERED.fullmatch(word):
        yield word, True
    elif not _MARKUP.search(core):
        yield word, False
    else:
        parts = (word.removesuffix(rest), False), (core, True), (rest.removeprefix(core), False)
        yield from (part for part in parts if part[0])


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _code(text: str) -> str:
    ticks = _longer_than("`", [text])
    # The first and the last space are taken for padding, where there are both.
    pad = " " if text.startswith(("`", " ")) or text.endswith(("`", " ")) else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def _longer_than(fence: str, lines: Iterable[str]) -> str:
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    return "`" * max(len(fence), longest + 1)
