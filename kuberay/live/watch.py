"""The Ray pods and RayClusters of a namespace as they are now, for all waits of a run."""

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from httpx2 import HTTPStatusError
from lightkube import Client
from lightkube.operators import exists

from kuberay.facts.labels import CLUSTER_LABEL
from kuberay.facts.objects import Object
from kuberay.facts.phrases import error_line
from kuberay.live.api.client import connect, connect_blocking
from kuberay.live.api.connection import Connection
from kuberay.live.api.kinds import Kind, PlainPod, RayCluster
from kuberay.live.diagnosis.pods import has_failed

#: The API server ends a watch after so many seconds, and it is begun again where it was.
_WATCH_SECONDS = 60
#: The API server knows a new kind this much later, in seconds.
_KIND_COMES = 10
#: A watch that nobody has ended by then, in seconds, has lost its connection: a load balancer drops idle ones without a word.
_LOST_SECONDS = 75
#: The CRDs' deletion deletes all that they define. Destroying the stack frees it of Helm's record of these, with which Helm does nothing.
_NO_KIND = (
    "the cluster knows no RayClusters: KubeRay's CRDs were deleted by hand, and with them every Ray object; "
    "`make destroy`, then `pulumi up`, brings them back"
)


class NamespaceView:
    """Kept up to date by one watch a kind, for as long as the program runs, however many clusters are waited for.

    The watches are daemon threads: nothing has to end them when the program does, which Pulumi gives no occasion for, and a list anew for
    each wait would cost a stack of a hundred clusters more than all the rest of its `up`.
    """

    def __init__(self, connection: Connection, namespace: str) -> None:
        self.client = connect(connection, namespace)
        """For whatever else a wait has to ask."""
        self.loop = asyncio.get_running_loop()
        self._connection, self._namespace = connection, namespace
        self._objects: dict[Kind, dict[str, dict[str, Object]]] = {PlainPod: defaultdict(dict), RayCluster: defaultdict(dict)}
        self._failed: dict[str, dict[str, Object]] = defaultdict(dict)
        self._changed: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._listed = {kind: asyncio.Event() for kind in self._objects}
        self.unreachable: str | None = None
        """Why the API server does not answer just now."""
        self.refused: str | None = None
        """Why it will give no list."""
        for kind in self._objects:
            threading.Thread(target=self._follow, args=(kind,), daemon=True, name=f"watch {kind.__name__}").start()

    async def listed(self) -> None:
        """Waits until both kinds were listed once, or one was refused."""
        await asyncio.gather(*(event.wait() for event in self._listed.values()))

    def pods(self, cluster: str) -> list[Object]:
        return list(self._objects[PlainPod][cluster].values())

    def failed_pods(self, cluster: str) -> list[Object]:
        """Those that have failed as far as this view goes back, the last one last. KubeRay deletes them at once."""
        return list(self._failed[cluster].values())

    def ray_cluster(self, cluster: str) -> Object | None:
        return self._objects[RayCluster][cluster].get(cluster)

    async def change(self, cluster: str, timeout: float) -> None:
        """Waits until something of the cluster changed, but no longer than ``timeout`` seconds."""
        event = self._changed[cluster]
        with suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), timeout)
        event.clear()

    # --- In the threads ---

    def _follow(self, kind: Kind) -> None:
        labels: dict[str, Any] | None = {CLUSTER_LABEL: exists()} if kind is PlainPod else None
        client: Client | None = None
        begun = time.monotonic()
        while not self.loop.is_closed():
            try:
                client = client or _watching(self._connection, self._namespace)
                listing = client.list(kind, namespace=self._namespace, labels=labels)
                self._tell(self._replace, kind, list(listing))
                for event, item in client.watch(
                    kind,
                    namespace=self._namespace,
                    labels=labels,
                    resource_version=listing.resourceVersion,
                    server_timeout=_WATCH_SECONDS,
                ):
                    self._tell(self._set, kind, item, event == "DELETED")
            except Exception as error:
                # An API server that restarts is followed again, whatever it says meanwhile.
                self.unreachable = f"{type(error).__name__}: {error}"
                code = error.response.status_code if isinstance(error, HTTPStatusError) else None
                if code in (401, 403):
                    self._tell(self._refuse, f"the Kubernetes API server does not show Ray's pods to this account: {error_line(error)}")
                elif code == 404 and time.monotonic() - begun > _KIND_COMES:
                    self._tell(self._refuse, _NO_KIND)
                time.sleep(1)

    def _tell(self, what: Callable[..., None], *arguments: Any) -> None:
        with suppress(RuntimeError):  # The loop may just have been closed: nobody waits any more.
            self.loop.call_soon_threadsafe(what, *arguments)

    # --- In the loop ---

    def _replace(self, kind: Kind, items: Sequence[Any]) -> None:
        self.unreachable = self.refused = None
        for cluster in self._objects[kind]:
            self._changed[cluster].set()
        self._objects[kind].clear()
        for item in items:
            self._set(kind, item, False)
        self._listed[kind].set()

    def _refuse(self, why: str) -> None:
        """Only at first does it end the waits: a token that has run out is renewed."""
        if not all(event.is_set() for event in self._listed.values()):
            self.refused = why
            for event in self._listed.values():
                event.set()

    def _set(self, kind: Kind, item: Any, gone: bool) -> None:
        name = item.metadata.name
        cluster = item.metadata.labels[CLUSTER_LABEL] if kind is PlainPod else name
        found = item.to_dict()
        if gone:
            self._objects[kind][cluster].pop(name, None)
        else:
            self._objects[kind][cluster][name] = found
        if kind is PlainPod and has_failed(found):
            self._failed[cluster].setdefault(name, found)
        self._changed[cluster].set()


def _watching(connection: Connection, namespace: str) -> Client:
    client = connect_blocking(connection, namespace)
    # lightkube waits for ever for what a watch brings, and has no setting for it.
    client._client._watch_timeout.read = _LOST_SECONDS  # pyright: ignore[reportPrivateUsage]
    return client


_views: dict[tuple[Connection, str], NamespaceView] = {}


def namespace_view(connection: Connection, namespace: str) -> NamespaceView:
    """The view that all waits in a namespace share."""
    view = _views.get((connection, namespace))
    if view is None or view.loop is not asyncio.get_running_loop():
        view = _views[connection, namespace] = NamespaceView(connection, namespace)
    return view
