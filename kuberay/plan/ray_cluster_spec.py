"""From Helm values to the spec of a RayCluster, for the clusters that KubeRay makes for
jobs and services.

The ``ray-cluster`` chart renders a RayCluster and nothing else: no chart makes a RayJob
or a RayService. What the chart makes of the values is said here once more;
tests/conformance compares the two.
"""

from collections.abc import Mapping
from typing import Any

from kuberay.facts.charts import Values
from kuberay.facts.images import split_reference
from kuberay.facts.quantities import canonical_quantity

#: Copied from a group's values into its pods, under the same name.
_POD_KEYS = """affinity dnsConfig initContainers nodeSelector priority priorityClassName resourceClaims
restartPolicy runtimeClassName serviceAccountName tolerations topologySpreadConstraints volumes""".split()
#: Fields of a group that no chart writes, by their names in values.
_BEYOND_CHARTS = {"rayLabels": "labels", "idleTimeoutSeconds": "idleTimeoutSeconds"}
#: Copied from a group's values into its Ray container, under the same name.
_CONTAINER_KEYS = "args command envFrom lifecycle ports securityContext volumeMounts".split()


def ray_cluster_spec(values: Values) -> Values:
    """The spec of the RayCluster that the chart renders from these values, without the
    labels that tell of Helm.

    The default worker group comes first, whatever the chart's version: KubeRay gives a
    running RayService groups that were added at the end without a new cluster, and only
    these.
    """
    head = values["head"]
    groups: list[Values] = []
    if values["worker"].get("disabled") is not True:
        groups.append(_worker_group(values, str(values["worker"]["groupName"]), values["worker"]))
    for name, group in (values.get("additionalWorkerGroups") or {}).items():
        if group and group.get("disabled") is not True:
            groups.append(_worker_group(values, name, group))
    return _drop_empty(
        rayVersion=head.get("rayVersion"),
        enableInTreeAutoscaling=head.get("enableInTreeAutoscaling"),
        autoscalerOptions=head.get("autoscalerOptions"),
        gcsFaultToleranceOptions=_gcs_fault_tolerance(values.get("gcsFaultTolerance") or {}),
        historyServerOptions=values.get("historyServerOptions"),
    ) | {
        "headGroupSpec": (
            _drop_empty(headService=head.get("headService"), serviceType=values["service"].get("type"))
            | _beyond_charts(head)
            | {"rayStartParams": ray_start_params(head), "template": _pod_template(values, head, "ray-head")}
        ),
        "workerGroupSpecs": groups,
    }


def _worker_group(values: Values, name: str, group: Values) -> Values:
    return {
        "groupName": name,
        "replicas": group.get("replicas"),
        "minReplicas": group.get("minReplicas") or 0,
        "maxReplicas": group.get("maxReplicas") or 2_147_483_647,
        "numOfHosts": group.get("numOfHosts") or 1,
        **_beyond_charts(group),
        "rayStartParams": ray_start_params(group),
        "template": _pod_template(values, group, "ray-worker"),
    }


def _beyond_charts(group: Values) -> Values:
    return {field: group[key] for key, field in _BEYOND_CHARTS.items() if key in group}


def _pod_template(values: Values, group: Values, container: str) -> Values:
    image = group.get("image") or values["image"]
    ray: Values = {
        "name": container,
        "image": f"{image['repository']}:{image['tag']}",
        "imagePullPolicy": image["pullPolicy"],
        **_drop_empty(
            env=[*(values["common"].get("containerEnv") or []), *(group.get("containerEnv") or [])]
        ),
        **_drop_empty(
            **{key: group.get(key) for key in _CONTAINER_KEYS},
            resources=_resources(group.get("resources") or {}),
        ),
    }
    pod = _drop_empty(
        imagePullSecrets=values.get("imagePullSecrets"), securityContext=group.get("podSecurityContext")
    )
    pod |= _drop_empty(**{key: group.get(key) for key in _POD_KEYS})
    metadata = _drop_empty(annotations=group.get("annotations"), labels=group.get("labels"))
    return {
        "metadata": metadata,
        "spec": {"containers": [ray, *(group.get("sidecarContainers") or [])], **pod},
    }


def _resources(resources: Mapping[str, Any]) -> Values:
    # As the operator writes them when it adds its finalizer to a RayJob: else each
    # refresh would find a difference.
    amounts = {kind: resources.get(kind) or {} for kind in ("limits", "requests")}
    canonical = {
        kind: {name: canonical_quantity(amount) for name, amount in each.items() if amount is not None}
        for kind, each in amounts.items()
    }
    return _drop_empty(**{**resources, **canonical})


