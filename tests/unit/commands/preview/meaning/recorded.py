"""Recorded previews as the CLI would print them with prices in the stack file: with the
stack's config, and with what stays listed.
"""

import json
from typing import Any

from commands.preview.meaning.report import StackReport
from commands.preview.meaning.stack_report import stack_report
from commands.preview.meaning.steps import Preview, read_preview
from tests.paths import PREVIEWS

NAMES = sorted(file.stem for file in PREVIEWS.glob("*.json"))


def digest_of(name: str) -> dict[str, Any]:
    return json.loads((PREVIEWS / f"{name}.json").read_text())


def recorded(name: str, prices: dict[str, Any] | None = None) -> tuple[StackReport, Preview]:
    """The report of a recorded preview, and the preview."""
    digest = digest_of(name)
    digest["config"] = {"kuberay:prices": json.dumps(prices or {})}
    listed = {step["urn"] for step in digest["steps"] if step["op"] != "refresh"}
    # All clusters of the stack that the previews start from change in this one.
    before = [
        step
        for step in digest_of("architecture")["steps"]
        if step["urn"].endswith((":Release::raycluster", ":Release::other"))
    ]
    if name not in ("new", "broken", "secret-values"):
        digest["steps"] += [
            {"op": "same", "urn": step["urn"], "oldState": step["oldState"], "newState": step["oldState"]}
            for step in before
            if step["urn"] not in listed
        ]
    preview = read_preview(digest)
    return stack_report("dev", preview), preview
