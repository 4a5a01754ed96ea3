"""The report as data: what `report.json` holds, and what Markdown and terminal text are
written from. Pure.

Amounts are Kubernetes quantities as strings (``4G``, ``500m``); before and after are
None where there is none, or it is not known.
"""

import typing
from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel

from commands.preview.meaning.steps import Operation

#: From the least to the most that a reviewer has to know, `failed` aside.
Level = Literal["nothing", "changes", "restarts", "destroys", "failed"]

LEVELS: tuple[Level, ...] = typing.get_args(Level)
EXIT_CODES: dict[Level, int] = {"nothing": 0, "failed": 1, "changes": 2, "restarts": 3, "destroys": 4}


def worst(levels: Iterable[Level]) -> Level:
    """The level of all of these together."""
    return LEVELS[max(map(LEVELS.index, levels), default=0)]


class Totals(BaseModel):
    """What pods ask for, in sum."""

    cpu: str
    memory: str
    gpus: int


class Cost(BaseModel):
    amount: float
    """With autoscaling, of as many pods as there are at first."""
    least: float
    most: float
    """Between these it may be by what an autoscaler chooses; both are ``amount``
    without one.
    """


class Pods(BaseModel):
    """The pods of one group."""

    count: str
    """``2``, or ``0-10`` where an autoscaler chooses."""
    pods: int
    """How many there are at first."""
    cpu: str
    memory: str
    gpus: int
    image: str
    architecture: str | None


class GroupChange(BaseModel):
    """One group of pods of a cluster."""

    group: str
    effect: Literal["restarts", "new", "goes", "scales", "keeps the old spec", "stays"]
    why: list[str] = []
    before: Pods | None = None
    after: Pods | None = None


class VersionChange(BaseModel):
    what: str
    before: str | None
    after: str | None


class ManifestDiff(BaseModel):
    """A difference between what Helm renders of the old and of the new values."""

    rendered_for: str
    """The release that it was rendered for; others with the same change differ in their
    names only.
    """
    lines: list[str]
    """A unified diff, without its header."""


class RayChange(BaseModel):
    """A Ray cluster, job or service that changes."""

    kind: Literal["cluster", "job", "service"]
    name: str
    operation: Operation
    headline: str
    """What it means, in one line without the name."""
    groups: list[GroupChange] = []
    before: Totals | None = None
    after: Totals | None = None
    cost_before: Cost | None = None
    cost_after: Cost | None = None
    """Of a month; None where the settings have no prices, or it is not known."""
    cost_is_hourly: bool = False
    """Whether these are of an hour: nobody knows how long a job runs whose cluster goes
    with it.
    """
    versions: list[VersionChange] = []
    secrets: list[str] = []
    """Which settings change that the stack keeps encrypted; never what they hold."""
    values: list[str] = []
    """What changes in its Helm values, or in its spec: lines that begin with ``-``,
    ``+`` or ``~``.
    """
    manifests: ManifestDiff | None = None
    level: Level = "changes"


class OtherChange(BaseModel):
    """Anything else that changes: an operator's release, a namespace, a Secret, a
    NetworkPolicy.
    """

    kind: str
    name: str
    operation: Operation
    about: str = ""
    """What comes of it, where that is more than the operation says: of a claim's data.
    """
    values: list[str] = []
    secrets: list[str] = []
    manifests: ManifestDiff | None = None
    level: Level = "changes"


class ProtectionChange(BaseModel):
    """Something that keeps others out, and goes or comes."""

    what: str
    of: list[str] = []
    """Which clusters; empty where it is the whole stack's."""


class Protection(BaseModel):
    """What keeps others out, as this change leaves it."""

    lost: list[ProtectionChange] = []
    gained: list[ProtectionChange] = []
    open: list[str] = []
    """What the stack leaves open after the change, as the program says it."""


class Drift(BaseModel):
    """Something in the cluster that is no longer as the stack made it."""

    kind: str
    name: str
    what: Literal["deleted", "edited"]
    fields: list[str] = []
    """Of an edited one: ``spec.replicas: 3, not 1``."""


class Fit(BaseModel):
    """Whether the cluster's nodes have room for the pods that come."""

    answer: Literal["fits", "does not fit", "cannot tell"]
    why: list[str] = []


class MonthlyCost(BaseModel):
    """What a stack's clusters and services cost a month, by the prices in
    its settings.
    """

    currency: str
    before: Cost | None
    after: Cost | None


class StackReport(BaseModel):
    """What `pulumi up` would do to one stack."""

    stack: str
    level: Level = "nothing"
    is_new: bool = False
    errors: list[str] = []
    operations: dict[str, int] = {}
    """How many resources there are by Pulumi's operations, ``same`` included."""
    before: Totals | None = None
    """Of all Ray clusters of the stack, those that do not change included; jobs and
    services have their own.
    """
    after: Totals | None = None
    cost: MonthlyCost | None = None
    """None where its settings have no prices."""
    fit: Fit | None = None
    """None where no pod comes."""
    versions: list[VersionChange] = []
    protection: Protection = Protection()
    ray: list[RayChange] = []
    others: list[OtherChange] = []
    drift: list[Drift] | None = None
    """None where nobody looked."""
    warnings: list[str] = []
    unknown: list[str] = []
    """What could not be known in this preview, and why."""
    preview_seconds: float = 0
    report_seconds: float = 0


#: Fields that are ignored when two previews are compared: how long they took, what they
#: say of the state of the cluster, and costs.
_BESIDE = {
    "preview_seconds": True,
    "report_seconds": True,
    "warnings": True,
    "unknown": True,
    "drift": True,
    "fit": True,
    "cost": True,
} | {"ray": {"__all__": {"cost_before", "cost_after"}}}


def same_change(one: StackReport, other: StackReport) -> bool:
    """Whether two previews come to the same: what was approved would be done now."""
    return one.model_dump(exclude=_BESIDE) == other.model_dump(exclude=_BESIDE)


class LeftOut(BaseModel):
    """What of a pull request waits for an approval, and is in no preview before."""

    commit: str
    waiting: list[str]
    """Files, and settings of stack files."""


class Report(BaseModel):
    """One report, of one or several stacks."""

    version: Literal[1] = 1
    """Changes when a reader of the JSON has to."""
    level: Level
    stacks: list[StackReport]
    left_out: LeftOut | None = None
