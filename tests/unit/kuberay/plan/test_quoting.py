"""What a chart pastes into text, and KubeRay into a shell, arrives as it
was written.
"""

import json
import shlex
import subprocess
from typing import Any

import pytest

from kuberay.plan.operator import operator_values
from kuberay.plan.quoting import shell_word
from kuberay.plan.ray_cluster_spec import ray_start_params
from kuberay.settings.stack import StackSettings
from tests.unit.kuberay.plan.test_cluster import fingerprints, plan


@pytest.mark.parametrize(
    "text",
    [
        '{"NPU": 1}',
        '{"NPU":1,"b":2}',
        '{"it\'s": 1}',
        "[1, 2]",
        "a b",
        "it's",
        "a;b",
        "a & b",
        "http://host/?a=1&b=2",
        "(a)",
        'no "end',
        "a\nb",
        "4",
        "127.0.0.1",
        "zone=a,team=b",
        "{}",
        "a'b'",
        'say"hi"',
        "pa\\ss",
        "C:\\ray",
        "{a,b}",
        "{1..3}",
        ";",
        "&&",
        "|",
        ">",
        "(",
        "#1",
    ],
)
def test_a_shell_reads_a_value_as_it_was_written(text: str) -> None:
    pasted = f"printf '%s\\0' ray start --head --flag={shell_word(text)}  --block "
    words = subprocess.run(["bash", "-c", pasted], capture_output=True, text=True, check=True).stdout.split(
        "\0"
    )
    assert words == ["ray", "start", "--head", f"--flag={text}", "--block", ""]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('{"NPU": 1}\n', '{"NPU": 1}'),
        ("a\n", "a"),
        (" a", "a"),
        ("a ", "a"),
        ("\ta b \n", "a b"),
        ("'a b'\n", "a b"),
        ("$((1 + 1))\n", "2"),
    ],
)
def test_white_space_around_a_value_is_none_of_it(text: str, word: str) -> None:
    pasted = f"printf '%s\\0' ray start --head --flag={shell_word(text)}  --block "
    words = subprocess.run(["bash", "-c", pasted], capture_output=True, text=True, check=True).stdout.split(
        "\0"
    )
    assert words == ["ray", "start", "--head", f"--flag={word}", "--block", ""]


@pytest.mark.parametrize(
    "text",
    [
        "'{\"NPU\": 1}'",
        '"{\\"NPU\\": 1}"',
        "'\"a\"'",
        "$REDIS_PASSWORD",
        "$(hostname -s)",
        '"$HOME/a b"',
        "`hostname -s`",
        "",
        "*",
        "zone='a b'",
        "a\\ b",
    ],
)
def test_what_is_written_for_the_shell_already_stays_as_it_is(text: str) -> None:
    assert shell_word(text) == text


@pytest.mark.parametrize("resources", [{"NPU": 1}, '{"NPU": 1}', "'{\"NPU\": 1}'"])
@pytest.mark.parametrize("raw", [True, False])
def test_custom_resources_may_be_a_map_or_text_quoted_or_not(resources: Any, raw: bool) -> None:
    head = {"head": {"rayStartParams": {"resources": resources}}}
    assert (
        plan({"values": head} if raw else head).values["head"]["rayStartParams"]["resources"]
        == "'{\"NPU\": 1}'"
    )


def test_kuberay_reads_the_resources_that_a_shell_reads() -> None:
    """It takes quotes off both ends before it reads JSON (`getResourcesMap`)."""
    pasted = plan({"worker": {"rayStartParams": {"resources": {"NPU": 1, "slot": 0.5}}}}).values["worker"][
        "rayStartParams"
    ]["resources"]
    assert json.loads(pasted.strip("'\"` ")) == json.loads(shlex.split(pasted)[0]) == {"NPU": 1, "slot": 0.5}


@pytest.mark.parametrize("key", ["rayStartParams", "initArgs"])
def test_whole_numbers_of_raw_flags_arrive_digit_by_digit(key: str) -> None:
    flags = {"object-store-memory": 600_000_000, "memory": 1.5e9, "num-cpus": 4, "verbose": True}
    head = plan({"values": {"head": {key: flags}}}).values["head"]
    assert head[key] == {
        "object-store-memory": "600000000",
        "memory": "1500000000",
        "num-cpus": 4,
        "verbose": True,
    }
    assert ray_start_params(head) == {
        "object-store-memory": "600000000",
        "memory": "1500000000",
        "num-cpus": "4",
        "verbose": "true",
    }


def test_a_tag_and_a_prefix_that_are_numbers_arrive_digit_by_digit() -> None:
    raw = {
        "image": {"repository": "a/ray", "tag": 20260102},
        "head": {"image": {"repository": "a/ray", "tag": 20260103}},
    }
    made = plan(
        {"values": raw | {"gcsFaultTolerance": {"externalStorageNamespace": 12345678}}},
        kuberayVersion="1.6.2",
    )
    assert [group.image for group in made.groups] == ["a/ray:20260103", "a/ray:20260102"]
    assert made.values["worker"]["image"]["tag"] == "20260102"
    assert made.values["gcsFaultTolerance"]["externalStorageNamespace"] == "12345678"


def test_a_tag_of_the_operator_that_is_a_number_arrives_digit_by_digit() -> None:
    settings = StackSettings.model_validate({"operator": {"values": {"image": {"tag": 20260102}}}})
    assert operator_values(settings)["image"]["tag"] == "20260102"


def test_numbers_that_kubernetes_wants_stay_numbers() -> None:
    raw = {
        "podSecurityContext": {"runAsUser": 1_000_700_000},
        "priority": 1_000_000,
        "ports": [{"containerPort": 8000}],
    }
    head = plan({"values": {"head": raw}}).values["head"]
    assert {key: head[key] for key in raw} == raw | {"podSecurityContext": head["podSecurityContext"]}
    assert head["podSecurityContext"]["runAsUser"] == 1_000_700_000


def test_no_pod_restarts_for_flags_that_arrived_before() -> None:
    """The fingerprints of the version before: a value that was pasted well is the same
    value still.
    """
    flags = {"num-cpus": 4, "resources": "'{\"NPU\": 1}'", "block": True, "node-name": "$(hostname -s)"}
    assert fingerprints({"values": {"head": {"rayStartParams": flags}}}) == {
        "head": "82349da34cb3",
        "workergroup": "b8d82c788a14",
    }
    settings = {"num-cpus": 0, "object-store-memory": 600_000_000}
    assert fingerprints({"worker": {"rayStartParams": settings}}) == {
        "head": "ea9777797636",
        "workergroup": "4de62ff417ad",
    }
