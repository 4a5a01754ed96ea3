"""`make preview` says what the next `up` does, on a real stack."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.cluster import LocalCluster
from tests.integration.harness.cloud_kubeconfig import write_cloud_kubeconfig
from tests.integration.harness.encrypted import set_secret
from tests.integration.harness.kubernetes import Kubernetes
from tests.integration.harness.stack import GUIDE, Stack, guide
from tests.paths import ROOT

SECRET = "opensesame-opensesame-opensesame"


@pytest.fixture(scope="module", autouse=True)
def first_up(stack: Stack) -> None:
    stack.configure(guide())
    stack.up_or_fail()


@pytest.fixture(autouse=True)
def as_the_guide_has_it(first_up: None, stack: Stack) -> None:
    stack.configure(guide())


def report_of(stack: Stack, *options: str) -> tuple[dict[str, Any], str]:
    """The only stack of the report, and the comment."""
    run = stack.make_preview(stack.name, *options)
    assert "Traceback" not in run.text
    folder = stack.config_file.parent / "report"
    (found,) = json.loads((folder / "report.json").read_text())["stacks"]
    return found, (folder / "comment.md").read_text().replace("\u00a0", " ")


def test_nothing_changes(stack: Stack) -> None:
    found, comment = report_of(stack)
    assert found["level"] == "nothing"
    assert "nothing changes" in comment
    assert found["after"] == {"cpu": "2", "memory": "4G", "gpus": 0}


def test_a_raised_memory_is_told_in_the_first_ten_lines(stack: Stack) -> None:
    stack.configure(guide(worker={"memory": "3G"}))
    found, comment = report_of(stack)
    first = "\n".join(comment.splitlines()[:10])
    assert "Ray pods restart" in first
    assert "1 pod of raycluster (workergroup)" in first
    assert "4G → **5G**" in first
    assert "memory 2G → 3G" in first
    (cluster,) = found["ray"]
    assert cluster["manifests"]["lines"][0] == "@@ RayCluster raycluster-kuberay @@"
    assert [line.split() for line in cluster["manifests"]["lines"] if line[0] in "+-"] == [
        ["-", "memory:", "2G"],
        ["+", "memory:", "3G"],
        ["-", "memory:", "2G"],
        ["+", "memory:", "3G"],
    ]


def test_exit_codes_tell_a_pipeline(stack: Stack) -> None:
    def code(**cluster: Any) -> int:
        stack.configure(guide(**cluster))
        done = subprocess.run(
            [
                "python",
                "-m",
                "commands.preview",
                stack.name,
                "--config-folder",
                str(stack.config_file.parent),
                "--exit-codes",
            ],
            env=stack.cluster.pulumi_env(),
            cwd=ROOT,
            capture_output=True,
            check=False,
        )
        return done.returncode

    assert code() == 0
    assert code(worker={"replicas": 2}) == 2
    assert code(worker={"memory": "3G"}) == 3
    assert code(worker={"enabled": False}) == 4
    assert code(worker={"memroy": "3G"}) == 1


def test_an_entrypoint_is_shown_and_does_nothing_in_comment_and_log(stack: Stack) -> None:
    stack.configure(
        guide() | {"jobs": {"train": {"entrypoint": "python -c 1 <!-- @admin\n::add-mask::kuberay"}}}
    )
    run = stack.make_preview(stack.name)
    comment = (stack.config_file.parent / "report/comment.md").read_text()
    assert "**job train**: new: runs `python -c 1 <!-- @admin\\n::add-mask::kuberay`" in comment
    assert "job train: new: runs `python -c 1 <!-- @admin\\n::add-mask::kuberay`" in run.text
    assert [line for line in run.text.splitlines() if line.lstrip().startswith("::")] == []


def test_more_replicas_restart_nothing(stack: Stack) -> None:
    stack.configure(guide(worker={"replicas": 3}))
    found, _ = report_of(stack)
    assert found["level"] == "changes"
    assert found["ray"][0]["headline"] == "workergroup: 1 → 3 pods; no pod restarts"
    assert found["after"]["memory"] == "8G"


def test_prices_and_nodes_tell_what_a_change_costs_and_whether_it_fits(
    stack: Stack, kubernetes: Kubernetes
) -> None:
    prices = {
        "prices": {
            "currency": "EUR",
            "cpuHour": 0.03,
            "gbHour": 0.01,
            "nodes": [{"labels": {"pool": "spot"}, "cpuHour": 0.01}],
        }
    }
    stack.configure(guide() | prices)
    found, _ = report_of(stack)
    month = {"amount": 73, "least": 73, "most": 73}
    assert (found["level"], found["unknown"], found["fit"]) == ("nothing", [], None)
    assert found["cost"] == {"currency": "EUR", "before": month, "after": month}
    stack.configure(guide(worker={"nodeSelector": {"pool": "spot"}}) | prices)
    found, comment = report_of(stack)
    assert "73.00 → **58.40**" in comment
    assert found["fit"]["answer"] == "does not fit"
    assert "workergroup of cluster raycluster: no node takes them: " in found["fit"]["why"][0]
    node = kubernetes.kubectl("get", "nodes", "-l", "kubernetes.io/arch=arm64", "-o", "name").split()[0]
    kubernetes.kubectl("label", node, "pool=spot")
    found, comment = report_of(stack)
    kubernetes.kubectl("label", node, "pool-")
    assert found["fit"] == {"answer": "fits", "why": []}
    assert "The nodes have room" in comment


def test_another_architecture_restarts_all_pods_on_another_image(stack: Stack) -> None:
    stack.configure(guide() | {"architecture": "x86"})
    found, _ = report_of(stack)
    assert (
        found["ray"][0]["headline"] == "2 pods of head and workergroup restart (architecture aarch64 → x86)"
    )
    image = next(one for one in found["ray"][0]["versions"] if one["what"] == "image")
    assert (image["before"], image["after"]) == (
        "rayproject/ray:2.46.0-py310-aarch64",
        "rayproject/ray:2.46.0-py310",
    )


def test_clusters_come_and_go(stack: Stack) -> None:
    stack.configure(GUIDE | {"clusters": {"raycluster": {}, "second": {}}})
    added, _ = report_of(stack)
    assert (added["level"], added["ray"][0]["operation"], added["after"]["memory"]) == (
        "changes",
        "create",
        "8G",
    )
    stack.configure(GUIDE | {"clusters": {"second": {}}})
    removed, comment = report_of(stack)
    assert removed["level"] == "destroys"
    assert "**something is destroyed**: cluster raycluster" in comment


@pytest.fixture
def put_back(stack: Stack) -> Iterator[None]:
    """For a test that changes the stack, and not its settings alone."""
    yield
    stack.configure(guide())
    stack.up_or_fail()


@pytest.mark.usefixtures("put_back")
def test_a_secret_that_changes_is_told_and_not_shown(stack: Stack) -> None:
    set_secret(stack, "clusters.raycluster.head.env.KEY", SECRET)
    found, _ = report_of(stack)
    assert found["level"] == "restarts"
    stack.up_or_fail()
    set_secret(stack, "clusters.raycluster.head.env.KEY", SECRET.upper())
    found, _ = report_of(stack)
    assert found["ray"][0]["secrets"] == ["values.head.containerEnv"]
    assert "1 pod of head restarts (a setting that is kept encrypted)" in found["ray"][0]["headline"]
    written = [file.read_text() for file in (stack.config_file.parent / "report").iterdir()]
    assert len(written) == 4
    assert not any(SECRET in text or SECRET.upper() in text for text in written)


def test_a_stack_that_does_not_exist_is_all_new_and_still_does_not_exist(stack: Stack) -> None:
    shutil.copy(stack.config_file, stack.config_file.with_name("Pulumi.fresh.yaml"))
    run = stack.make_preview("fresh")
    assert run.ok, run.text
    assert "(a new stack)" in run.text
    command = ["pulumi", "stack", "ls", "--all", "--non-interactive"]
    folder = stack.config_file.parent
    listed = subprocess.run(
        command, env=stack.cluster.pulumi_env(), cwd=folder, capture_output=True, text=True, check=True
    )
    assert stack.name in listed.stdout
    assert "fresh" not in listed.stdout


def test_a_stack_that_nobody_knows_is_named_with_those_that_are_known(stack: Stack) -> None:
    run = stack.make_preview("prdo")
    assert not run.ok
    assert (
        f"there is neither a stack prdo nor a Pulumi.prdo.yaml; there is: {stack.name}"
        in run.text.replace("fresh, ", "")
    )


def test_broken_settings_are_the_line_that_pulumi_prints(stack: Stack) -> None:
    stack.configure(guide(worker={"memroy": "3G"}))
    found, comment = report_of(stack)
    assert found["level"] == "failed"
    assert found["errors"][0].startswith("kuberay:clusters.raycluster.worker.memroy:")
    assert "did you mean 'memory'?" in comment


def test_several_stacks_make_one_report_in_which_one_may_fail(stack: Stack) -> None:
    shutil.copy(stack.config_file, stack.config_file.with_name("Pulumi.fresh.yaml"))
    run = stack.make_preview(stack.name, "fresh", "prdo")
    comment = (stack.config_file.parent / "report/comment.md").read_text()
    summary = comment.split("\n\n")[1]
    rows = [line for line in summary.splitlines() if line.startswith("| ")]
    assert [row.split("|")[1].strip() for row in rows[2:]] == [stack.name, "fresh", "prdo"]
    assert not run.ok


def test_without_access_to_the_cluster_it_says_what_it_could_not_know(stack: Stack) -> None:
    stack.configure(guide(worker={"memory": "3G"}))
    config = yaml.safe_load(stack.config_file.read_text())
    config["config"]["kubernetes:kubeconfig"] = "/nowhere/kubeconfig"
    stack.config_file.write_text(yaml.safe_dump(config))
    found, comment = report_of(stack)
    assert found["ray"][0]["headline"] == "1 pod of workergroup restarts (memory 2G → 3G)"
    assert found["unknown"]
    assert "could not be asked" in comment
    looked, _ = report_of(stack, "--drift")
    assert looked["level"] == "failed"


@pytest.mark.usefixtures("put_back")
def test_drift_inside_a_helm_release_is_found_and_nothing_else_is_called_drift(
    stack: Stack, kubernetes: Kubernetes
) -> None:
    found, comment = report_of(stack, "--drift")
    assert (found["level"], found["drift"]) == ("nothing", [])
    assert "nothing was edited or deleted" in comment
    edit = '[{"op": "replace", "path": "/spec/workerGroupSpecs/0/maxReplicas", "value": 7}]'
    kubernetes.kubectl(
        "patch", "raycluster", "raycluster-kuberay", "-n", "kuberay", "--type=json", "-p", edit
    )
    added = '{"spec": {"headServiceAnnotations": {"by": "hand"}}}'
    kubernetes.kubectl(
        "patch", "raycluster", "raycluster-kuberay", "-n", "kuberay", "--type=merge", "-p", added
    )
    kubernetes.kubectl("set", "env", "deployment/kuberay-operator", "-n", "kuberay", "DEBUG=1")
    kubernetes.kubectl("delete", "service", "kuberay-operator", "-n", "kuberay")
    kubernetes.kubectl("delete", "networkpolicy", "--all", "-n", "kuberay")
    found, _ = report_of(stack, "--drift")
    drift = {f"{one['kind']} {one['name']}": (one["what"], one["fields"]) for one in found["drift"]}
    assert drift == {
        "RayCluster raycluster-kuberay": (
            "edited",
            [
                "spec.headServiceAnnotations.by was not there",
                "spec.workerGroupSpecs[0].maxReplicas is 7, not 1",
            ],
        ),
        "Deployment kuberay-operator": (
            "edited",
            [
                "spec.template.spec.containers[kuberay-operator].env[DEBUG].name was not there",
                "spec.template.spec.containers[kuberay-operator].env[DEBUG].value was not there",
            ],
        ),
        "Service kuberay-operator": ("deleted", []),
        "NetworkPolicy kuberay.NetworkPolicy": ("deleted", []),
    }
    gone = '{"op": "remove", "path": "/spec/headServiceAnnotations"}'
    back = edit.replace("7", "1").replace("]", f", {gone}]")
    kubernetes.kubectl(
        "patch", "raycluster", "raycluster-kuberay", "-n", "kuberay", "--type=json", "-p", back
    )
    kubernetes.kubectl("set", "env", "deployment/kuberay-operator", "-n", "kuberay", "DEBUG-")
    run = stack.refresh()
    assert run.ok, run.text


@pytest.fixture
def large_stack(tmp_path: Path) -> Iterator[Stack]:
    """On nodes with room for a hundred clusters, and with a kubeconfig as clouds have
    it: each connection of many at once needs threads of the program then.
    """
    folder = tmp_path / "stack"
    folder.mkdir()
    with LocalCluster(tmp_path / "cluster", node_cpu=1024, node_memory="4Ti") as cluster:
        yield Stack(cluster, "large", folder, kubeconfig=write_cloud_kubeconfig(cluster.kubeconfig, folder))


def test_a_hundred_changed_clusters_fit_in_a_comment(large_stack: Stack) -> None:
    def hundred(memory: str) -> dict[str, Any]:
        return GUIDE | {"clusters": {f"ray{number}": {"worker": {"memory": memory}} for number in range(100)}}

    large_stack.configure(hundred("2G"))
    with large_stack.state_at_the_end():
        large_stack.up_or_fail()
    large_stack.configure(hundred("3G"))
    found, comment = report_of(large_stack)
    assert len(found["ray"]) == 100
    assert len(comment) <= 64_000
    first = "\n".join(comment.splitlines()[:10])
    assert "100 pods of ray0 (workergroup), ray1 (workergroup), ray2 (workergroup) and 97 more" in first
    assert "400G → **500G**" in first
