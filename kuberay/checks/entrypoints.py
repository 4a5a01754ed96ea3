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
from subprocess import list2cmdline
from typing import Any

from kuberay.plan.stack import StackPlan
from kuberay.settings.workloads import JobSettings

_QUOTED = re.compile(r"""\\.|'[^']*'|"(?:\\.|[^"\\])*\"""", re.DOTALL)
#: Between single quotes, or behind a backslash, a shell leaves it alone.
_LITERAL = re.compile(r"\\.|'[^']*'", re.DOTALL)
_SPLITS = re.compile(r"&&|\|\||>>|<<|[;&|<>()\n]")
_REPLACES = re.compile(r"[$`]")
_SUBMITTED = "or set submissionMode: HTTPMode"


def entrypoint_advice(plan: StackPlan) -> Iterator[str]:
    """Jobs of which Ray does not get what the settings say."""
    for name, job in plan.settings.jobs.items():
        if job.submission_mode == "HTTPMode":
            continue
        if what := _becomes_of(job.entrypoint.strip()):
            yield f"jobs.{name}.entrypoint: {what}"
        for key, value in _pasted(job).items():
            if any(_REPLACES.search(text) for text in _texts(value)):
                yield (
                    f"jobs.{name}.{key}: the shell that submits the job replaces what stands behind $ or"
                    f" between backquotes, and no quotes help: leave it out, {_SUBMITTED}"
                )


def _becomes_of(entrypoint: str) -> str | None:
    try:
        arguments = shlex.split(entrypoint)
    except ValueError:
        return "a quote is left open, so that no shell takes the command: close it"
    if sign := _SPLITS.search(_QUOTED.sub("", entrypoint)):
        shown = "a line break" if sign[0] == "\n" else sign[0]
        return (
            f"the shell that submits the job takes {shown} for itself, so that not all of the command gets"
            f' to Ray: write sh -c "…" around the whole, {_SUBMITTED}'
        )
    if sign := _REPLACES.search(_LITERAL.sub("", entrypoint)):
        return (
            f"the shell that submits the job puts what its own pod has in place of {sign[0]}, and not what"
            f" Ray's pods have: write \\{sign[0]}, {_SUBMITTED}"
        )
    joined = list2cmdline(arguments)
    try:
        shlex.split(joined)
    except ValueError:
        lost = "quote"
    else:
        found = _SPLITS.search(_QUOTED.sub("", joined))
        lost = found[0] if found else None
    if lost:
        return (
            f"Ray takes the quotes off an argument without a space, so that the head's shell takes its"
            f" {lost} for itself: quote it twice, as in \"'…'\", {_SUBMITTED}"
        )
    return None


def _pasted(job: JobSettings) -> dict[str, dict[str, Any]]:
    """What KubeRay pastes beside the command, in double quotes."""
    return {"runtimeEnv": job.runtime_env, "metadata": dict(job.metadata)}


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from (*_texts(key), *_texts(each))
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
