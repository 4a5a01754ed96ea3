"""Versions of KubeRay and Ray: which there are, how they compare, and what needs which.

A setting that a chosen version cannot honour is refused by name, with the version that
can:

    versions = {"kuberay": settings.kuberay_version, "ray": settings.ray_version}
    if problem := lacking("token authentication", **versions):
        yield Problem((*here, "auth"), value, problem)
"""

import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

KubeRayVersion = Literal[
    "1.3.0", "1.3.1", "1.3.2", "1.4.0", "1.4.1", "1.4.2", "1.5.0", "1.5.1", "1.5.2", "1.6.0",
    "1.6.1", "1.6.2", "1.7.0",
]  # fmt: skip
#: The last version whose charts and CRDs the program's tables have.
NEWEST_KNOWN: Final = typing.get_args(KubeRayVersion)[-1]


@dataclass(frozen=True)
class Needs:
    """The first versions that honour something; empty where any will do."""

    kuberay: str = ""
    ray: str = ""


Feature = Literal[
    "token authentication",
    "own token",
    "gcsFaultTolerance chart values",
    "Redis user",
    "Ray labels",
    "probes of other ports",
    "schedule",
    "time zone field",
    "SidecarMode",
    "deletion rules",
    "deletion rules of deployments",
    "deadline before it runs",
    "incremental upgrade",
    "history server",
]

#: Read from the CRDs and charts of each version (ray-operator/config/crd/bases,
#: helm-chart).
NEEDS: Final[Mapping[Feature, Needs]] = {
    "token authentication": Needs(kuberay="1.5.1", ray="2.52.0"),  # authOptions
    "own token": Needs(kuberay="1.6.0", ray="2.52.0"),  # authOptions.secretName
    # gcsFaultToleranceOptions is in the CRD of 1.3.0 already; the ray-cluster chart
    # writes it from 1.5 on.
    "gcsFaultTolerance chart values": Needs(kuberay="1.5.0"),
    # Operators refuse it outside gcsFaultToleranceOptions.
    "Redis user": Needs(kuberay="1.5.0", ray="2.41.0"),
    "Ray labels": Needs(kuberay="1.5.0"),  # `labels` of a group
    "probes of other ports": Needs(kuberay="1.6.0"),  # `initLivenessAndReadinessProbe`
    "schedule": Needs(kuberay="1.6.0"),  # RayCronJob
    "time zone field": Needs(kuberay="1.7.0"),
    "SidecarMode": Needs(kuberay="1.5.0"),
    "deletion rules": Needs(kuberay="1.5.0"),  # deletionStrategy.deletionRules; before, one deletionPolicy
    "deletion rules of deployments": Needs(kuberay="1.6.0"),  # condition.jobDeploymentStatus
    "deadline before it runs": Needs(kuberay="1.6.0"),  # preRunningDeadlineSeconds
    # It is in the CRD of 1.5.0; by KubeRay's own word it works from 1.5.1 on.
    "incremental upgrade": Needs(kuberay="1.5.1"),
    "history server": Needs(kuberay="1.7.0"),  # historyServerOptions
}


def number(version: str) -> tuple[int, ...]:
    """``(2, 46, 0)`` for ``2.46.0``, its nightlies and its release candidates."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def at_least(version: str, first: str) -> bool:
    """Whether a version is ``first`` or later."""
    return number(version) >= number(first)


def is_later(version: str) -> bool:
    """Whether a version of KubeRay is a later release than any that the program knows.
    One of another major version may be anything.
    """
    is_release = re.fullmatch(r"\d{1,4}\.\d{1,4}\.\d{1,4}", version, re.ASCII)
    return (
        bool(is_release)
        and number(version) > number(NEWEST_KNOWN)
        and number(version)[0] == number(NEWEST_KNOWN)[0]
    )


def lacking(feature: Feature, *, kuberay: str, ray: str | None = None) -> str | None:
    """What the chosen versions lack for a feature, as the end of an error line; nothing
    where they have it.

    ``ray`` is left out where the setting does not depend on it, or where nobody can
    know it.
    """
    needs = NEEDS[feature]
    chosen = [
        (name, setting, version, first)
        for name, setting, version, first in (
            ("KubeRay", "kuberayVersion", kuberay, needs.kuberay),
            ("Ray", "rayVersion", ray, needs.ray),
        )
        if version and first and not at_least(version, first)
    ]
    if not chosen:
        return None
    first_versions = " and ".join(f"{name} {first} or later" for name, _, _, first in chosen)
    here = ", ".join(f"{setting} is {version}" for _, setting, version, _ in chosen)
    return f"needs {first_versions}; {here}"
