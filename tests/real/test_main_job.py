"""`pulumi up` gives a Ray cluster that runs jobs, in pods of the size that the settings
ask for.
"""

import json
import shlex

import pytest

from kuberay.checks.loading import load_settings
from kuberay.plan.cluster import plan_cluster
from kuberay.plan.memory import cluster_memory
from local import job
from tests.paths import ROOT
from tests.real.real_stack import GUIDE, RealStack

#: What Ray itself counts of each of its nodes, and how large /dev/shm is there.
FIGURES = """
import json, os, ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

@ray.remote(num_cpus=0.1)
def shared_memory():
    found = os.statvfs("/dev/shm")
    return found.f_frsize * found.f_blocks

ray.init(log_to_driver=False)
for node in [node for node in ray.nodes() if node["Alive"]]:
    on_it = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
    there = shared_memory.options(scheduling_strategy=on_it)
    print(json.dumps({"figures": node["Resources"], "sharedMemory": ray.get(there.remote())}))
"""
EACH_NODE = (ROOT / "examples/each_node.py").read_text()
#: 2G, in whole pages of 4096 bytes.
TWO_G = 2_000_000_000 // 4096 * 4096


@pytest.fixture(scope="module", autouse=True)
def guide(stack: RealStack) -> None:
    """Whatever the files before have left."""
    stack.with_cluster()
    stack.up_or_fail()


def seen_by_nodes(log: str) -> dict[str, int]:
    """Memory limit by kind of node, as the tasks have printed it."""
    lines = [json.loads(line) for line in log.splitlines() if line.startswith('{"node"')]
    return {line["node"]: line["memoryLimit"] for line in lines}


def test_ray_job_submit_runs_a_task_on_each_node_within_the_memory_of_the_settings(stack: RealStack) -> None:
    address = stack.outputs()["clusters"]["raycluster"]["dashboardAddress"]
    written = f"mkdir -p /tmp/job && cat > /tmp/job/each_node.py <<'END'\n{EACH_NODE}\nEND\n"
    submitted = f"ray job submit --address {address} --working-dir /tmp/job -- python each_node.py"
    log = stack.in_pod(stack.head(), "bash", "-c", written + submitted)
    assert "succeeded" in log
    assert seen_by_nodes(log) == {"head": TWO_G, "worker": TWO_G}


def test_ray_gets_what_the_preview_tells_of_the_settings(stack: RealStack) -> None:
    printed = stack.in_pod(stack.head(), "python", "-c", FIGURES)
    found = [json.loads(line) for line in printed.splitlines() if line.startswith('{"figures"')]
    by_kind = {
        "head" if "node:__internal_head__" in node["figures"] else "workergroup": node for node in found
    }
    settings = load_settings({"kuberay:clusters": json.dumps({GUIDE: {}})})
    told = cluster_memory(plan_cluster(settings, GUIDE))
    assert by_kind.keys() == told.keys()
    for group, memory in told.items():
        figures = by_kind[group]["figures"]
        assert figures["memory"] == memory.schedulable
        assert figures["CPU"] == memory.cpus
        # What is free when Ray starts differs a little each time, and with how far the
        # head's dashboard is by then.
        assert memory.object_store - 20_000_000 < figures["object_store_memory"] <= memory.most_object_store
        if group != "head":
            assert figures["object_store_memory"] < memory.object_store + 20_000_000
        assert by_kind[group]["sharedMemory"] == -(-memory.limit // 4096) * 4096  # in whole pages, rounded up


def test_a_job_from_this_machine_goes_through_the_port_forward_of_the_outputs(
    stack: RealStack, capsys: pytest.CaptureFixture[str]
) -> None:
    with stack.dashboard() as address:
        assert job.follow(address, shlex.join(["python", "-c", EACH_NODE]))
        assert seen_by_nodes(capsys.readouterr().out).keys() == {"head", "worker"}
        assert not job.follow(address, "python -c 'raise SystemExit(3)'")
        assert "exit code 3" in capsys.readouterr().out


def test_raised_memory_is_what_the_new_pods_have(stack: RealStack) -> None:
    stack.with_cluster(worker={"memory": "2500M"})
    stack.up_or_fail()
    (worker,) = (pod.name for pod in stack.kubernetes.ray_pods("raycluster-kuberay") if pod.kind == "worker")
    limit = next(
        path
        for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
        if "yes" in stack.in_pod(worker, "sh", "-c", f"test -e {path} && echo yes || echo no")
    )
    assert int(stack.in_pod(worker, "cat", limit)) == 2_500_000_000 // 4096 * 4096
