"""The Ray pods and RayClusters of a namespace as they are now, for all waits of a run."""

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from lightkube.generic_resource import create_namespaced_resource
from lightkube.operators import exists

from components.connection import connect, connect_blocking
from components.diagnosis import Object, has_failed
from components.waits import CLUSTER_LABEL

# As plain dicts: the typed Pod takes ten times as long to read.
RayClusterResource = create_namespaced_resource("ray.io", "v1", "RayCluster", "rayclusters")
_Pod = create_namespaced_resource("", "v1", "Pod", "pods")

_Kind = type[Any]


class NamespaceView:
    """Kept up to date by one watch a kind, for as long as the program runs, however many clusters are waited for.

    The watches are daemon threads: nothing has to end them when the program does, which Pulumi gives no occasion for, and a list anew for
    each wait would cost a stack of a hundred clusters more than all the rest of its `up`.
    """

    def __init__(self, namespace: str) -> None:
        self.client = connect(namespace)
        """For whatever else a wait has to ask."""
        self.loop = asyncio.get_running_loop()
        self._namespace = namespace
        self._objects: dict[_Kind, dict[str, dict[str, Object]]] = {_Pod: defaultdict(dict), RayClusterResource: defaultdict(dict)}
        self._failed: dict[str, dict[str, Object]] = defaultdict(dict)
        self._changed: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._listed = {kind: asyncio.Event() for kind in self._objects}
        self.unreachable: str | None = None
        """Why the API server does not answer just now."""
        for kind in self._objects:
            threading.Thread(target=self._follow, args=(kind,), daemon=True, name=f"watch {kind.__name__}").start()

    async def listed(self) -> None:
        """Waits until both kinds were listed once."""
        await asyncio.gather(*(event.wait() for event in self._listed.values()))

    def pods(self, cluster: str) -> list[Object]:
        return list(self._objects[_Pod][cluster].values())

    def failed_pods(self, cluster: str) -> list[Object]:
        """Those that have failed as far as this view goes back, the last one last. KubeRay deletes them at once."""
        return list(self._failed[cluster].values())

    def ray_cluster(self, cluster: str) -> Object | None:
        return self._objects[RayClusterResource][cluster].get(cluster)

    async def change(self, cluster: str, timeout: float) -> None:
        """Waits until something of the cluster changed, but no longer than ``timeout`` seconds."""
        event = self._changed[cluster]
        with suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), timeout)
        event.clear()

    # --- In the threads ---

    def _follow(self, kind: _Kind) -> None:
        labels: dict[str, Any] | None = {CLUSTER_LABEL: exists()} if kind is _Pod else None
        client = connect_blocking(self._namespace)
        while not self.loop.is_closed():
            try:
                listing = client.list(kind, namespace=self._namespace, labels=labels)
                self._tell(self._replace, kind, list(listing))
                for event, item in client.watch(kind, namespace=self._namespace, labels=labels, resource_version=listing.resourceVersion):
                    self._tell(self._set, kind, item, event == "DELETED")
            except Exception as error:
                # An API server that restarts is followed again, whatever it says meanwhile.
                self.unreachable = f"{type(error).__name__}: {error}"
                time.sleep(1)

    def _tell(self, what: Callable[..., None], *arguments: Any) -> None:
        self.loop.call_soon_threadsafe(what, *arguments)

    # --- In the loop ---

    def _replace(self, kind: _Kind, items: Sequence[Any]) -> None:
        self.unreachable = None
        for cluster in self._objects[kind]:
            self._changed[cluster].set()
        self._objects[kind].clear()
        for item in items:
            self._set(kind, item, False)
        self._listed[kind].set()

    def _set(self, kind: _Kind, item: Any, gone: bool) -> None:
        name = item.metadata.name
        cluster = item.metadata.labels[CLUSTER_LABEL] if kind is _Pod else name
        found = item.to_dict()
        if gone:
            self._objects[kind][cluster].pop(name, None)
        else:
            self._objects[kind][cluster][name] = found
        if kind is _Pod and has_failed(found):
            self._failed[cluster].setdefault(name, found)
        self._changed[cluster].set()


_views: dict[str, NamespaceView] = {}


def namespace_view(namespace: str) -> NamespaceView:
    """The view that all waits in a namespace share."""
    view = _views.get(namespace)
    if view is None or view.loop is not asyncio.get_running_loop():
        view = _views[namespace] = NamespaceView(namespace)
    return view
