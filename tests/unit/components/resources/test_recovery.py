"""What a hook is given of a release or an object can be read, secrets included."""

import asyncio
from typing import Any

import pulumi
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.rpc import deserialize_properties, is_rpc_secret, unwrap_rpc_secret

from components.resources.recovery import resolve_outputs
from kuberay.live.takeover.marks import marked_values, without_mark

#: How the engine hands over a secret.
SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}

VALUES: dict[str, Any] = {
    "head": {"containerEnv": [{"name": "KEY", "value": "hunter2"}], "annotations": {"a": "b"}},
    "worker": {"replicas": 1},
}


def as_the_sdk_hands_it_over(inputs: dict[str, Any]) -> dict[str, Any]:
    struct = Struct()
    struct.update(inputs)
    read: dict[str, Any] = deserialize_properties(struct, keep_unknowns=True)
    return {
        key: pulumi.Output.secret(unwrap_rpc_secret(value)) if is_rpc_secret(value) else value
        for key, value in read.items()
    }


def test_values_with_a_secret_somewhere_are_those_that_the_record_of_a_killed_run_has() -> None:
    async def given() -> Any:
        values = marked_values(VALUES, "kuberay/dev")
        head = {**VALUES["head"], "containerEnv": {**SECRET, "value": VALUES["head"]["containerEnv"]}}
        inputs = as_the_sdk_hands_it_over(
            {"name": "ray", "namespace": "team", "values": {**values, "head": head}}
        )
        assert isinstance(inputs["values"], pulumi.Output)
        return await resolve_outputs(inputs)

    release = asyncio.run(given())
    assert (release["name"], without_mark(release["values"])) == ("ray", VALUES)


def test_values_that_are_a_secret_as_a_whole_are_read_too() -> None:
    async def given() -> Any:
        return await resolve_outputs(
            as_the_sdk_hands_it_over({"name": "ray", "values": {**SECRET, "value": VALUES}})
        )

    assert asyncio.run(given()) == {"name": "ray", "values": VALUES}


def test_outputs_in_outputs_are_read_too() -> None:
    async def given() -> Any:
        return await resolve_outputs(
            {
                "a": pulumi.Output.secret({"b": [pulumi.Output.secret("c")]}),
                "d": [pulumi.Output.secret(1), None],
            }
        )

    assert asyncio.run(given()) == {"a": {"b": ["c"]}, "d": [1, None]}


def test_inputs_without_a_secret_stay_as_they_are() -> None:
    assert asyncio.run(resolve_outputs({"name": "ray", "values": VALUES})) == {
        "name": "ray",
        "values": VALUES,
    }
