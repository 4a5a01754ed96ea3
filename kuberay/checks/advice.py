"""All that a stack is warned of and not refused for. Pure."""

from collections.abc import Iterator

from kuberay.checks.advisories import advised_against
from kuberay.checks.entrypoints import entrypoint_advice
from kuberay.checks.memory import memory_advice
from kuberay.checks.secrets import weak_secrets
from kuberay.checks.storage import claim_advice
from kuberay.checks.unreachable import unreachable_workloads
from kuberay.plan.stack import StackPlan


def stack_advice(plan: StackPlan, *, repository_is_encrypted: bool) -> Iterator[tuple[str, str]]:
    """What each line is about, in a word, and the line: versions with known
    vulnerabilities, weak secrets, jobs and services that nobody reaches, entrypoints,
    sizes with which Ray fails, claims that not all pods can have.

    ``repository_is_encrypted``: that setting, `chartRepository`, of the stack's config.
    """
    lines = {
        "version": advised_against(plan),
        "secrets": weak_secrets(plan, repository_is_encrypted=repository_is_encrypted),
        "network": unreachable_workloads(plan),
        "jobs": entrypoint_advice(plan),
        "memory": memory_advice(plan.placed),
        "storage": claim_advice(plan),
    }
    return ((about, line) for about, some in lines.items() for line in some)
