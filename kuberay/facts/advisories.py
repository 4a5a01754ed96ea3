"""Versions of Ray and KubeRay that are known to be vulnerable or to go wrong, each with
the version that does so no more.
"""

from dataclasses import dataclass
from typing import Final, Literal

from kuberay.facts.versions import at_least

#: The day on which the table was last looked through.
AS_OF: Final = "2026-11-30"
Product = Literal["Ray", "KubeRay"]
#: What of a stack meets with it.
Concern = Literal["every cluster", "jobs that a pod submits"]


@dataclass(frozen=True)
class Advisory:
    """What is wrong with some versions."""

    product: Product
    name: str
    fixed: str
    """The first version without it."""
    what: str
    """What it does, or lets someone do, after the version; empty where the name has to
    do.
    """
    since: str = "0"
    """The first version that has it."""
    concerns: Concern = "every cluster"

    def holds(self, version: str) -> bool:
        """Whether a version has it."""
        return at_least(version, self.since) and not at_least(version, self.fixed)


ADVISORIES: Final = (
    Advisory(
        "Ray",
        "CVE-2023-6019, CVE-2023-6020, CVE-2023-6021 and CVE-2023-48023",
        "2.8.1",
        "lets whoever reaches the dashboard run commands and read files",
    ),
    Advisory(
        "Ray",
        "CVE-2025-62593",
        "2.52.0",
        "lets a web page that a developer visits run code through a port-forward to the dashboard, which is"
        " exploited",
    ),
    Advisory(
        "Ray",
        "CVE-2026-27482",
        "2.54.0",
        "lets a web page delete jobs and shut Serve down through a port-forward to the dashboard",
    ),
    Advisory("Ray", "CVE-2026-57516", "2.56.0", ""),
    Advisory(
        "KubeRay",
        "kuberay 3211",
        "1.3.2",
        "starts the submitter of a failed job once more, which then ends as if all were well",
        since="1.3.0",
        concerns="jobs that a pod submits",
    ),
)


def advisories(product: Product, version: str) -> list[Advisory]:
    """Those of a version."""
    return [advisory for advisory in ADVISORIES if advisory.product == product and advisory.holds(version)]


def first_without(product: Product) -> str:
    """The first version that has none of them."""
    return next(advisory.fixed for advisory in reversed(ADVISORIES) if advisory.product == product)
