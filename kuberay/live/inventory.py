"""The cluster that a stack lies in: what is there, whose it is, and the few objects
that have to be deleted here.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

from httpx2 import HTTPStatusError
from lightkube.resources.core_v1 import Namespace, Secret
from lightkube.types import PatchType

from kuberay.facts.labels import HELM_NAMESPACE, HELM_RELEASE, STACK_MARK
from kuberay.facts.objects import Object
from kuberay.live.api.client import PATIENCE, code_of, connect_blocking
from kuberay.live.api.connection import Connection
from kuberay.live.api.kinds import PlainCrd, PlainPod, kind_of, kind_of_crd, kind_of_object
from kuberay.live.diagnosis.pods import is_going, is_ready
from kuberay.live.takeover.marks import Record, read_record, stack_of

#: Kinds of Kubernetes itself that can be in a namespace. Not those that it makes by
#: itself: events, endpoints, leases.
_KINDS = """v1 ConfigMap, v1 PersistentVolumeClaim, v1 Pod, v1 ReplicationController, v1 ResourceQuota, v1
    LimitRange, v1 Secret, v1 Service, v1 ServiceAccount, apps/v1 DaemonSet, apps/v1 Deployment, apps/v1
    ReplicaSet, apps/v1 StatefulSet, autoscaling/v2 HorizontalPodAutoscaler, batch/v1 CronJob, batch/v1 Job,
    networking.k8s.io/v1 Ingress, networking.k8s.io/v1 NetworkPolicy, policy/v1 PodDisruptionBudget,
    rbac.authorization.k8s.io/v1 Role, rbac.authorization.k8s.io/v1 RoleBinding"""
#: What every namespace has.
_OF_EVERY_NAMESPACE = {("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")}
#: The first ones own the others.
RAY_KINDS = ("RayCronJob", "RayJob", "RayService", "RayCluster")


class Cluster:
    """Asks and deletes as the stack's own provider would."""

    def __init__(self, connection: Connection, *, timeout: float = 20, patience: float = PATIENCE) -> None:
        # Of each request, in seconds: a CRD is a megabyte, and an API server may take
        # seconds for it.
        self._client = connect_blocking(connection, timeout=timeout, patience=patience)

    def has_namespace(self, name: str) -> bool:
        """Also says whether the cluster answers at all."""
        return self._get(Namespace, name) is not None

    def has_mark(self, namespace: str, stack: str) -> bool:
        found = self._get(Namespace, namespace)
        return found is not None and stack_of(found) == stack

    def forget_mark(self, namespace: str) -> None:
        """The namespace is nobody's from here on: a later `up` does not take it for its
        own, and a later destroy does not delete it.
        """
        self._client.patch(
            Namespace,
            namespace,
            {"metadata": {"annotations": {STACK_MARK: None}}},
            patch_type=PatchType.MERGE,
        )

    def records(self, namespace: str | None = None, release: str | None = None) -> list[Record]:
        """Helm's records, of each namespace and release where none is named."""
        labels: Any = {"owner": "helm"} | ({"name": release} if release else {})
        secrets = self._client.list(Secret, namespace=namespace or "*", labels=labels)
        return [read_record(secret.to_dict()) for secret in secrets if secret.type == "helm.sh/release.v1"]

    def operator_runs(self, watched: str, *, installed: bool) -> bool:
        """Whether an operator is ready that can take finalizers off in a namespace.
        ``installed``: by the stack, so in that namespace.
        """
        # Of pods that KubeRay's chart makes, and of those of its Kustomize base.
        labels: Any = {"app.kubernetes.io/component": "kuberay-operator"}
        found = self._client.list(PlainPod, namespace=watched if installed else "*", labels=labels)
        pods = [pod.to_dict() for pod in found]
        return any(is_ready(pod) and not is_going(pod) and watches(pod, watched) for pod in pods)

    def ray_kinds(self) -> set[str]:
        """The kinds of KubeRay that the cluster knows."""
        return set(self._ray_kinds)

    def ray_objects(self, namespace: str) -> list[Object]:
        kinds = self._ray_kinds
        return [found for name in RAY_KINDS if name in kinds for found in self._list(kinds[name], namespace)]

    def contents(self, namespace: str) -> list[Object]:
        """Everything in the namespace that someone has put there and that is not on its
        way out.
        """
        builtin = [kind_of(*line.split()) for line in _KINDS.split(",")]
        everything = (
            found for kind in (*builtin, *self._custom_kinds) for found in self._list(kind, namespace)
        )
        return [found for found in everything if is_put_there(found)]

    def delete(self, obj: Object, *, finalizers: bool = True) -> None:
        """Deletes an object; with `finalizers` false without anyone's clean-up."""
        kind, name, where = _address(obj)
        _unless_gone(lambda: self._client.delete(kind, name, **where))
        if not finalizers:
            nothing = {"metadata": {"finalizers": None}}
            _unless_gone(lambda: self._client.patch(kind, name, nothing, patch_type=PatchType.MERGE, **where))

    def delete_record(self, namespace: str, record: Record) -> None:
        _unless_gone(lambda: self._client.delete(Secret, record.secret, namespace=namespace))

    def get(self, obj: Object) -> Object | None:
        kind, name, where = _address(obj)
        return self._get(kind, name, **where)

    def as_applied(self, obj: Object) -> Object:
        """What an object would be if it were applied as given; nothing is changed."""
        kind, name, where = _address(obj)
        how: dict[str, Any] = {"field_manager": "kuberay-dry-run", "force": True, "dry_run": True}
        return self._client.patch(kind, name, {**obj}, patch_type=PatchType.APPLY, **how, **where).to_dict()

    def list(
        self,
        api_version: str,
        kind: str,
        namespace: str | None = None,
        *,
        fields: dict[str, Any] | None = None,
    ) -> list[Object]:
        """Those of a namespace, or of the whole cluster; none where the cluster does
        not know the kind. ``fields``: what they hold.
        """
        of_kind = kind_of(api_version, kind, namespaced=namespace is not None)
        return list(self._list(of_kind, namespace, fields))

    def _get(self, kind: Any, name: str, namespace: str | None = None) -> Object | None:
        found = _unless_gone(lambda: self._client.get(kind, name, namespace=namespace))
        return found.to_dict() if found else None

    def _list(
        self, kind: Any, namespace: str | None, fields: dict[str, Any] | None = None
    ) -> Iterator[Object]:
        about = kind._api_info.resource
        for found in (
            _unless_gone(lambda: list(self._client.list(kind, namespace=namespace, fields=fields))) or []
        ):
            # Items of a list do not say of which kind they are.
            yield {**found.to_dict(), "apiVersion": about.api_version, "kind": about.kind}

    @cached_property
    def _custom_kinds(self) -> Sequence[Any]:
        """Asked for once: they are megabytes, and what is looked for again and again
        are their objects.
        """
        specs: list[Object] = [crd.to_dict()["spec"] for crd in self._client.list(PlainCrd)]
        return [kind_of_crd(spec) for spec in specs if spec["scope"] == "Namespaced"]

    @property
    def _ray_kinds(self) -> dict[str, Any]:
        kinds = (kind for kind in self._custom_kinds if kind._api_info.resource.group == "ray.io")
        return {kind.__name__: kind for kind in kinds}


