"""A null in raw values takes away what the program sets, and no more, wherever the
values go.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from kuberay.checks.loading import load_plan
from kuberay.plan.dry_run import questions
from kuberay.plan.stack import StackPlan

NULLS: dict[str, Any] = {
    "head": {
        "nodeSelector": {"disk": None},
        "labels": {"team": None},
        "affinity": {"nodeAffinity": None},
        "headService": {"spec": None},
        "lifecycle": None,
    },
    "worker": {"tolerations": None},
    "annotations": {"a": None},
}
PARTS = ("head", "worker", "additionalWorkerGroups", "image", "common", "service")


def plan(values: dict[str, Any], **cluster: Any) -> StackPlan:
    made = cluster | {"values": values}
    return load_plan(
        {
            "kuberay:clusters": json.dumps({"a": made}),
            "kuberay:jobs": json.dumps({"train": {"entrypoint": "true", "rayCluster": made}}),
            "kuberay:services": json.dumps(
                {"chat": {"serveConfig": {"applications": [{"import_path": "a:b"}]}, "rayCluster": made}}
            ),
        }
    )


def has_null(tree: Any) -> bool:
    below = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    return tree is None or any(map(has_null, below))


def test_jobs_and_services_and_what_is_asked_beforehand_hold_no_null() -> None:
    made = plan(NULLS)
    job, service = made.jobs["train"], made.services["chat"]
    assert not has_null([job.spec, job.annotations, service.spec, service.annotations])
    asked = [
        question.manifest
        for whose in ("clusters.a", "jobs.train", "services.chat")
        for question in questions(made, whose)
    ]
    assert not has_null(asked)
    head = job.spec["rayClusterSpec"]["headGroupSpec"]
    assert head["template"]["spec"]["nodeSelector"] == {"kubernetes.io/arch": "amd64"}


def test_nothing_that_runs_with_nulls_restarts_or_runs_again() -> None:
    """The fingerprints of the version before."""
    made = plan(NULLS)
    for groups in (made.clusters["a"].groups, made.jobs["train"].cluster.groups):
        assert [group.fingerprint for group in groups] == ["50a970857fd4", "91e89e692d13"]
    assert (made.clusters["a"].fingerprint, made.clusters["a"].service_fingerprint) == (
        "1e984238bce1",
        "f287c353349c",
    )
    assert (made.jobs["train"].fingerprint, made.services["chat"].fingerprint) == (
        "2189ad777f58",
        "c75c837fec80",
    )


def test_a_flag_without_a_value_is_left_out() -> None:
    made = plan(
        {"head": {"rayStartParams": {"dashboard-host": None}}},
        head={"rayStartParams": {"num-cpus": 0, "dashboard-host": "::"}},
    )
    assert made.jobs["train"].spec["rayClusterSpec"]["headGroupSpec"]["rayStartParams"] == {"num-cpus": "0"}


def test_a_group_without_the_charts_own_sizes_may_lose_a_limit() -> None:
    raw = {"additionalWorkerGroups": {"g": {"resources": {"limits": {"cpu": None}}}}}
    made = plan(raw, additionalWorkerGroups={"g": {"cpu": 4}})
    group = made.services["chat"].spec["rayClusterConfig"]["workerGroupSpecs"][1]
    assert group["template"]["spec"]["containers"][0]["resources"] == {
        "limits": {"memory": "2G"},
        "requests": {"cpu": "4", "memory": "2G"},
    }
    assert [group.cpu for group in made.clusters["a"].groups] == ["1", "0", "1"]


@pytest.mark.parametrize("version", ["1.3.0", "1.6.2"])
def test_a_part_with_nothing_but_comments_below_is_nothing(version: str, tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text(
        "".join(f"{part}:\n  # replicas: 3\n" for part in (*PARTS, "gcsFaultTolerance"))
    )

    def fingerprints(cluster: dict[str, Any]) -> list[str]:
        config = {"kuberay:kuberayVersion": version, "kuberay:clusters": json.dumps({"a": cluster})}
        return [
            group.fingerprint for group in load_plan(config, project_folder=tmp_path).clusters["a"].groups
        ]

    plain = fingerprints({})
    assert fingerprints({"valuesFile": "values.yaml"}) == plain
    assert (
        fingerprints({"values": {"head": {"image": None}, "additionalWorkerGroups": {"smallGroup": None}}})
        == plain
    )


def test_a_part_with_nothing_below_takes_nothing_of_the_file_away(tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text("head: {priorityClassName: high}\n")
    cluster = {"valuesFile": "values.yaml", "values": {"head": None}}
    values = (
        load_plan({"kuberay:clusters": json.dumps({"a": cluster})}, project_folder=tmp_path)
        .clusters["a"]
        .values
    )
    assert values["head"]["priorityClassName"] == "high"
