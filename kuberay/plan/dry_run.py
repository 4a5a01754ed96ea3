"""What the API server is asked about before anything of a stack changes: each object
that would be made, as it would be made. Pure.

The custom resource itself, a pod of each group (made_pods.py), and the Service of the
head: the last two as KubeRay's operator makes them of the first
(`BuildServiceForHeadPod`, 1.3.0 to 1.7.0), as far as a setting can make one of them
invalid.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kuberay.facts.digests import fingerprint
from kuberay.facts.labels import CLUSTER_LABEL, GROUP_LABEL, HEAD_GROUP
from kuberay.facts.objects import Manifest
from kuberay.plan.cluster import ClusterPlan, head_service_type
from kuberay.plan.job import JobPlan
from kuberay.plan.made_pods import made_pods
from kuberay.plan.ports import DEFAULT_PORTS
from kuberay.plan.protection import auth_options
from kuberay.plan.service import ServicePlan
from kuberay.plan.stack import StackPlan
from kuberay.plan.workload_clusters import WorkloadPlan
from kuberay.settings.overrides import without_nulls

_API = "ray.io/v1"


@dataclass(frozen=True)
class Question:
    """Whether the API server would take an object."""

    what: str
    """Which object of which settings: ``clusters.research, a pod of the head``."""
    manifest: Manifest
    """Has `generateName` where it is asked about as a new object, `name` where as a
    change of one that may be there.
    """
    cluster: str = ""
    """The Ray cluster that it is of, if it is of one."""
    hides_values: bool = False
    """Whether something in it is encrypted in the stack's config, so that no value of
    it may be shown.
    """
    brought_by: str = ""
    """What brings its kind, where neither Kubernetes nor the stack does: ``the Gateway
    API's CRDs``.
    """

    @property
    def name(self) -> str:
        """Of the object."""
        metadata = self.manifest["metadata"]
        return str(metadata.get("name") or metadata["generateName"].rstrip("-"))

    @property
    def is_change(self) -> bool:
        """Whether the object is to be changed where it is there."""
        return "name" in self.manifest["metadata"]

    @property
    def is_custom(self) -> bool:
        """Whether it is of a kind of KubeRay's, and so for the CRDs to judge."""
        return self.manifest["apiVersion"] == _API

    def is_like(self) -> str:
        """The same text for questions whose answer is the same: those of clusters that
        differ in their names alone.
        """

        def nameless(tree: Any) -> Any:
            if isinstance(tree, Mapping):
                return {key: nameless(below) for key, below in tree.items() if key != "generateName"}
            if isinstance(tree, list):
                return [nameless(below) for below in tree]
            return None if tree == self.cluster else tree

        return json.dumps(nameless(self.manifest), sort_keys=True)


def what_changes(plan: StackPlan) -> dict[str, str]:
    """By whose they are (``clusters.research``, ``jobs.train``), a digest that changes
    with what is to be asked of them.
    """
    digests = {f"clusters.{name}": cluster.fingerprint for name, cluster in plan.clusters.items()}
    workloads: dict[str, WorkloadPlan] = {f"jobs.{name}": job for name, job in plan.jobs.items()}
    workloads |= {f"services.{name}": service for name, service in plan.services.items()}
    digests |= {
        # Of labels only where there are some, or every stack would be asked about anew.
        whose: plan.as_shown(
            fingerprint(workload.spec, workload.annotations, *filter(None, [workload.labels]))
        )
        for whose, workload in workloads.items()
    }
    digests |= {route.key: plan.as_shown(fingerprint(route.manifest)) for route in plan.routes}
    return digests | {
        f"storage.{claim.name}": plan.as_shown(fingerprint(claim.manifest)) for claim in plan.claims
    }


def spec_given(plan: StackPlan, whose: str) -> Mapping[str, Any]:
    """What the owner of ``clusters.research``, ``jobs.train`` or ``services.chat``
    merges over its spec.
    """
    kind, _, name = whose.partition(".")
    settings = plan.settings
    if kind not in ("clusters", "jobs", "services") or "." in name:
        return {}
    workloads = settings.jobs if kind == "jobs" else settings.services
    return (settings.clusters[name] if kind == "clusters" else workloads[name]).spec


