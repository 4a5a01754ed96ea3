"""Versions of Ray with known vulnerabilities are told, with the version that has none."""

from typing import Any

import pytest

from kuberay.checks.advisories import vulnerable_clusters
from kuberay.plan.stack import plan_stack
from kuberay.settings.stack import StackSettings
from tests.paths import ROOT
from tests.unit.settings import plan_of_file

EXPLOITED = (
    "lets a web page that a developer visits run code through a port-forward to the dashboard, which is exploited "
    "(CVE-2025-62593, fixed in 2.52.0)"
)


def told(**settings: Any) -> list[str]:
    return list(vulnerable_clusters(plan_stack(StackSettings.model_validate(settings))))


def test_each_version_is_told_once_with_all_that_run_it() -> None:
    services = {"chat": {"serveConfig": {"applications": [{"import_path": "a:b"}]}, "rayCluster": {"rayVersion": "2.54.0"}}}
    assert told(clusters={"a": {}, "b": {"rayVersion": "2.52.1"}, "c": {}}, services=services) == [
        f"clusters.a, clusters.c: Ray 2.46.0 {EXPLOITED} and has CVE-2026-27482 (fixed in 2.54.0), CVE-2026-57516 (fixed in 2.56.0); "
        "set rayVersion to 2.56.0 or later",
        "clusters.b: Ray 2.52.1 has CVE-2026-27482 (fixed in 2.54.0), CVE-2026-57516 (fixed in 2.56.0); set rayVersion to 2.56.0 or later",
        "services.chat.rayCluster: Ray 2.54.0 has CVE-2026-57516 (fixed in 2.56.0); set rayVersion to 2.56.0 or later",
    ]


@pytest.mark.parametrize("version", ["2.56.0", "2.60.0"])
def test_a_version_without_any_is_not_told(version: str) -> None:
    assert told(rayVersion=version) == []


@pytest.mark.parametrize("file", [ROOT / "Pulumi.prod.yaml", *sorted(ROOT.glob("examples/Pulumi.*.yaml"))], ids=lambda file: file.name)
def test_all_that_is_there_to_be_copied_but_the_guides_own_runs_a_version_without_any(file: Any) -> None:
    assert list(vulnerable_clusters(plan_of_file(file))) == []
