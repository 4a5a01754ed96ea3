"""Jobs and services that nobody reaches are told."""

from kuberay.checks.unreachable import unreachable_workloads
from kuberay.plan.stack import plan_stack
from tests.stack_config import load


def test_an_operator_of_another_namespace_has_to_be_let_in_to_jobs_and_services() -> None:
    jobs = {"train": {"entrypoint": "true"}}
    assert list(unreachable_workloads(plan_stack(load(operator={"install": False}, jobs=jobs)))) == [
        "jobs.train: an operator of another namespace does not reach Ray: name its namespace in"
        " protection.networkPolicy.allowedNamespaces"
    ]
    allowed = {"networkPolicy": {"allowedNamespaces": ["kuberay-system"]}}
    assert (
        list(
            unreachable_workloads(
                plan_stack(load(operator={"install": False}, jobs=jobs, protection=allowed))
            )
        )
        == []
    )
    assert list(unreachable_workloads(plan_stack(load(jobs=jobs)))) == []
