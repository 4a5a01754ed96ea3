"""A report renders the charts of releases, and a login goes to no other address than
the one that it is set for.
"""

from collections.abc import Iterable, Mapping
from typing import Any, cast

import pytest

from commands.preview.manifests import add_manifests
from commands.preview.meaning.report import StackReport
from commands.preview.meaning.steps import Step
from commands.stack.helm import Helm
from kuberay.facts.addresses import Login
from kuberay.facts.chart_source import ChartSource
from kuberay.facts.charts import RELEASE
from kuberay.facts.phrases import SECRET

LOGIN = Login("mei-ling", "hunter2")


class HelmOfTheTest:
    """Takes note of where charts are fetched."""

    def __init__(self) -> None:
        self.fetched: list[tuple[str | None, Login | None]] = []

    def fetch(self, charts: Iterable[ChartSource]) -> None:
        self.fetched += [(chart.repository, chart.login) for chart in charts]

    def render(self, name: str, namespace: str, chart: ChartSource, values: Mapping[str, Any]) -> str:
        return ""


def release(repository: str, **login: str) -> dict[str, Any]:
    return {
        "name": "a",
        "chart": "ray-cluster",
        "version": "1.6.2",
        "values": {},
        "repositoryOpts": {"repo": repository, **login},
    }


SIGNED = {"username": SECRET, "password": SECRET}


@pytest.mark.parametrize(
    ("old", "logins"),
    [
        (
            release("https://old.example/", **SIGNED),
            [("https://old.example/", None), ("https://new.example/", LOGIN)],
        ),
        (release("https://new.example/", **SIGNED), [("https://new.example/", LOGIN)] * 2),
        (release("https://new.example/"), [("https://new.example/", None), ("https://new.example/", LOGIN)]),
        # A state of before has its own in the address.
        (
            release("https://a:b@old.example/"),
            [("https://old.example/", Login("a", "b")), ("https://new.example/", LOGIN)],
        ),
    ],
)
def test_a_login_goes_to_the_address_that_it_is_set_for(old: dict[str, Any], logins: list[Any]) -> None:
    step = Step(
        operation="update",
        type=RELEASE,
        name="a",
        parents="",
        old=old,
        new=release("https://new.example/", **SIGNED),
    )
    helm, report = HelmOfTheTest(), StackReport(stack="dev", level="changes")
    add_manifests(report, [step], cast("Helm", helm), lambda: "https://mei-ling:hunter2@new.example/")
    assert report.unknown == []
    assert helm.fetched == logins
