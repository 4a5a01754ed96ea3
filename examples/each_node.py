"""A Ray job to try a cluster with: one task on each node, which says where it runs and
what the container may take.

Run it by `make job`, or by `ray job submit --address http://localhost:8265
--working-dir examples -- python each_node.py`.
"""

import json
from pathlib import Path

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


# Of no CPU: a head may have none to give.
@ray.remote(num_cpus=0)
def look_around() -> dict[str, object]:
    """What a task sees of its node."""
    limit = next(path.read_text().strip() for path in map(Path, LIMITS) if path.exists())
    return {
        "address": ray.util.get_node_ip_address(),
        "memoryLimit": int(limit) if limit.isdigit() else limit,
    }


ray.init()
nodes = [node for node in ray.nodes() if node["Alive"]]
tasks = [
    look_around.options(
        scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
    ).remote()
    for node in nodes
]
for node, seen in zip(nodes, ray.get(tasks), strict=True):
    kind = "head" if "node:__internal_head__" in node["Resources"] else "worker"
    print(json.dumps({"node": kind, **seen, "cpus": node["Resources"].get("CPU", 0)}))