def ray_start_params(group: Values) -> dict[str, str]:
    # The CRD has a map of strings; KubeRay 1.3 demands it, even empty. `initArgs` is
    # the chart's old name of it.
    both = {**(group.get("rayStartParams") or {}), **(group.get("initArgs") or {})}
    return {
        key: str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in both.items()
        if value is not None
    }


def head_environment(values: Values) -> dict[str, Any]:
    """The variables of the head's container by name; of one name the first counts."""
    both = [*(values["common"].get("containerEnv") or []), *(values["head"].get("containerEnv") or [])]
    return {variable["name"]: variable.get("value") for variable in reversed(both)}


#: What `ray start` takes for false and for true (click's `BOOL`).
OFF, ON = ("0", "f", "false", "n", "no", "off"), ("1", "t", "true", "y", "yes", "on")


def is_off(params: Mapping[str, str], flag: str) -> bool:
    """Whether `ray start` takes the value of a flag for false."""
    return as_ray_reads_it(params.get(flag, "")).lower() in OFF


def as_ray_reads_it(text: str) -> str:
    """The value of a flag, which a shell has taken the quotes off."""
    return text.strip("'\" ")


def is_filled_in(text: str) -> bool:
    """Whether the shell puts something into the value of a flag that only it knows."""
    return "$" in text or "`" in text


def _gcs_fault_tolerance(values: Mapping[str, Any]) -> Values:
    if not values.get("enabled"):
        return {}
    return {key: value for key, value in values.items() if key != "enabled" and value}


def _drop_empty(**fields: Any) -> Values:
    """The fields that are not empty: the chart leaves out the others, or writes them to
    no effect.
    """
    return {key: value for key, value in fields.items() if value not in (None, "", False, 0, [], {})}


# --- And back -------------------------------------------------------------------------

#: Fields of a pod, of its Ray container and of a group by their names in values, where
#: these are others.
_OF_POD = {"securityContext": "podSecurityContext", "resources": "podResources"}
_OF_CONTAINER = {"env": "containerEnv"}
_OF_GROUP = {"labels": "rayLabels", "resources": "rayResources"}


def groups_of(spec: Mapping[str, Any]) -> dict[str, Values]:
    """The groups of a spec by name, the head first."""
    return {"head": spec["headGroupSpec"]} | {
        str(group.get("groupName")): group for group in spec.get("workerGroupSpecs") or []
    }


def values_of_spec(spec: Mapping[str, Any]) -> Values:
    """What would be read of the values of a cluster with this spec. A field that no
    chart writes is there by its own name.

    They are for reading: no chart renders the spec of them.
    """
    groups = {name: values_of_group(group) for name, group in groups_of(spec).items()}
    head = groups.pop("head")
    head |= {
        key: spec[key]
        for key in ("rayVersion", "enableInTreeAutoscaling", "autoscalerOptions")
        if key in spec
    }
    others = ("headGroupSpec", "workerGroupSpecs", "gcsFaultToleranceOptions", *head)
    options = spec.get("gcsFaultToleranceOptions")
    return {
        **{key: value for key, value in spec.items() if key not in others},
        "image": head["image"],
        "common": {"containerEnv": []},
        "head": head,
        "worker": {"disabled": True, "groupName": ""},
        "additionalWorkerGroups": groups,
        "service": {"type": spec["headGroupSpec"].get("serviceType")},
        "gcsFaultTolerance": {"enabled": options is not None, **(options or {})},
    }


def values_of_group(group: Mapping[str, Any]) -> Values:
    """What would be read of a group's values, from the group of a spec."""
    template: Values = group.get("template") or {}
    metadata: Values = template.get("metadata") or {}
    pod: Values = template.get("spec") or {}
    containers: list[Values] = pod.get("containers") or [{}]
    ray, *sidecars = containers
    repository, tag = split_reference(str(ray.get("image") or ""))
    return {
        **{
            _OF_GROUP.get(key, key): value
            for key, value in group.items()
            if key not in ("template", "serviceType")
        },
        **{_OF_POD.get(key, key): value for key, value in pod.items() if key != "containers"},
        **{
            _OF_CONTAINER.get(key, key): value
            for key, value in ray.items()
            if key not in ("name", "image", "imagePullPolicy")
        },
        **{key: value for key, value in metadata.items() if key in ("annotations", "labels")},
        "image": {"repository": repository, "tag": tag or "latest", "pullPolicy": ray.get("imagePullPolicy")},
        **({"sidecarContainers": sidecars} if sidecars else {}),
    }
