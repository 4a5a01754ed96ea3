"""The Ray pods and RayClusters of a namespace as they are now, for all
waits of a run.
"""

import asyncio
import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from httpx2 import Client, Timeout
from lightkube.core.generic_client import GenericClient

from kuberay.facts.labels import CLUSTER_LABEL
from kuberay.facts.objects import Object
from kuberay.facts.phrases import error_line
from kuberay.live.api.client import code_of, connect
from kuberay.live.api.connection import Connection
from kuberay.live.api.kubeconfig import find_endpoint
from kuberay.live.api.transport import PatientTransport
from kuberay.live.diagnosis.pods import has_failed
from kuberay.live.wait_loop import NotUpError

_PODS, _RAY_CLUSTERS = "pods", "rayclusters"
#: What is followed: where the API server has it, and which of it.
_FOLLOWED: Final[dict[str, tuple[str, dict[str, str]]]] = {
    _PODS: ("/api/v1/namespaces/{namespace}/pods", {"labelSelector": CLUSTER_LABEL}),
    _RAY_CLUSTERS: ("/apis/ray.io/v1/namespaces/{namespace}/rayclusters", {}),
}
#: The API server ends a watch after so many seconds, and it is begun again where it
#: was.
_WATCH_SECONDS = 60
#: And no sooner than this after its begin, in seconds, whatever the server does.
_PAUSE = 1.0
#: The API server knows a new kind this much later, in seconds.
_KIND_COMES = 10
#: A watch that nobody has ended by then, in seconds, has lost its connection: a load
#: balancer drops idle ones without a word.
_LOST_SECONDS = 75
#: The CRDs' deletion deletes all that they define. Destroying the stack frees it of
#: Helm's record of these, with which Helm does nothing.
_NO_KIND = (
    "the cluster knows no RayClusters: KubeRay's CRDs were deleted by hand, and with them every Ray object; "
    "`make destroy`, then `pulumi up`, brings them back"
)


