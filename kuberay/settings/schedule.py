"""When a scheduled job runs: a cron line as KubeRay's operator reads it
(`cron.ParseStandard` of robfig/cron v3), and a time zone.
"""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from kuberay.facts.phrases import did_you_mean

#: The fields of a cron line: what they are called, the least and the most, and the
#: names that stand for numbers.
_FIELDS = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")),
    ("day of the week", 0, 6, ("sun", "mon", "tue", "wed", "thu", "fri", "sat")),
)
_WORDS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
#: What Go calls a duration.
_DURATION = r"(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+"


def _check_schedule(line: str) -> str:
    if "TZ=" in line:
        raise ValueError("has a time zone in it; set timeZone instead")
    if line.startswith("@"):
        if line not in _WORDS and re.fullmatch(f"@every {_DURATION}", line) is None:
            raise ValueError(
                f"is no schedule: {', '.join(_WORDS)}, or @every 1h30m{did_you_mean(line, _WORDS)}"
            )
        return line
    fields = line.split()
    if len(fields) != len(_FIELDS):
        names = ", ".join(name for name, *_ in _FIELDS)
        raise ValueError(
            f"has {len(fields)} field{'' if len(fields) == 1 else 's'}, and a schedule five: {names}, such as"
            f" 0 2 * * * for two o'clock each night{did_you_mean(f'@{line}', _WORDS)}"
        )
    for text, (name, least, most, names) in zip(fields, _FIELDS, strict=True):
        for part in text.split(","):
            if not _is_part(part, least, most, names):
                sunday = "; Sunday is 0" if name == "day of the week" and "7" in part else ""
                raise ValueError(f"has {part!r} as {name}, which goes from {least} to {most}{sunday}")
    return line


def _is_part(part: str, least: int, most: int, names: tuple[str, ...]) -> bool:
    """One of `*`, `5`, `1-5`, each with a step or without."""
    between, slash, step = part.partition("/")
    if slash and (not step.isdecimal() or int(step) == 0):
        return False
    if between in ("*", "?"):
        return True
    ends = [_number(end, least, names) for end in between.split("-")]
    numbers = [end for end in ends if end is not None]
    return len(ends) <= 2 and len(numbers) == len(ends) and least <= numbers[0] <= numbers[-1] <= most


def _number(text: str, least: int, names: tuple[str, ...]) -> int | None:
    if text.lower() in names:
        return names.index(text.lower()) + least
    return int(text) if text.isdecimal() and text.isascii() else None


def _check_time_zone(name: str) -> str:
    from zoneinfo import available_timezones  # of no use to a stack without schedules

    known = available_timezones()
    # A machine without a time zone database cannot tell; the operator has one.
    if known and name not in known:
        raise ValueError(f"is no time zone, such as Europe/Berlin{did_you_mean(name, sorted(known))}")
    return name


Schedule = Annotated[
    str, AfterValidator(_check_schedule), Field(max_length=200, examples=["0 2 * * *", "@daily"])
]
_ZONE = r"^[A-Za-z0-9_+/-]+$"
TimeZone = Annotated[
    str, AfterValidator(_check_time_zone), Field(pattern=_ZONE, examples=["Europe/Berlin"], max_length=100)
]
