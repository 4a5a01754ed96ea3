"""What a stack is warned of."""

from kuberay.checks.advice import stack_advice
from kuberay.plan.stack import plan_stack
from tests.stack_config import load


def test_each_line_of_advice_says_what_it_is_about() -> None:
    sees = {"storage": {"data": "/data"}, "memory": "300M"}
    settings = load(
        storage={"data": {"size": "1Gi", "accessMode": "ReadWriteOnce"}},
        clusters={"ray": {"head": sees, "worker": sees}},
        jobs={"train": {"entrypoint": "python train.py && echo done", "cluster": "ray"}},
        operator={"install": False},
    )
    advice = list(stack_advice(plan_stack(settings), repository_is_encrypted=False))
    assert {about for about, _ in advice} >= {"version", "network", "memory", "storage"}
    assert (
        "storage",
        "storage.data: 2 pods (clusters.ray.head, clusters.ray.worker) have it, and with"
        " accessMode ReadWriteOnce only those of one node can start: ReadWriteMany is for pods of all nodes",
    ) in advice
