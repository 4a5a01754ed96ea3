"""What does not get to Ray of a job's command is told; real shells say what that is."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kuberay.checks.entrypoints import entrypoint_advice
from kuberay.plan.stack import plan_stack
from tests.stack_config import load

ARRIVES = (
    "show -m train",
    "show --epochs=3 'a b'",
    'show -c "import ray; ray.init(); print(ray.cluster_resources())"',
    """show --config '{"lr": 0.1, "name": "it is"}'""",
    'show --config={\\"lr\\":0.1}',
    'sh -c "show 1 && show 2"',
    "show \"'print(1)'\"",
    "  show 1\n",
    "show 'a | b'",
    "show \\\n  --epochs 3 \\\n  --rate 0.1",
    'show "a \\\n b"',
    "show --tag=a#1 '# 2'",
    "show --flag=a,b --pattern='s3://data/*.parquet'",
    "show '^a$' \"^b$\" c$",
    "WHERE=here show 1",
    "env WHERE='a b' show 1",
    "sh -c 'show 1 $WHERE; show 2'",
    'show --config \'{"lr":0.1,"b":[1,2]}\'',
)
CHANGED = {
    "show 1 && show 2": "takes && for itself",
    "show 1\nshow 2": "takes a line break for itself",
    "show 1 > log": "takes > for itself",
    "show 1; show 2": "takes ; for itself",
    "show (1)": "takes ( for itself",
    "show $WHERE": "in place of $",
    'show "${WHERE}"': "in place of $",
    "show `echo $WHERE`": "in place of `",
    "show -c 'print(1)'": "takes its ( for itself",
    "show 'a|b'": "takes its | for itself",
    'show "it\'s"': "takes its quote for itself",
    "show 'open": "a quote is left open",
    "show 1 # one": "takes # for itself",
    "show '#1'": "takes its # for itself",
    "show 'a\nb'": "takes its line break for itself",
    "show --files={a,b}": "makes several words of what stands in braces",
    "show {1..3}": "makes several words of what stands in braces",
    "show \"it's $WHERE and it's\"": "in place of $",
    "show \"'$WHERE'\"": "in place of $",
    "WHERE='a b' show 1": "write env in front of it",
    "sh -c 'for i in 1 2; do show $i; done'": "replaces $ in it before",
    'sh -c "x=1; show \\$x"': "replaces $ in it before",
    "sh -c 'show $1' sh first": "replaces $ in it before",
    "show 'a\\d+'": "takes its backslash for itself",
    "show 's*'": "takes its * for itself",
}

SUBMIT = f"""#!{sys.executable}
import os, subprocess, sys
command = subprocess.list2cmdline(sys.argv[1:])
subprocess.run(["sh", "-c", command], env={{**os.environ, "WHERE": "head"}})
"""


def told(**job: Any) -> list[str]:
    return list(entrypoint_advice(plan_stack(load(jobs={"train": {"entrypoint": "python"} | job}))))


@pytest.fixture(name="runs")
def _runs(tmp_path: Path) -> Any:
    """What a command shows, run by one shell in the head, or by the submitter's way."""
    for name, text in {"show": """#!/bin/sh\nprintf '%s|' "$WHERE" "$@"\n""", "submit": SUBMIT}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)

    def run(command: str, where: str) -> str:
        environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "WHERE": where}
        done = subprocess.run(
            ["sh" if where == "head" else "bash", "-c", command],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        return done.stdout

    return lambda command: (
        run(command, "head"),
        run(f"if true ; then submit {command.strip()} ; fi ;", "submitter"),
    )


@pytest.mark.parametrize("entrypoint", ARRIVES)
def test_of_a_command_that_ray_gets_as_it_is_nothing_is_said(runs: Any, entrypoint: str) -> None:
    assert told(entrypoint=entrypoint) == []
    if "'print(1)'" not in entrypoint:  # quoted once for each shell
        meant, got = runs(entrypoint)
        assert meant == got != ""


@pytest.mark.parametrize(("entrypoint", "said"), CHANGED.items())
def test_what_a_shell_between_takes_for_itself_is_told(runs: Any, entrypoint: str, said: str) -> None:
    (line,) = told(entrypoint=entrypoint)
    assert said in line
    assert line.startswith("jobs.train.entrypoint: ")
    assert line.endswith(", or set submissionMode: HTTPMode") == ("left open" not in said)
    meant, got = runs(entrypoint)
    assert meant != got or meant == ""


def test_a_message_shows_nothing_of_the_command() -> None:
    assert told(entrypoint="python -m train --password='hunter2(1)'") == [
        "jobs.train.entrypoint: Ray takes the quotes off an argument without a space, so that the head's"
        " shell takes its ( for itself: quote it twice, as in \"'…'\", or set submissionMode: HTTPMode"
    ]


def test_twice_quoted_it_comes_as_it_was_meant(runs: Any) -> None:
    meant, _ = runs("show -c 'print(1)'")
    _, got = runs("show -c \"'print(1)'\"")
    assert meant == got == "head|-c|print(1)|"


def test_a_dollar_behind_a_backslash_is_read_by_the_shell_that_the_command_starts(runs: Any) -> None:
    meant, _ = runs("sh -c 'for i in 1 2; do show $i; done'")
    _, got = runs(escaped := "sh -c 'for i in 1 2; do show \\$i; done'")
    assert meant == got == "head|1|head|2|"
    assert told(entrypoint=escaped) == []


def test_the_operator_hands_a_command_over_as_it_is() -> None:
    assert told(entrypoint="python a.py && python b.py", submissionMode="HTTPMode") == []


@pytest.mark.parametrize("key", ["runtimeEnv", "metadata"])
def test_a_dollar_beside_the_command_is_told(key: str) -> None:
    value = {"env_vars": {"PATH": "/opt:${PATH}"}} if key == "runtimeEnv" else {"team": "$team"}
    assert told(**{key: value}) == [
        f"jobs.train.{key}: the shell that submits the job replaces what stands behind $ or between"
        " backquotes, and no quotes help: leave it out, or set submissionMode: HTTPMode"
    ]
    assert told(**{key: json.loads(json.dumps(value).replace("$", ""))}) == []
