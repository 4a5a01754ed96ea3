"""One line of the doctor's: what was looked at, how it is, and what to do."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, Self

from kuberay.facts.phrases import without_values

Mark = Literal["ok", "warning", "wrong", "unknown"]


@dataclass(frozen=True)
class Finding:
    """What was looked at, and how it is."""

    mark: Mark
    what: str
    """``Helm release raycluster``"""
    text: str
    remedy: str = ""

    def without_values(self) -> Self:
        """Without what the cluster may quote in it of encrypted settings."""
        return replace(self, text=without_values(self.text))

    def __str__(self) -> str:
        return f"{self.mark:<8} {self.what}: {self.text}" + (f"; {self.remedy}" if self.remedy else "")


def conclusion(findings: Iterable[Finding]) -> tuple[str, int]:
    """The last line, and the exit code: 1 where something is wrong."""
    marks = [finding.mark for finding in findings]
    counts = [f"{marks.count(mark)} {mark}" for mark in ("wrong", "warning", "unknown") if mark in marks]
    return ", ".join(counts) or "all is well", 1 if "wrong" in marks else 0
