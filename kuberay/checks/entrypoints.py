"""What the two shells between KubeRay and Ray make of a job's command. Pure: a plan in,
a line for each job out.

KubeRay pastes the command behind `ray job submit --` into a line of bash
(`BuildJobSubmitCommand`). Ray's command line joins what that leaves of it by
`list2cmdline`, which knows spaces and no other sign, and the head's shell reads the
result. In `HTTPMode` the operator hands the command over as it is.
"""

import re
import shlex
from collections.abc import Iterator
from itertools import takewhile
from subprocess import list2cmdline

from kuberay.plan.stack import StackPlan

_QUOTED = re.compile(r"""\\.|'[^']*'|"(?:\\.|[^"\\])*\"""", re.DOTALL)
#: Stands for what a shell leaves alone, and is none of its signs.
_LEFT_ALONE = "%"
_ESCAPED = re.compile(r"\\.", re.DOTALL)
#: A # within a word begins no comment.
_SPLITS = re.compile(r"&&|\|\||>>|<<|[;&|<>()\n]|(?<!\S)#")
#: A $ before a blank or at the end stands for itself.
_REPLACES = re.compile(r"\$(?=[\w{(*@#?$!-])|`")
#: Of bash, so not of the head's shell.
_BRACES = re.compile(r"\{[^{}\s]*(?:,|\.\.)[^{}\s]*\}")
_EATEN = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*"|\\(?P<sign>[\w.:])|\\.""", re.DOTALL)
_PATTERN = re.compile(r"[\w.-]*\*[\w.*-]*")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
#: What a shell sets by itself, and what a text sets before it reads it.
_SET_INSIDE = re.compile(r"(?<!\\)\$(?:[\d@*#?!$]|\{?(?P<name>[A-Za-z_]\w*))")
_SUBMITTED = "or set submissionMode: HTTPMode"


def entrypoint_advice(plan: StackPlan) -> Iterator[str]:
    """Jobs of which Ray does not get what the settings say."""
    for name, job in plan.settings.jobs.items():
        if job.submission_mode == "HTTPMode":
            continue
        if what := _becomes_of(job.entrypoint.strip()):
            yield f"jobs.{name}.entrypoint: {what}"
        # KubeRay pastes these beside the command, in double quotes.
        for key, value in (("runtimeEnv", job.runtime_env), ("metadata", job.metadata)):
            if any(_REPLACES.search(text) for text in _texts(value)):
                yield (
                    f"jobs.{name}.{key}: the shell that submits the job replaces what stands behind $ or"
                    f" between backquotes, and no quotes help: leave it out, {_SUBMITTED}"
                )


def _becomes_of(entrypoint: str) -> str | None:
    entrypoint = _unescape(entrypoint, "\n", "")
    bare = _QUOTED.sub(_LEFT_ALONE, entrypoint)
    try:
        # Python's knows no \$ in double quotes.
        arguments = shlex.split(_unescape(entrypoint, "$`", r"\1"))
    except ValueError:
        return "a quote is left open, so that no shell takes the command: close it"
    if sign := _SPLITS.search(bare):
        shown = "a line break" if sign[0] == "\n" else sign[0]
        return (
            f"the shell that submits the job takes {shown} for itself, so that not all of the command gets"
            f' to Ray, and a failure of the rest is not the job\'s: write sh -c "…" around the whole,'
            f" {_SUBMITTED}"
        )
    if _BRACES.search(bare):
        return (
            "the shell that submits the job makes several words of what stands in braces: quote it,"
            f" {_SUBMITTED}"
        )
    if sign := _REPLACES.search(bare) or next(
        filter(None, map(_REPLACES.search, _in_quotes(entrypoint))), None
    ):
        return (
            f"the shell that submits the job puts what its own pod has in place of {sign[0]}, and not what"
            f" Ray's pods have: write \\{sign[0]}, {_SUBMITTED}"
        )
    if any(" " in each or "\t" in each for each in takewhile(_ASSIGNMENT.match, arguments)):
        return (
            "Ray puts an argument with a space into quotes as a whole, so that the head's shell takes a"
            f" variable before the command for the command: write env in front of it, {_SUBMITTED}"
        )
    if any(map(_reads_what_it_sets, arguments)):
        return (
            "Ray puts an argument with a space into double quotes, so that the head's shell replaces $ in it"
            f" before the command has set anything: write \\$ within single quotes, {_SUBMITTED}"
        )
    if lost := _lost(arguments, bare):
        return (
            f"Ray takes the quotes off an argument without a space, so that the head's shell takes its"
            f" {lost} for itself: quote it twice, as in \"'…'\", {_SUBMITTED}"
        )
    return None


def _unescape(entrypoint: str, signs: str, becomes: str) -> str:
    """Without the backslash before these signs, where bash takes it away."""
    one = re.compile(rf"\\([{signs}])")
    in_double = re.compile(rf"\\([{signs}])|(\\.)", re.DOTALL)

    def in_place_of(quoted: re.Match[str]) -> str:
        text = quoted[0]
        if text.startswith("'"):
            return text
        if text.startswith('"'):
            return in_double.sub(lambda found: found[2] or found.expand(becomes), text)
        return one.sub(becomes, text) if signs == "\n" else text

    return _QUOTED.sub(in_place_of, entrypoint)


def _in_quotes(entrypoint: str) -> Iterator[str]:
    """What stands in double quotes, where a shell still replaces."""
    for quoted in _QUOTED.findall(entrypoint):
        if quoted.startswith('"'):
            yield _ESCAPED.sub(_LEFT_ALONE, quoted[1:-1])


def _reads_what_it_sets(argument: str) -> bool:
    """Whether a text for another shell, or for awk, holds a $ that is only theirs."""
    return any(
        found["name"] is None
        or re.search(rf"\b(?:{found['name']}=|(?:for|read) +{found['name']}\b)", argument)
        for found in _SET_INSIDE.finditer(argument)
    )


def _lost(arguments: list[str], bare: str) -> str | None:
    """What the head's shell takes for itself of what `list2cmdline` writes."""
    joined = list2cmdline(arguments)
    try:
        shlex.split(joined)
    except ValueError:
        return "quote"
    if sign := _SPLITS.search(_QUOTED.sub(_LEFT_ALONE, joined)):
        return sign[0].replace("\n", "line break")
    if any(found["sign"] for found in _EATEN.finditer(joined)):
        return "backslash"
    return "*" if "*" not in bare and any(map(_PATTERN.fullmatch, arguments)) else None


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from (*_texts(key), *_texts(each))
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
