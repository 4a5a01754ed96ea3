"""What comes from an encrypted setting is a secret on its way to state and previews, and a preview still tells what pods are."""

import asyncio
import json
from typing import Any

import pulumi
import pytest
from pulumi.runtime.rpc import is_rpc_secret

from commands.preview.meaning.pods import pods_of_values
from components.cluster import conceal
from kuberay.facts.labels import TEMPLATE_ANNOTATION
from kuberay.plan.cluster import plan_cluster
from kuberay.settings.stack import StackSettings
from tests.unit.components.test_program import Recorder, run

#: A secret in each place of a group that takes any text.
SECRETIVE: dict[str, Any] = {
    "env": {"KEY": "hunter2"},
    "annotations": {"note": "hunter2"},
    "labels": {"key": "hunter2"},
    "rayStartParams": {"system-config": "hunter2"},
    "volumes": [{"name": "data", "csi": {"driver": "x", "volumeAttributes": {"key": "hunter2"}}}],
}


def as_the_cli_shows_it(tree: Any) -> Any:
    """With the CLI's word for a secret. Pulumi's mocks give secretness to all of an input."""
    if isinstance(tree, pulumi.Output) or is_rpc_secret(tree):
        return "[secret]"
    if isinstance(tree, dict):
        return {key: as_the_cli_shows_it(value) for key, value in tree.items()}
    return [as_the_cli_shows_it(value) for value in tree] if isinstance(tree, list) else tree


def readable(recorder: Recorder) -> str:
    """Everything that the program registers, as far as anyone can read it."""
    return json.dumps([as_the_cli_shows_it(made.inputs) for made in recorder.resources.values()])


def values_of(cluster: dict[str, Any], version: str = "1.3.0") -> tuple[dict[str, Any], Any]:
    """The values of a release, and what a preview shows of them in an encrypted stack."""
    settings = StackSettings.model_validate({"kuberayVersion": version, "clusters": {"ray": cluster}})
    values = plan_cluster(settings, "ray").values

    async def shown() -> Any:
        return as_the_cli_shows_it(conceal(values, settings.clusters["ray"]))

    return values, asyncio.run(shown())


@pytest.mark.parametrize("version", ["1.3.0", "1.7.0"])
def test_a_preview_of_an_encrypted_stack_tells_the_pods_and_none_of_the_texts(version: str) -> None:
    redis = {"redisAddress": "redis:6379"} | ({"redisUsername": "hunter2"} if version == "1.7.0" else {})
    groups = {"head": SECRETIVE, "worker": SECRETIVE, "additionalWorkerGroups": {"big": SECRETIVE | {"memory": "8G"}}}
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
    clusters = {"raycluster": {"head": SECRETIVE, "worker": SECRETIVE, "additionalWorkerGroups": {"big": SECRETIVE}}}
    assert "hunter2" in readable(run(monkeypatch, clusters=clusters)[0])
    monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", json.dumps(["kuberay:clusters"]))
    assert "hunter2" not in readable(run(monkeypatch, clusters=clusters)[0])


def test_raw_values_of_an_encrypted_operator_are_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    operator = {"values": {"env": [{"name": "KEY", "value": "hunter2"}]}}
    assert "hunter2" in readable(run(monkeypatch, operator=operator)[0])
    monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", json.dumps(["kuberay:operator"]))
    recorder, _ = run(monkeypatch, operator=operator)
    assert "hunter2" not in readable(recorder)
    assert recorder.resources["Release kuberay-operator"].inputs["values"]["value"]["global"]["kuberay.pulumi/stack"] == "kuberay/test"


def test_sizes_of_an_encrypted_operator_stay_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", json.dumps(["kuberay:operator"]))
    recorder, _ = run(monkeypatch, operator={"memory": "1Gi"})
    assert recorder.resources["Release kuberay-operator"].inputs["values"]["resources"]["limits"]["memory"] == "1Gi"


def test_nothing_of_encrypted_jobs_and_services_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = {"values": {"annotations": {"note": "hunter2"}}}
    jobs = {"train": {"entrypoint": "python train.py --key hunter2", "rayCluster": raw}}
    application = {"import_path": "chat:app", "runtime_env": {"env_vars": {"KEY": "hunter2"}}}
    services = {"chat": {"serveConfig": {"applications": [application]}, "rayCluster": raw}}
    monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", json.dumps(["kuberay:jobs", "kuberay:services"]))
    recorder, exported = run(monkeypatch, jobs=jobs, services=services)
    assert "hunter2" not in readable(recorder) + json.dumps(exported)
    annotations = recorder.resources["RayJob train"].inputs["metadata"]["value"]["annotations"]
    assert annotations == {"note": "hunter2", "kuberay.pulumi/stack": "kuberay/test", "pulumi.com/patchForce": "true"}