def _address(obj: Object) -> tuple[Any, str, dict[str, Any]]:
    metadata = obj["metadata"]
    return kind_of_object(obj), metadata["name"], {"namespace": metadata.get("namespace")}


def is_put_there(found: Object) -> bool:
    """Whether someone has put an object into its namespace: nothing that goes, comes
    with each namespace, or hangs on another object.
    """
    metadata: Object = found["metadata"]
    ends = metadata.get("deletionTimestamp") or metadata.get("ownerReferences")
    return not ends and (found["kind"], metadata["name"]) not in _OF_EVERY_NAMESPACE


def watches(operator: Object, namespace: str) -> bool:
    """Whether an operator's pod is for a namespace: for each, unless told otherwise.
    ``operator``: the pod, or the template of one.
    """
    watched = flag_of(operator, "watch-namespace")
    return not watched or namespace in watched.split(",")


def flag_of(operator: Object, name: str) -> str:
    """What an operator's pod, or the template of one, is told by a flag."""
    words = [
        word
        for container in operator["spec"]["containers"]
        for word in (*container.get("command", ()), *container.get("args", ()))
    ]
    for word, after in pairwise([*words, ""]):
        flag, given, value = word.partition("=")
        if flag.lstrip("-") == name:
            return value if given else after
    return ""


def of_stack(objects: Iterable[Object], stack: str, releases: set[tuple[str, str]]) -> list[Object]:
    """Which objects a stack has made, by its mark, by their Helm release, or by what
    they hang on; owners come first.
    """
    ours: list[Object] = []
    uids: set[str] = set()
    for obj in objects:
        annotations: Object = obj["metadata"].get("annotations") or {}
        owners = {owner["uid"] for owner in obj["metadata"].get("ownerReferences") or []}
        release = (annotations.get(HELM_NAMESPACE, ""), annotations.get(HELM_RELEASE, ""))
        if stack_of(obj) == stack or release in releases or owners & uids:
            ours.append(obj)
            uids.add(obj["metadata"]["uid"])
    return ours


def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether something became so within this time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


def _unless_gone(ask: Callable[[], Any]) -> Any:
    """What the API server answers; None where there is no such object, or
    no such kind.
    """
    try:
        return ask()
    except HTTPStatusError as error:
        if code_of(error) != 404:
            raise
        return None
