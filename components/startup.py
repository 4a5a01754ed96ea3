"""What holds for the process of the program, so that previews are quick and errors
readable: imported first, by `__main__.py` alone.
"""

import asyncio
import atexit
import gc
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

import pulumi
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.proto.resource_pb2_grpc import ResourceMonitorStub
from pulumi.runtime.settings import get_monitor

# A preview lives for half a second, of which Python's collector took a fifth: it went
# through all that is imported, again and again, and once more at the end, and found
# nothing to free.
gc.set_threshold(100_000)
atexit.register(gc.freeze)


def _start_provider() -> Any:
    """Has the engine start the plugin while Python loads the rest of the program: an
    eighth of a preview, in which each would wait for the other.

    A preview only. `up` would write the provider into the state before the settings
    are known to be good.

    Returns:
        The call, which ends with its last reference; None without an engine. What it
        answers, an error too, is of no interest: every resource gets it again.
    """
    monitor = get_monitor()
    if not pulumi.runtime.is_dry_run() or not isinstance(monitor, ResourceMonitorStub):
        return None
    arguments = Struct()
    arguments.update({"text": ""})
    call: Any = monitor.Invoke
    return call.future(
        resource_pb2.ResourceInvokeRequest(
            tok="kubernetes:yaml:decode", args=arguments, version=version("pulumi-kubernetes")
        )
    )


_provider = _start_provider()

#: More than a stack has resources; each is started when it is needed.
_MOST_THREADS = 10_000


def prepare_process() -> None:
    """What holds for the process of the program and for nobody who imports
    a component.
    """
    # When a resource fails, the engine interrupts the program; Python's traceback would
    # bury the cause that was just printed.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    # The SDK tells the engine six times how it gets on with each resource, and waits
    # for an answer each time: a tenth of a preview of a hundred clusters. The engine
    # shows these messages with `--debug` alone.
    pulumi.log.debug = lambda *_, **__: None
    # The SDK registers each resource in a thread, which waits until the resource is
    # there, and so for its hooks. The language host gives it few threads: those of many
    # clusters at once would take all, and a hook that looks a host name up, asks
    # a credential plugin or reads a chart in a thread would wait for ever.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_MOST_THREADS))


async def know_stashes() -> None:
    """Has the engine know the provider of stashes in `up`, before the first of them is
    registered: where the operator's release is replaced, for a change of namespace, it
    deletes what stands on the release first, and finds no provider for it then (CLI
    3.246.0: "unknown provider").
    """
    root = pulumi.runtime.get_root_resource()
    if root is not None and not pulumi.runtime.is_dry_run():
        await pulumi.runtime.invoke_async("pulumi:pulumi:getResource", {"urn": await root.urn.future()})
