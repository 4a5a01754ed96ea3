"""What comes from an encrypted setting is a secret on its way to state and previews,
and a preview still tells what pods are.
"""

import asyncio
import json
import re
from collections.abc import Sequence
from typing import Any

import pulumi
import pytest
from pulumi.runtime.rpc import is_rpc_secret

from commands.preview.meaning.pods import pods_of_values
from components.cluster import conceal
from kuberay.checks.loading import load_plan
from kuberay.facts.digests import KEY_STASH, Seal
from kuberay.facts.labels import TEMPLATE_ANNOTATION
from kuberay.plan.cluster import plan_cluster
from kuberay.settings.stack import StackSettings
from tests.stack_config import as_config
from tests.unit.components.test_program import Recorder, run

#: A secret in each place of a group that takes any text.
SECRETIVE: dict[str, Any] = {
    "env": {"KEY": "hunter2"},
    "annotations": {"note": "hunter2"},
    "labels": {"key": "hunter2"},
    "rayStartParams": {"system-config": {"key": "hunter2"}},
    "volumes": [{"name": "data", "csi": {"driver": "x", "volumeAttributes": {"key": "hunter2"}}}],
}


def as_the_cli_shows_it(tree: Any) -> Any:
    """With the CLI's word for a secret. Pulumi's mocks give secretness to all of an
    input.
    """
    if isinstance(tree, pulumi.Output) or is_rpc_secret(tree):
        return "[secret]"
    if isinstance(tree, dict):
        return {key: as_the_cli_shows_it(value) for key, value in tree.items()}
    return [as_the_cli_shows_it(value) for value in tree] if isinstance(tree, list) else tree


def readable(recorder: Recorder) -> str:
    """Everything that the program registers, as far as anyone can read it."""
    return json.dumps([as_the_cli_shows_it(made.inputs) for made in recorder.resources.values()])


def values_of(cluster: dict[str, Any], version: str = "1.3.0") -> tuple[dict[str, Any], Any]:
    """The values of a release, and what a preview shows of them in an
    encrypted stack.
    """
    settings = StackSettings.model_validate({"kuberayVersion": version, "clusters": {"ray": cluster}})
    values = plan_cluster(settings, "ray").values

    async def shown() -> Any:
        return as_the_cli_shows_it(conceal(values, settings.clusters["ray"]))

    return values, asyncio.run(shown())


@pytest.mark.parametrize("version", ["1.3.0", "1.7.0"])
def test_a_preview_of_an_encrypted_stack_tells_the_pods_and_none_of_the_texts(version: str) -> None:
    redis = {"redisAddress": "redis:6379"} | ({"redisUsername": "hunter2"} if version == "1.7.0" else {})
    groups = {
        "head": SECRETIVE,
        "worker": SECRETIVE,
        "additionalWorkerGroups": {"big": SECRETIVE | {"memory": "8G"}},
    }
    values, shown = values_of(groups | {"gcsFaultTolerance": redis}, version)
    assert "hunter2" in json.dumps(values)
    assert "hunter2" not in json.dumps(shown)
    for group in (shown["head"], shown["worker"], shown["additionalWorkerGroups"]["big"]):
        assert group["containerEnv"] == group["volumes"] == "[secret]"
        assert group["rayStartParams"]["system-config"] == group["labels"]["key"] == "[secret]"
        assert group["annotations"].keys() == {"note", TEMPLATE_ANNOTATION}
        assert group["annotations"][TEMPLATE_ANNOTATION] != "[secret]"
    pods = pods_of_values(shown)
    assert pods
    assert pods == pods_of_values(values)


def test_what_the_owner_has_not_set_stays_readable() -> None:
    values, shown = values_of({"worker": {"memory": "4G", "nodeSelector": {"pool": "ray"}}})
    assert shown == values


def test_raw_values_are_a_secret_as_a_whole() -> None:
    assert values_of({"values": {"head": {"labels": {"a": "b"}}}})[1] == "[secret]"


def test_an_encrypted_stack_registers_nothing_of_it_that_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    clusters = {
        "raycluster": {"head": SECRETIVE, "worker": SECRETIVE, "additionalWorkerGroups": {"big": SECRETIVE}}
    }
    assert "hunter2" in readable(run(monkeypatch, clusters=clusters)[0])
    monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", json.dumps(["kuberay:clusters"]))
    assert "hunter2" not in readable(run(monkeypatch, Recorder(state={}), clusters=clusters)[0])


