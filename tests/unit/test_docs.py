"""What is read about the settings is made from them, what is read about versions is
true, and what is to be copied is taken.
"""

import re
import typing
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from docs.build import FILES, SECTIONS, models_in
from kuberay.checks.advisories import advised_against
from kuberay.checks.loading import load_plan
from kuberay.facts.advisories import ADVISORIES, AS_OF
from kuberay.facts.versions import KubeRayVersion
from kuberay.plan.protection import FIRST_RAY, is_restricted, uses_token
from kuberay.plan.stack import plan_stack
from kuberay.settings.stack import StackSettings
from local.tools import versions_at_hand
from tests.integration.harness import upgrade_matrix
from tests.integration.harness.operators import NEWEST, OLDEST
from tests.paths import ROOT
from tests.stack_config import as_config

STACK_FILES = [
    pytest.param(block, id=f"{file.name}-{number}")
    for file in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    for number, block in enumerate(re.findall(r"```yaml\n(config:\n.*?)```", file.read_text(), re.DOTALL))
]


@pytest.mark.parametrize("name", FILES)
def test_the_generated_files_are_up_to_date(name: str) -> None:
    assert (ROOT / name).read_text() == FILES[name](), "run `make docs`"


def test_every_setting_is_in_the_reference() -> None:
    def below(model: type[BaseModel]) -> set[type[BaseModel]]:
        inner = {each for field in model.model_fields.values() for each in models_in(field.annotation)}
        return {model}.union(*map(below, inner))

    written = {(name, model) for _, model in SECTIONS for name in model.model_fields}
    missing = [
        f"{model.__name__}.{name}"
        for model in below(StackSettings)
        for name in model.model_fields
        if not any((name, each) in written for each in model.__mro__)
    ]
    assert missing == []


@pytest.mark.parametrize("block", STACK_FILES)
def test_a_stack_file_in_the_docs_can_be_copied(block: str) -> None:
    given: dict[str, Any] = yaml.safe_load(block)["config"]
    assert load_plan(as_config(given), project_folder=ROOT).settings


@pytest.mark.parametrize(
    "file",
    [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))],
    ids=lambda file: str(file.relative_to(ROOT)),
)
def test_every_link_between_documents_leads_somewhere(file: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", file.read_text()):
        path, _, place = link.partition("#")
        if "://" in link:
            continue
        target = file.parent / path if path else file
        assert target.exists(), link
        # GitHub's name of a heading: its letters, digits and hyphens in small letters.
        headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE) if place else []
        names = [re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings]
        assert not place or place in names, link


def test_what_the_readme_says_is_protected_is_what_holds_by_default() -> None:
    section = (ROOT / "README.md").read_text().partition("## What is protected\n")[2].partition("\n## ")[0]
    assert 10 < len(section.splitlines()) < 40
    guide = plan_stack(StackSettings())
    protection = guide.settings.protection
    assert f"From Ray {FIRST_RAY} on" in section
    assert f"The guide's Ray, {guide.settings.ray_version}, is older" in section
    (warning,) = advised_against(guide)
    assert "clusters.raycluster: Ray 2.46.0 lets a web page" in warning
    assert all(cve in warning for cve in re.findall(r"CVE-[\d-]+", section))
    assert uses_token(protection, FIRST_RAY)
    assert is_restricted(protection, None)
    assert guide.namespace.rules[0]["spec"]["ingress"] == [{"from": [{"podSelector": {}}]}]
    assert guide.namespace.account
    assert guide.namespace.account["automountServiceAccountToken"] is False


def test_the_licence_is_apaches_and_vulnerabilities_are_told_in_private() -> None:
    assert (ROOT / "LICENSE").read_text().split()[:4] == ["Apache", "License", "Version", "2.0,"]
    assert "report a vulnerability privately" in (ROOT / "SECURITY.md").read_text()


def test_every_version_of_kuberay_is_said_to_be_tested_in_one_way() -> None:
    told = rows("docs/versions.md", "How each version")
    tested = {version: how for versions, how in told[:-1] for version in versions.split(", ")}
    assert sorted(tested) == sorted(typing.get_args(KubeRayVersion))
    assert [version for version, how in tested.items() if how.startswith("on its operator, by CI")] == [
        OLDEST,
        NEWEST,
    ]
    assert sorted(
        version for version, how in tested.items() if how.startswith("on its operator")
    ) == versions_at_hand("kuberay-operator")


def test_every_version_that_is_advised_against_is_in_the_docs() -> None:
    told = rows("docs/versions.md", "Versions that are advised against")
    assert [(what, fixed) for _, what, fixed in told] == [
        (f"{each.name}: {each.what}".removesuffix(": "), each.fixed) for each in ADVISORIES
    ]
    assert all(
        versions.startswith(each.product) for (versions, *_), each in zip(told, ADVISORIES, strict=True)
    )
    assert f"As of {AS_OF}, " in (ROOT / "docs/versions.md").read_text()


def test_the_table_of_upgrades_is_what_was_run() -> None:
    assert (ROOT / "docs/upgrades.md").read_text() == upgrade_matrix.page(upgrade_matrix.load())


def rows(file: str, title: str) -> list[list[str]]:
    """The rows of the table below a title."""
    section = (ROOT / file).read_text().partition(f"## {title}")[2].partition("\n## ")[0]
    _, _, *lines = (line for line in section.splitlines() if line.startswith("|"))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
