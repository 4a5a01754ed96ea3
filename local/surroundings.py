"""What a run has found out about this machine's surroundings, kept for a day."""

import json
import os
import time
from collections.abc import Callable

from local import tools

REMEMBERED_SECONDS = 24 * 3600


def remembered(question: str, find_out: Callable[[], bool]) -> bool:
    """The answer to a slow question about this machine's surroundings, asked once a
    day.
    """
    file = tools.cache_folder() / "reachable.json"
    try:
        known: dict[str, tuple[bool, float]] = json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        known = {}
    answer, asked = known.get(question, (False, 0.0))
    if time.time() - asked > REMEMBERED_SECONDS:
        answer = find_out()
        known[question] = (answer, time.time())
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(f".{os.getpid()}")
        unfinished.write_text(json.dumps(known))
        unfinished.replace(file)
    return answer
