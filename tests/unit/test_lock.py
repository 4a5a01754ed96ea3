"""requirements*.txt is the lock: what requirements*.in asks for, and all that it needs,
by version and hash.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

import pytest
import yaml

from tests.paths import ROOT


class Locked(NamedTuple):
    """A package in the lock; one may stand there twice, for different Pythons."""

    version: str
    marker: str
    hashes: int


def asked(name: str) -> Mapping[str, str]:
    """The version of each package that a person has chosen."""
    lines = (ROOT / name).read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith(("#", "-")))


def locked(name: str) -> Mapping[str, list[Locked]]:
    """What pip installs."""
    found: dict[str, list[Locked]] = {}
    text = re.sub(r"^\s*#.*\n", "", (ROOT / name).read_text(), flags=re.MULTILINE).replace("\\\n", "")
    for line in filter(None, text.splitlines()):
        match = re.fullmatch(r"([a-z\d.-]+)==(\S+)(?: ; (.*?))?((?:\s+--hash=sha256:[\da-f]{64})*)\s*", line)
        assert match, f"{name} has a line that pins no package: {line}"
        package, version, marker, hashes = match.groups()
        found.setdefault(package, []).append(Locked(version, marker or "", hashes.count("--hash")))
    return found


EVERY_LOCK = pytest.mark.parametrize(
    "name", ["requirements", "requirements-dev", "local/tools/go/requirements"]
)


@EVERY_LOCK
def test_the_lock_has_what_is_asked_for_in_the_version_that_is_asked_for(name: str) -> None:
    wanted, lock = asked(f"{name}.in"), locked(f"{name}.txt")
    assert wanted
    found = {package: [one.version for one in lock.get(package, [])] for package in wanted}
    assert found == {package: [version] for package, version in wanted.items()}, "run `make lock`"


@EVERY_LOCK
def test_every_package_of_the_lock_has_hashes(name: str) -> None:
    lock = locked(f"{name}.txt")
    assert [package for package, found in lock.items() if not all(one.hashes for one in found)] == []


def test_the_tests_run_on_the_versions_that_pulumi_installs() -> None:
    program, tests = locked("requirements.txt"), locked("requirements-dev.txt")
    assert {package: tests.get(package) for package in program} == program, "run `make lock`"


def test_make_refuses_a_package_without_a_hash() -> None:
    (install,) = re.findall(r"pip install .*-r .*", (ROOT / "Makefile").read_text())
    assert install.endswith("--require-hashes -r requirements-dev.txt")


def test_pulumi_install_reads_the_lock_of_the_program() -> None:
    # Its pip toolchain takes requirements.txt, and pip asks for the hash of everything
    # where one line has some.
    runtime = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["runtime"]
    assert runtime == {"name": "python", "options": {"toolchain": "pip", "virtualenv": ".venv"}}