def test_raw_values_of_an_encrypted_operator_are_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    operator = {"values": {"env": [{"name": "KEY", "value": "hunter2"}]}}
    assert "hunter2" in readable(run(monkeypatch, operator=operator)[0])
    monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", json.dumps(["kuberay:operator"]))
    recorder, _ = run(monkeypatch, Recorder(state={}), operator=operator)
    assert "hunter2" not in readable(recorder)
    assert (
        recorder.resources["Release kuberay-operator"].inputs["values"]["value"]["global"][
            "kuberay.pulumi/stack"
        ]
        == "kuberay/test"
    )


def test_sizes_of_an_encrypted_operator_stay_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", json.dumps(["kuberay:operator"]))
    recorder, _ = run(monkeypatch, Recorder(state={}), operator={"memory": "1Gi"})
    assert (
        recorder.resources["Release kuberay-operator"].inputs["values"]["resources"]["limits"]["memory"]
        == "1Gi"
    )


def test_nothing_of_encrypted_jobs_and_services_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = {"values": {"annotations": {"note": "hunter2"}}}
    jobs = {"train": {"entrypoint": "python train.py --key hunter2", "rayCluster": raw}}
    application = {"import_path": "chat:app", "runtime_env": {"env_vars": {"KEY": "hunter2"}}}
    services = {"chat": {"serveConfig": {"applications": [application]}, "rayCluster": raw}}
    monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", json.dumps(["kuberay:jobs", "kuberay:services"]))
    recorder, exported = run(monkeypatch, Recorder(state={}), jobs=jobs, services=services)
    assert "hunter2" not in readable(recorder) + json.dumps(exported)
    annotations = recorder.resources["RayJob train"].inputs["metadata"]["value"]["annotations"]
    assert annotations == {
        "note": "hunter2",
        "kuberay.pulumi/stack": "kuberay/test",
        "pulumi.com/patchForce": "true",
    }


def fingerprints_of(recorder: Recorder) -> dict[str, str]:
    """Those that stand on pods, by what makes them."""
    found: dict[str, str] = {}

    def look(tree: Any, where: str) -> None:
        if isinstance(tree, dict):
            found.update({where: tree[TEMPLATE_ANNOTATION]} if TEMPLATE_ANNOTATION in tree else {})
            for key, below in tree.items():
                look(
                    below,
                    (
                        where
                        if key in ("value", "annotations", "values", "spec", "template", "metadata")
                        else f"{where}.{key}"
                    ),
                )
        if isinstance(tree, list):
            for number, below in enumerate(tree):
                look(below, f"{where}.{number}")

    for name, made in recorder.resources.items():
        look(made.inputs, name)
    return found


def digests_in(text: str) -> set[str]:
    return set(re.findall(r'(?<=")[0-9a-f]{12}(?=")', text))


#: A stack with all that has fingerprints, and a secret in each.
GUESSABLE: dict[str, Any] = {
    "clusters": {"raycluster": {"head": SECRETIVE, "worker": SECRETIVE}},
    "jobs": {"train": {"entrypoint": "python train.py", "rayCluster": {"head": SECRETIVE}}},
    "services": {
        "chat": {
            "serveConfig": {"applications": [{"import_path": "chat:app"}]},
            "rayCluster": {"head": SECRETIVE},
        }
    },
}
SEALED = {
    "Release raycluster.head",
    "Release raycluster.worker",
    "RayJob train.rayClusterSpec.headGroupSpec",
    "RayJob train.rayClusterSpec.workerGroupSpecs.0",
    "RayService chat.rayClusterConfig.headGroupSpec",
    "RayService chat.rayClusterConfig.workerGroupSpecs.0",
}


def encrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", json.dumps([f"kuberay:{key}" for key in GUESSABLE]))


