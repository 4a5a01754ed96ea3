"""What real Ray is given to run by more than one file of tests."""

from typing import Any


def with_code(**env: str) -> dict[str, Any]:
    """Settings of a group whose Python finds what the ConfigMap `code` holds."""
    return {
        "volumes": [{"name": "code", "configMap": {"name": "code"}}],
        "volumeMounts": [{"name": "code", "mountPath": "/opt/code"}],
        "env": {"PYTHONPATH": "/opt/code", **env},
    }


ECHO = """
from ray import serve

@serve.deployment(ray_actor_options={"num_cpus": 0.1})
class Echo:
    async def __call__(self, request):
        return "you said " + request.query_params["say"]

app = Echo.bind()
"""


def taking_memory(num_cpus: float) -> str:
    """Takes memory bit by bit, so that Ray's monitor sees it before the kernel has to
    act, until Ray kills it; then it fails.
    """
    return f"""
import ray, time

@ray.remote(max_retries=0, num_cpus={num_cpus})
def take_all():
    kept = []
    while True:
        kept.append(b"x" * 20_000_000)
        time.sleep(0.05)

ray.init()
ray.get(take_all.remote())
"""


#: Which ports of a host, in its arguments, can be connected to.
REACH = """
import socket, sys
for port in sys.argv[2:]:
    try:
        socket.create_connection((sys.argv[1], int(port)), timeout=3).close()
        print(port)
    except OSError:
        pass
"""
