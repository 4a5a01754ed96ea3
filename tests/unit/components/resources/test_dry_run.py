"""What is asked before anything of the stack changes, and what becomes of no answer."""

import asyncio
from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from components.resources import dry_run
from kuberay.facts.chart_source import ChartSource
from kuberay.live.dry_run import NotAskedError
from kuberay.live.wait_loop import NotUpError
from kuberay.plan.stack import plan_stack
from tests.stack_config import load
from tests.unit.components.test_options import PLAN
from tests.unit.components.test_options import run as run_program

NO_OPERATOR = "KubeRay's operator does not run"


@pytest.fixture(name="warned")
def _warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    warned: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda text, **_: warned.append(text))
    return warned


def ask(
    monkeypatch: pytest.MonkeyPatch,
    answer: Exception,
    *,
    preview: bool,
    looked: list[ChartSource] | None = None,
) -> None:
    """Runs the hook where the API server answers a dry run with an error, and no
    operator runs.
    """
    hooks: list[Callable[[pulumi.ResourceHookArgs], Any]] = []

    def keep(name: str, hook: Any, options: pulumi.ResourceHookOptions) -> pulumi.ResourceHook:
        hooks.append(hook)
        return pulumi.ResourceHook(name, hook, options)

    async def no_dry_run(*_: Any, **__: Any) -> None:
        raise answer

    async def fails(*_: Any) -> None:
        raise NotUpError(NO_OPERATOR)

    async def says(*_: Any) -> str:
        return NO_OPERATOR

    async def check_chart(source: ChartSource) -> None:
        """The repository gives what its index says."""
        if looked is not None:
            looked.append(source)

    monkeypatch.setenv("PULUMI_CONFIG", "{}")
    monkeypatch.setattr("kuberay.live.charts.contents.check_chart", check_chart)
    monkeypatch.setattr(dry_run, "resource_hook", keep)
    monkeypatch.setattr("kuberay.live.dry_run.ask", no_dry_run)
    monkeypatch.setattr("kuberay.live.operator_at_work.wait_for_an_operator", fails)
    monkeypatch.setattr("kuberay.live.operator_at_work.why_no_pods_would_come", says)
    monitor = run_program(lambda: dry_run.DryRun(PLAN, []), preview=preview)
    made = pulumi.ResourceHookArgs("", "", "dry-run", "pulumi:index:Stash")
    monitor.context.run(lambda: asyncio.run(hooks[0](made)))


def test_an_account_that_may_ask_for_no_pods_loses_none_to_an_operator_that_does_not_run(
    monkeypatch: pytest.MonkeyPatch, warned: list[str]
) -> None:
    may_not = NotAskedError("this account may create no pods", for_now=False)
    unknown = "not known whether Kubernetes would take what changes: this account may create no pods"
    with pytest.raises(NotUpError, match=NO_OPERATOR):
        ask(monkeypatch, may_not, preview=False)
    assert warned == [unknown]
    warned.clear()
    ask(monkeypatch, may_not, preview=True)
    assert warned == [unknown, f"as it is now, {NO_OPERATOR}"]


def test_an_api_server_that_does_not_answer_is_asked_no_more(
    monkeypatch: pytest.MonkeyPatch, warned: list[str]
) -> None:
    silent = NotAskedError("no answer", for_now=True)
    with pytest.raises(NotAskedError):
        ask(monkeypatch, silent, preview=False)
    ask(monkeypatch, silent, preview=True)
    assert warned == ["not known whether Kubernetes would take what changes: no answer"]


@pytest.mark.parametrize(
    ("cluster", "looked_at"), [({}, ["ray-cluster"]), ({"spec": {"suspend": False}}, [])]
)
def test_the_chart_of_a_cluster_is_looked_at_where_it_is_the_repositorys(
    monkeypatch: pytest.MonkeyPatch, warned: list[str], cluster: dict[str, Any], looked_at: list[str]
) -> None:
    monkeypatch.setattr(
        "tests.unit.components.resources.test_dry_run.PLAN", plan_stack(load(clusters={"ray": cluster}))
    )
    looked: list[ChartSource] = []
    silent = NotAskedError("no answer", for_now=True)
    with pytest.raises(NotAskedError):
        ask(monkeypatch, silent, preview=False, looked=looked)
    assert [source.chart for source in looked] == looked_at
