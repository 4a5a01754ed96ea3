"""Versions of Ray and KubeRay in a stack that are known to be vulnerable or to go
wrong. Pure: a plan in, a line for each version out.
"""

from collections.abc import Iterable, Iterator

from kuberay.facts.advisories import Advisory, Concern, advisories, first_without
from kuberay.facts.phrases import first_few
from kuberay.plan.stack import StackPlan


def advised_against(plan: StackPlan) -> Iterator[str]:
    """``clusters.research: Ray 2.46.0 lets … (CVE-…, fixed in 2.52.0) …; set rayVersion
    to 2.56.0 or later``, and the like of KubeRay.

    Of a cluster with an image of its own it is the version that `rayVersion` says the
    image has.
    """
    by_version: dict[str, list[str]] = {}
    for placed in plan.placed:
        version = placed.plan.settings.ray_version or plan.settings.ray_version
        by_version.setdefault(version, []).append(".".join(placed.here))
    for version, clusters in by_version.items():
        if found := advisories("Ray", version):
            yield (
                f"{first_few(clusters)}: Ray {version} {_told(found)}; set rayVersion to"
                f" {first_without('Ray')} or later"
            )
    kuberay = plan.settings.kuberay_version
    for advisory in advisories("KubeRay", kuberay) if plan.settings.operator.install else ():
        if met := _that_meet(advisory.concerns, plan):
            yield (
                f"{first_few(met)}: KubeRay {kuberay} {_told([advisory])}; set kuberayVersion to"
                f" {advisory.fixed} or later"
            )


def _told(found: Iterable[Advisory]) -> str:
    told = [f"{each.what} ({each.name}, fixed in {each.fixed})" for each in found if each.what]
    named = [f"{each.name} (fixed in {each.fixed})" for each in found if not each.what]
    return " and ".join([*told, *([f"has {', '.join(named)}"] if named else [])])


def _that_meet(concern: Concern, plan: StackPlan) -> list[str]:
    """The clusters, jobs and services of a stack that meet with something."""
    if concern == "every cluster":
        return [".".join(placed.here) for placed in plan.placed]
    return [f"jobs.{name}" for name, job in plan.settings.jobs.items() if job.submission_mode == "K8sJobMode"]
