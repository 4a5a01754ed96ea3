"""What a chart pastes into text, and KubeRay into the command line of a shell, written
so that it arrives as it stands. Pure.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from kuberay.facts.charts import Values
from kuberay.settings.base import number_text

#: Where groups have the flags of `ray start`; `initArgs` is the chart's old name of it.
FLAGS = ("rayStartParams", "initArgs")
#: What a shell puts between commands, or takes for their input and output.
_SIGNS = ";&|<>()"


def write_out(values: Values) -> None:
    """Writes out what a chart or a shell would change, in merged values of the
    ``ray-cluster`` chart.
    """
    for part in (values, *_groups(values)):
        write_out_tag(part)
        for key in FLAGS:
            if flags := part.get(key):
                part[key] = {flag: _as_flag(value) for flag, value in flags.items()}
    if tolerance := values.get("gcsFaultTolerance"):
        values["gcsFaultTolerance"] = {key: _as_written(value) for key, value in tolerance.items()}


def write_out_tag(part: Values) -> None:
    """The same for the image of any chart or group: charts join repository and tag by a
    colon.
    """
    if (image := part.get("image")) and "tag" in image:
        part["image"] = {**image, "tag": _as_written(image["tag"])}


def shell_word(text: str) -> str:
    """A value as KubeRay can paste it into `ray start …` of a shell
    (`convertParamMap`).

    What is written for the shell already stays as it is: with quotes around it, or with
    variables and commands for it to fill in. Single quotes suit KubeRay as well, which
    takes them off before it reads `resources` (`getResourcesMap`).
    """
    # A break at the end of a block of YAML would end the command. Blanks there are lost
    # in any shell, and pods that run with some stay.
    text = text if text.rstrip(" ") == text.strip() else text.strip()
    if not text or "$" in text or "`" in text:
        return text
    # Within braces a shell takes the quotes that JSON needs for its own.
    if _is_one_word(text.rstrip(" ")) or (_is_quoted(text) and not _is_json(text)):
        return text
    return shlex.quote(text)


def _groups(values: Values) -> Iterator[Values]:
    yield from (values["head"], values["worker"])
    yield from (group for group in (values.get("additionalWorkerGroups") or {}).values() if group)


def _as_flag(value: Any) -> Any:
    if isinstance(value, Mapping):
        return shell_word(json.dumps(value))
    return shell_word(value) if isinstance(value, str) else _as_written(value)


def _as_written(value: Any) -> Any:
    # To a template each number has a point, and one of seven digits or more an
    # exponent: 2000000000 is 2e+09. Smaller ones stay numbers, so that no release, and
    # no pod, changes for it.
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return number_text(value) if is_number and abs(value) >= 1_000_000 else value


def _is_one_word(text: str) -> bool:
    """Whether a shell takes a text for one word, and hands it on unchanged."""
    # {a,b} and {1..3} are several words to it.
    return _words(text) == [text] and text[0] not in _SIGNS and not re.search(r"\{.*(,|\.\.).*\}", text)


def _is_quoted(text: str) -> bool:
    """Whether somebody has quoted a text for the shell: all of it, or what in it would
    be no word without.
    """
    words = _words(text)
    return len(words) == 1 and words != [text] and (text[0] in "'\"" or not _is_one_word(words[0]))


def _words(text: str) -> list[str]:
    """The words that a shell makes of a text, its signs between commands among them;
    none where it misses a quote.
    """
    lexer = shlex.shlex(text, posix=True, punctuation_chars=_SIGNS)
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        return list(lexer)
    except ValueError:
        return []


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except ValueError:
        return False