class NamespaceView:
    """Kept up to date by one watch a kind, for as long as the program runs, however
    many clusters are waited for.

    The watches are daemon threads: nothing has to end them when the program does, which
    Pulumi gives no occasion for, and a list anew for each wait would cost a stack of a
    hundred clusters more than all the rest of its `up`.
    """

    def __init__(self, connection: Connection, namespace: str) -> None:
        self.client = connect(connection, namespace, patience=0)
        """For whatever else a wait has to ask; the wait itself is patient, and says
        meanwhile what it waits for.
        """
        self.loop = asyncio.get_running_loop()
        self._connection, self._namespace = connection, namespace
        self._objects: dict[str, dict[str, dict[str, Object]]] = {
            kind: defaultdict(dict) for kind in _FOLLOWED
        }
        self._failed: dict[str, dict[str, Object]] = defaultdict(dict)
        self._changed: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._listed = {kind: asyncio.Event() for kind in self._objects}
        self.unreachable: str | None = None
        """Why the API server does not answer just now."""
        self.refused: str | None = None
        """Why it will give no list."""
        for kind in self._objects:
            threading.Thread(target=self._follow, args=(kind,), daemon=True, name=f"watch {kind}").start()

    async def until_listed(self, timeout: float) -> None:
        """Waits until there is something to show, ``timeout`` seconds at most.

        Raises:
            NotUpError: the API server does not answer, or shows this account nothing.
        """
        try:
            await asyncio.wait_for(
                asyncio.gather(*(event.wait() for event in self._listed.values())), timeout
            )
        except TimeoutError:
            why = self.unreachable or "no error given"
            raise NotUpError(f"the Kubernetes API server did not answer in {timeout:.0f} s: {why}") from None
        if self.refused:
            raise NotUpError(self.refused)

    def pods(self, cluster: str) -> list[Object]:
        return list(self._objects[_PODS][cluster].values())

    def failed_pods(self, cluster: str) -> list[Object]:
        """Those that have failed as far as this view goes back, the last one last.
        KubeRay deletes them at once.
        """
        return list(self._failed[cluster].values())

    def ray_cluster(self, cluster: str) -> Object | None:
        return self._objects[_RAY_CLUSTERS][cluster].get(cluster)

    async def change(self, cluster: str, timeout: float) -> None:
        """Waits until something of the cluster changed, ``timeout`` seconds at most."""
        event = self._changed[cluster]
        with suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), timeout)
        event.clear()

    # --- In the threads ---

    def _follow(self, kind: str) -> None:
        http: Client | None = None
        version: str | None = None
        first = time.monotonic()
        while not self.loop.is_closed():
            begun = time.monotonic()
            try:
                http = http or self._connect()
                version = self._watch(http, kind, version or self._list(http, kind))
            except Exception as error:
                # An API server that restarts is followed again, whatever it says
                # meanwhile.
                version = None
                self.unreachable = f"{type(error).__name__}: {error_line(error)}"
                code = code_of(error)
                if code in (401, 403):
                    self._tell(
                        self._refuse,
                        "the Kubernetes API server does not show Ray's pods to this account:"
                        f" {error_line(error)}",
                    )
                elif code == 404 and time.monotonic() - first > _KIND_COMES:
                    self._tell(self._refuse, _NO_KIND)
            time.sleep(max(0.0, begun + _PAUSE - time.monotonic()))

    def _connect(self) -> Client:
        endpoint = find_endpoint(self._connection)
        transport, timeout = PatientTransport(endpoint, patience=0), Timeout(10, read=_LOST_SECONDS)
        return Client(base_url=endpoint.server, transport=transport, timeout=timeout)

    def _list(self, http: Client, kind: str) -> str:
        """Shows all that there is; returns the version that it is of."""
        path, which = _FOLLOWED[kind]
        answer = http.get(path.format(namespace=self._namespace), params=which)
        GenericClient.raise_for_status(answer)
        found = answer.json()
        self._tell(self._replace, kind, found["items"])
        return str(found["metadata"]["resourceVersion"])

    def _watch(self, http: Client, kind: str, version: str) -> str | None:
        """Shows what changes until the server ends it; returns the version that it came
        to, None where all has to be listed anew.
        """
        path, which = _FOLLOWED[kind]
        asked = {
            **which,
            "watch": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(_WATCH_SECONDS),
            "allowWatchBookmarks": "true",
        }
        with http.stream("GET", path.format(namespace=self._namespace), params=asked) as answer:
            if answer.is_error:
                answer.read()
            GenericClient.raise_for_status(answer)
            for line in answer.iter_lines():
                event = json.loads(line)
                if event["type"] == "ERROR":
                    # Its words are of a version that is too old, or of a CRD that has
                    # changed: the list has what is now.
                    return None
                version = str(event["object"]["metadata"]["resourceVersion"])
                if event["type"] != "BOOKMARK":
                    self._tell(self._set, kind, event["object"], event["type"] == "DELETED")
        return version

    def _tell(self, what: Callable[..., None], *arguments: Any) -> None:
        with suppress(RuntimeError):  # The loop may just have been closed: nobody waits any more.
            self.loop.call_soon_threadsafe(what, *arguments)

    # --- In the loop ---

    def _replace(self, kind: str, items: Sequence[Object]) -> None:
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

    def _set(self, kind: str, found: Object, gone: bool) -> None:
        name = found["metadata"]["name"]
        cluster = found["metadata"]["labels"][CLUSTER_LABEL] if kind == _PODS else name
        if gone:
            self._objects[kind][cluster].pop(name, None)
        else:
            self._objects[kind][cluster][name] = found
        if kind == _PODS and has_failed(found):
            self._failed[cluster].setdefault(name, found)
        self._changed[cluster].set()


_views: dict[tuple[Connection, str], NamespaceView] = {}


def namespace_view(connection: Connection, namespace: str) -> NamespaceView:
    """The view that all waits in a namespace share."""
    view = _views.get((connection, namespace))
    if view is None or view.loop is not asyncio.get_running_loop():
        view = _views[connection, namespace] = NamespaceView(connection, namespace)
    return view
