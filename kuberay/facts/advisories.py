"""Vulnerabilities of Ray that are known, as of 2026-11-27: each with the version that has it no more."""

from dataclasses import dataclass
from typing import Final

from kuberay.facts.versions import at_least


@dataclass(frozen=True)
class Advisory:
    """A vulnerability that a version of Ray mends."""

    name: str
    fixed: str
    """The first version of Ray without it."""
    what: str
    """What it lets someone do, after "lets"; empty where the name has to do."""


ADVISORIES: Final = (
    Advisory(
        "CVE-2025-62593",
        "2.52.0",
        "a web page that a developer visits run code through a port-forward to the dashboard, which is exploited",
    ),
    Advisory("CVE-2026-27482", "2.54.0", ""),
    Advisory("CVE-2026-57516", "2.56.0", ""),
)
#: The first version of Ray that has none of them.
FIRST_WITHOUT: Final = ADVISORIES[-1].fixed


def known_vulnerabilities(ray_version: str) -> list[Advisory]:
    """Those of a version of Ray."""
    return [advisory for advisory in ADVISORIES if not at_least(ray_version, advisory.fixed)]
