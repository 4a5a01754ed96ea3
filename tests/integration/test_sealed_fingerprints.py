"""A stack that holds secrets shows no fingerprint by which they could be guessed, and
gets there without a restart.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kuberay.checks.loading import load_plan
from kuberay.facts.labels import TEMPLATE_ANNOTATION
from kuberay.plan.stack import StackPlan
from local.cluster import LocalCluster
from tests.integration.harness.encrypted import set_secret
from tests.integration.harness.kubernetes import Kubernetes
from tests.integration.harness.stack import Stack, guide
from tests.paths import ROOT

PIN = "clusters.raycluster.head.env.PIN"
PODS = {"Stash raycluster.head.pods", "Stash raycluster.workergroup.pods"}


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program as it was before stacks had a key."""
    program = tmp_path_factory.mktemp("before") / "kuberay"
    shutil.copytree(ROOT, program, ignore=shutil.ignore_patterns(".*", "__pycache__", "tests", "docs"))
    (program / ".venv").symlink_to(ROOT / ".venv")
    file = program / "components/resources/fingerprint_key.py"
    now = "if is_sealed(plan, get_config_secret_keys_env()) else plan"
    assert now in file.read_text()
    file.write_text(file.read_text().replace(now, "if False else plan"))
    return program


@pytest.fixture(scope="module")
def stack(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory, before: Path) -> Iterator[Stack]:
    """A stack that the program before brought up."""
    stack = Stack(cluster, "sealed", tmp_path_factory.mktemp("sealed"))
    stack.configure(guide())
    set_secret(stack, PIN, "4711")
    stack.program = before
    stack.up_or_fail()
    stack.program = ROOT
    yield stack
    stack.clear()


def pods(kubernetes: Kubernetes) -> dict[str, str]:
    """The fingerprint on each pod, by its UID."""
    found = json.loads(
        kubernetes.kubectl(
            "get", "pods", "-n", "kuberay", "-l", "ray.io/cluster=raycluster-kuberay", "-o", "json"
        )
    )
    return {
        pod["metadata"]["uid"]: pod["metadata"]["annotations"][TEMPLATE_ANNOTATION] for pod in found["items"]
    }


def plain(stack: Stack, pin: str) -> StackPlan:
    """What whoever knows all settings but the secret works out for a guess at it."""
    version = stack.cluster.kuberay_versions[0]
    config = {f"kuberay:{key}": str(value) for key, value in guide().items() if key != "clusters"}
    clusters = json.dumps({"raycluster": {"head": {"env": {"PIN": pin}}}})
    return load_plan(config | {"kuberay:kuberayVersion": version, "kuberay:clusters": clusters})


def test_the_first_up_with_a_key_restarts_no_pod(stack: Stack, kubernetes: Kubernetes) -> None:
    running = pods(kubernetes)
    assert set(running.values()) == {
        group.fingerprint for group in plain(stack, "4711").clusters["raycluster"].groups
    }
    assert stack.preview().changes == {"Stash fingerprint-key": "create"}
    stack.up_or_fail()
    assert pods(kubernetes) == running
    assert stack.preview().changes == {}


def test_a_template_that_changes_is_sealed_and_nothing_else_restarts(
    stack: Stack, kubernetes: Kubernetes
) -> None:
    running = pods(kubernetes)
    set_secret(stack, PIN, "0815")
    changes = stack.preview().changes
    assert {resource for resource, operation in changes.items() if operation == "replace"} == PODS
    stack.up_or_fail()
    after = pods(kubernetes)
    assert not running.keys() & after.keys()
    guess = plain(stack, "0815").clusters["raycluster"]
    guesses = {group.fingerprint for group in guess.groups} | {guess.fingerprint}
    assert not guesses & set(after.values())
    assert not [
        digest for digest in guesses if digest in json.dumps(stack.state()) + stack.preview_text().text
    ]
    assert stack.preview().changes == {}


def test_the_doctor_knows_sealed_pods(stack: Stack) -> None:
    told = stack.make_doctor()
    assert told.ok, told.text
    assert "old spec" not in told.text
    assert "raycluster-kuberay, head: 1 of 1 pods ready" in " ".join(told.text.split())