def test_a_stack_without_encrypted_settings_has_no_key_and_the_fingerprints_that_it_had(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorder, _ = run(monkeypatch, **GUESSABLE)
    assert f"Stash {KEY_STASH}" not in recorder.resources
    plan = load_plan(as_config(GUESSABLE))
    assert (
        fingerprints_of(recorder)["Release raycluster.head"] == plan.clusters["raycluster"].head.fingerprint
    )


def test_an_encrypted_stack_shows_no_fingerprint_that_can_be_worked_out_without_its_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = fingerprints_of(run(monkeypatch, **GUESSABLE)[0])
    everywhere = digests_in(readable(run(monkeypatch, **GUESSABLE)[0]))
    assert set(plain.values()) < everywhere
    encrypt(monkeypatch)
    recorder, _ = run(monkeypatch, Recorder(state={}), **GUESSABLE)
    assert fingerprints_of(recorder).keys() == plain.keys() == SEALED
    shown = readable(recorder)
    assert [digest for digest in everywhere if digest in shown] == []


def test_a_key_is_made_once_and_seals_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    encrypt(monkeypatch)
    first = fingerprints_of(run(monkeypatch, Recorder(state={}), **GUESSABLE)[0])
    assert first != fingerprints_of(run(monkeypatch, Recorder(state={}), **GUESSABLE)[0])
    sealed = fingerprints_of(run(monkeypatch, keyed(), **GUESSABLE)[0])
    assert sealed == fingerprints_of(run(monkeypatch, keyed(), **GUESSABLE)[0])


def keyed(kept: Sequence[str] = ()) -> Recorder:
    """After a run that made a key."""
    urn = f"urn:pulumi:test::kuberay::pulumi:index:Stash::{KEY_STASH}"
    return Recorder(
        state={urn: {"type": "pulumi:index:Stash", "outputs": {}}},
        kept={KEY_STASH: {"key": "k3y", "kept": [*kept]}},
    )


def test_a_stack_may_be_sealed_that_has_nothing_encrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = fingerprints_of(run(monkeypatch, keyed(), protection={"sealFingerprints": True}, **GUESSABLE)[0])
    assert sealed != fingerprints_of(run(monkeypatch, **GUESSABLE)[0])
    encrypt(monkeypatch)
    assert sealed == fingerprints_of(run(monkeypatch, keyed(), **GUESSABLE)[0])


def test_a_run_that_ends_after_it_has_made_the_key_loses_no_fingerprint_that_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, _ = run(monkeypatch, **GUESSABLE)
    state = {name: {"type": made.typ, "outputs": made.inputs} for name, made in before.resources.items()}
    encrypt(monkeypatch)
    upgraded, _ = run(monkeypatch, Recorder(state=state), **GUESSABLE)
    made = [name for name in upgraded.resources if "ingerprint" in name]
    assert made == [f"Stash {KEY_STASH}"]
    # The next run finds that one and all else as it was.
    kept = upgraded.resources[f"Stash {KEY_STASH}"].inputs["input"]["value"]
    state[f"urn::{KEY_STASH}"] = {"type": "pulumi:index:Stash", "outputs": {}}
    again, _ = run(monkeypatch, Recorder(state=state, kept={KEY_STASH: kept}), **GUESSABLE)
    assert fingerprints_of(again) == fingerprints_of(before)


def test_pods_that_ran_before_there_was_a_key_keep_their_fingerprints_until_their_templates_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, _ = run(monkeypatch, **GUESSABLE)
    plain = fingerprints_of(before)
    state = {name: {"type": made.typ, "outputs": made.inputs} for name, made in before.resources.items()}
    encrypt(monkeypatch)
    upgraded, _ = run(monkeypatch, Recorder(state=state), **GUESSABLE)
    assert fingerprints_of(upgraded) == plain
    kept = upgraded.resources[f"Stash {KEY_STASH}"].inputs["input"]["value"]["kept"]
    assert set(plain.values()) < set(kept)
    assert set(plain.values()) < digests_in(readable(before))
    assert digests_in(readable(upgraded)) < digests_in(readable(before))
    # From the second run on nothing but the Stash tells of it.
    assert fingerprints_of(run(monkeypatch, keyed(kept), **GUESSABLE)[0]) == plain
    changed = GUESSABLE | {
        "clusters": {"raycluster": {"head": SECRETIVE, "worker": {**SECRETIVE, "env": {"KEY": "0815"}}}}
    }
    then = fingerprints_of(run(monkeypatch, keyed(kept), **changed)[0])
    assert {where for where in plain if then[where] != plain[where]} == {"Release raycluster.worker"}
    assert then["Release raycluster.worker"] == Seal("k3y")(
        fingerprints_of(run_plainly(monkeypatch, changed))["Release raycluster.worker"]
    )


def run_plainly(monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]) -> Recorder:
    monkeypatch.delenv("PULUMI_CONFIG_SECRET_KEYS")
    return run(monkeypatch, **settings)[0]


def test_a_run_that_makes_no_key_for_its_target_alone_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    encrypt(monkeypatch)
    with pytest.raises(pulumi.RunError) as error:
        run(monkeypatch, Recorder(state={}, kept={KEY_STASH: None}), **GUESSABLE)
    assert (
        str(error.value)
        == "the stack has no key for its fingerprints yet, and a run with --target or --exclude makes none:"
        " run `pulumi up` once without them"
    )