def questions(plan: StackPlan, whose: str) -> list[Question]:
    """Everything to be asked of ``clusters.research``, ``jobs.train``,
    ``services.chat``, ``clusters.research.expose.dashboard`` …
    """
    kind, _, name = whose.partition(".")
    namespace = plan.settings.namespace
    if kind == "storage":
        return [
            Question(f"{whose}, its claim", claim.manifest) for claim in plan.claims if claim.name == name
        ]
    if route := next((route for route in plan.routes if route.key == whose), None):
        brought_by = "the Gateway API's CRDs" if route.settings.gateway else ""
        what = f"{whose}, its {route.manifest['kind']}"
        asked = [Question(what, route.manifest, brought_by=brought_by)]
        if own := route.service:
            # As a new one: applied over one that is there, a port that moves would be
            # there twice.
            service = _object("v1", "Service", own["metadata"]["name"], namespace, own["spec"])
            asked.insert(0, Question(f"{whose}, its Service", service))
        return asked
    if kind == "clusters":
        cluster = plan.clusters[name]
        spec, labels, annotations = cluster.spec, None, cluster.values.get("annotations")
        if cluster.resource:
            labels = cluster.resource.labels
        elif cluster.token_secret:
            spec = spec | auth_options(plan.settings.kuberay_version)
        custom = _object(
            _API, "RayCluster", cluster.name, namespace, spec, labels=labels, annotations=annotations
        )
        return [
            Question(f"{whose}, its RayCluster", custom, cluster.name),
            *_of_cluster(whose, cluster, spec),
        ]
    workload = plan.jobs[name] if kind == "jobs" else plan.services[name]
    labels, annotations = workload.labels, workload.annotations
    manifest = _object(
        _API, workload.kind, name, namespace, workload.spec, labels=labels, annotations=annotations
    )
    made = plan.workload_clusters.get(whose)
    return [
        Question(f"{whose}, its {workload.kind}", manifest),
        *(_submitter(whose, workload) if isinstance(workload, JobPlan) else _serve_service(whose, workload)),
        *(_of_cluster(whose, made.plan, made.spec) if made else ()),
    ]


def _submitter(whose: str, job: JobPlan) -> Iterator[Question]:
    template = job.run.get("submitterPodTemplate") or {}
    if (template.get("spec") or {}).get("containers"):
        pod = _pod(template, f"{job.name}-submitter", job.namespace)
        yield Question(f"{whose}, the pod that submits it", pod)


def _serve_service(whose: str, service: ServicePlan) -> Iterator[Question]:
    """The Service of the applications, where settings say something of it."""
    if given := service.spec.get("serveService"):
        ports = [{"name": "serve", "port": service.port, "protocol": "TCP"}]
        spec: Manifest = {"ports": ports, **(given.get("spec") or {})}
        annotations = (given.get("metadata") or {}).get("annotations")
        manifest = _object(
            "v1", "Service", service.serve_service, service.namespace, spec, annotations=annotations
        )
        yield Question(f"{whose}, the Service of its applications", manifest)


def _of_cluster(whose: str, cluster: ClusterPlan, spec: Mapping[str, Any]) -> Iterator[Question]:
    for group in made_pods(spec):
        is_head = group.name == "head"
        what = "the head" if is_head else group.name
        labels = {CLUSTER_LABEL: cluster.name, GROUP_LABEL: HEAD_GROUP if is_head else group.name}
        # As KubeRay calls it (`PodName`): a group's name may have capitals, which a
        # pod's may not.
        name = f"{cluster.name}-{group.name}"[:50].lower()
        pod = _pod(group.template, name, cluster.namespace, labels)
        yield Question(f"{whose}, a pod of {what}", pod, cluster.name)
    made = _service(spec["headGroupSpec"], cluster)
    yield Question(f"{whose}, the Service of its head", made, cluster.name)


def _pod(
    template: Mapping[str, Any], name: str, namespace: str, labels: Mapping[str, str] | None = None
) -> Manifest:
    metadata: Manifest = template.get("metadata") or {}
    every = {**(metadata.get("labels") or {}), **(labels or {})}
    return _object(
        "v1", "Pod", name, namespace, template["spec"], labels=every, annotations=metadata.get("annotations")
    )


def _service(head: Mapping[str, Any], cluster: ClusterPlan) -> Manifest:
    """The owner's, if there is one, with KubeRay's ports after those that it has."""
    given: Manifest = head.get("headService") or {}
    metadata: Manifest = given.get("metadata") or {}
    own: Manifest = given.get("spec") or {}
    named: list[Manifest] = head["template"]["spec"]["containers"][0].get("ports") or []
    ports = {port.get("name") or f"{port['containerPort']}-port": port["containerPort"] for port in named}
    ports = {"metrics": DEFAULT_PORTS["metrics"], **(ports or DEFAULT_PORTS)}
    every = [*(own.get("ports") or []), *({"name": name, "port": port} for name, port in ports.items())]
    chosen_type = head_service_type(cluster.values)
    spec: Manifest = {**own, "type": chosen_type, "ports": every}
    if not given and chosen_type == "ClusterIP":
        spec["clusterIP"] = "None"
    labels, annotations = metadata.get("labels"), metadata.get("annotations")
    return _object(
        "v1", "Service", cluster.head_service, cluster.namespace, spec, labels=labels, annotations=annotations
    )


def _object(
    api_version: str,
    kind: str,
    name: str,
    namespace: str,
    spec: Mapping[str, Any],
    *,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Manifest:
    given = {"labels": labels, "annotations": annotations}
    metadata = {
        "generateName": f"{name}-",
        "namespace": namespace,
        **{key: value for key, value in given.items() if value},
    }
    # As a release is rendered without the nulls of raw values.
    return without_nulls({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec})
