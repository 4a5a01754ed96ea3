"""Versions of Ray and KubeRay that are known to be vulnerable or to go wrong are told,
with the version that is not.
"""

from typing import Any

import pytest

from kuberay.checks.advisories import advised_against
from kuberay.plan.stack import plan_stack
from kuberay.settings.stack import StackSettings
from tests.paths import ROOT
from tests.stack_config import plan_of_file

EXPLOITED = (
    "lets a web page that a developer visits run code through a port-forward to the dashboard, which is"
    " exploited (CVE-2025-62593, fixed in 2.52.0)"
)
DELETES = (
    "lets a web page delete jobs and shut Serve down through a port-forward to the dashboard (CVE-2026-27482,"
    " fixed in 2.54.0)"
)


def told(**settings: Any) -> list[str]:
    return list(advised_against(plan_stack(StackSettings.model_validate(settings))))


def test_each_version_is_told_once_with_all_that_run_it() -> None:
    services = {
        "chat": {
            "serveConfig": {"applications": [{"import_path": "a:b"}]},
            "rayCluster": {"rayVersion": "2.54.0"},
        }
    }
    assert told(clusters={"a": {}, "b": {"rayVersion": "2.52.1"}, "c": {}}, services=services) == [
        (
            f"clusters.a, clusters.c: Ray 2.46.0 {EXPLOITED} and {DELETES} and has CVE-2026-57516 (fixed in"
            " 2.56.0); set rayVersion to 2.56.0 or later"
        ),
        (
            f"clusters.b: Ray 2.52.1 {DELETES} and has CVE-2026-57516 (fixed in 2.56.0); set rayVersion to"
            " 2.56.0 or later"
        ),
        (
            "services.chat.rayCluster: Ray 2.54.0 has CVE-2026-57516 (fixed in 2.56.0); set rayVersion to"
            " 2.56.0 or later"
        ),
    ]


@pytest.mark.parametrize("version", ["2.56.0", "2.60.0"])
def test_a_version_without_any_is_not_told(version: str) -> None:
    assert told(rayVersion=version) == []


@pytest.mark.parametrize(
    "file",
    [ROOT / "Pulumi.prod.yaml", *sorted(ROOT.glob("examples/Pulumi.*.yaml"))],
    ids=lambda file: file.name,
)
def test_all_that_is_there_to_be_copied_but_the_guides_own_runs_a_version_without_any(file: Any) -> None:
    assert list(advised_against(plan_of_file(file))) == []


@pytest.mark.parametrize(
    ("version", "is_told"), [("1.3.0", True), ("1.3.1", True), ("1.3.2", False), ("1.6.2", False)]
)
def test_a_version_of_kuberay_is_told_to_a_stack_that_meets_with_what_is_wrong_with_it(
    version: str, is_told: bool
) -> None:
    job = {"entrypoint": "python main.py", "cluster": "raycluster"}
    settings: dict[str, Any] = {
        "rayVersion": "2.56.0",
        "kuberayVersion": version,
        "protection": {"tokenAuthentication": "disabled"},
    }
    line = (
        f"jobs.train: KubeRay {version} starts the submitter of a failed job once more, which then ends as if"
        " all were well (kuberay 3211, fixed in 1.3.2); set kuberayVersion to 1.3.2 or later"
    )
    assert told(**settings, jobs={"train": job}) == ([line] if is_told else [])
    assert told(**settings, jobs={"train": job | {"submissionMode": "HTTPMode"}}) == []
    assert told(**settings, jobs={"train": job}, operator={"install": False}) == []
