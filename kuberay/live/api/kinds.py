"""Kinds of Kubernetes objects for which lightkube has no types."""

from typing import Any

from lightkube.generic_resource import GenericGlobalResource, GenericNamespacedResource, create_api_info

from kuberay.facts.objects import Object, plural

Kind = type[Any]


def kind_of(api_version: str, kind: str, *, namespaced: bool = True, path: str | None = None) -> Kind:
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
    return kind_of(f"{spec['group']}/{version}", names["kind"], path=names["plural"])


def kind_of_object(obj: Object) -> Kind:
    """The kind of an object, which is in a namespace where its metadata names one."""
    return kind_of(obj["apiVersion"], obj["kind"], namespaced=bool(obj["metadata"].get("namespace")))


RayCluster = kind_of("ray.io/v1", "RayCluster")
RayJob = kind_of("ray.io/v1", "RayJob")
RayCronJob = kind_of("ray.io/v1", "RayCronJob")
RayService = kind_of("ray.io/v1", "RayService")
#: Pods and CRDs as plain dicts: the typed ones take ten times as long to read.
PlainPod = kind_of("v1", "Pod")
PlainCrd = kind_of("apiextensions.k8s.io/v1", "CustomResourceDefinition", namespaced=False)
#: Karpenter's: where this kind is known, nodes are made when pods need them.
NodePool = kind_of("karpenter.sh/v1", "NodePool", namespaced=False)
#: Kueue's, one for whatever is in a queue, by its newest version that is there.
WORKLOADS = tuple(kind_of(f"kueue.x-k8s.io/{version}", "Workload") for version in ("v1beta2", "v1beta1"))
