"""Ray clusters of a stack whose version of Ray has known vulnerabilities. Pure: a plan in, a line for each version out."""

from collections.abc import Iterator

from kuberay.facts.advisories import FIRST_WITHOUT, known_vulnerabilities
from kuberay.facts.phrases import first_few
from kuberay.plan.stack import StackPlan


def vulnerable_clusters(plan: StackPlan) -> Iterator[str]:
    """``clusters.research: Ray 2.46.0 lets … (CVE-…, fixed in 2.52.0) …; set rayVersion to 2.56.0 or later``.

    Of a cluster with an image of its own it is the version that `rayVersion` says the image has.
    """
    by_version: dict[str, list[str]] = {}
    for placed in plan.placed:
        version = placed.plan.settings.ray_version or plan.settings.ray_version
        by_version.setdefault(version, []).append(".".join(placed.here))
    for version, clusters in by_version.items():
        if found := known_vulnerabilities(version):
            told = [f"lets {each.what} ({each.name}, fixed in {each.fixed})" for each in found if each.what]
            named = [f"{each.name} (fixed in {each.fixed})" for each in found if not each.what]
            parts = " and ".join([*told, *([f"has {', '.join(named)}"] if named else [])])
            yield f"{first_few(clusters)}: Ray {version} {parts}; set rayVersion to {FIRST_WITHOUT} or later"
