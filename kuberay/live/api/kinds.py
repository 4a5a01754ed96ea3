"""Kinds of Kubernetes objects for which lightkube has no types."""

from typing import Any

from lightkube.generic_resource import (
    GenericGlobalResource,
    GenericNamespacedResource,
    create_api_info,
    create_global_resource,
    create_namespaced_resource,
)

from kuberay.facts.objects import Object, plural

Kind = type[Any]

RayCluster: Kind = create_namespaced_resource("ray.io", "v1", "RayCluster", "rayclusters")
RayJob: Kind = create_namespaced_resource("ray.io", "v1", "RayJob", "rayjobs")
RayCronJob: Kind = create_namespaced_resource("ray.io", "v1", "RayCronJob", "raycronjobs")
RayService: Kind = create_namespaced_resource("ray.io", "v1", "RayService", "rayservices")
#: Pods and CRDs as plain dicts: the typed ones take ten times as long to read.
PlainPod: Kind = create_namespaced_resource("", "v1", "Pod", "pods")
PlainCrd: Kind = create_global_resource(
    "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions"
)
#: Karpenter's: where this kind is known, nodes are made when pods need them.
NodePool: Kind = create_global_resource("karpenter.sh", "v1", "NodePool", "nodepools")
#: Kueue's, one for whatever is in a queue, by its newest version that is there.
WORKLOADS: tuple[Kind, ...] = tuple(
    create_namespaced_resource("kueue.x-k8s.io", version, "Workload", "workloads")
    for version in ("v1beta2", "v1beta1")
)
#: The Prometheus operator's.
PodMonitor: Kind = create_namespaced_resource("monitoring.coreos.com", "v1", "PodMonitor", "podmonitors")
PrometheusRule: Kind = create_namespaced_resource(
    "monitoring.coreos.com", "v1", "PrometheusRule", "prometheusrules"
)


def kind_of(api_version: str, kind: str, *, namespaced: bool, path: str | None = None) -> Kind:
    """Any kind, by what an object of it says. ``path``: the kind's name in API paths,
    where it is not the usual plural.
    """
    group, _, version = api_version.rpartition("/")
    base = GenericNamespacedResource if namespaced else GenericGlobalResource
    return type(kind, (base,), {"_api_info": create_api_info(group, version, kind, path or plural(kind))})


def kind_of_crd(spec: Object) -> Kind:
    """The kind in namespaces that a CRD defines, in the version that is stored.
    ``spec``: of the CRD.
    """
    version = next(version["name"] for version in spec["versions"] if version["storage"])
    names = spec["names"]
    return kind_of(f"{spec['group']}/{version}", names["kind"], namespaced=True, path=names["plural"])


def kind_of_object(obj: Object) -> Kind:
    """The kind of an object, which is in a namespace where its metadata names one."""
    return kind_of(obj["apiVersion"], obj["kind"], namespaced=bool(obj["metadata"].get("namespace")))
