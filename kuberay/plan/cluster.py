"""A Ray cluster: from settings to the Helm values of the ``ray-cluster`` chart, and to
what they mean. Pure.

Every value that matters is written out, so that no changed default of a newer chart
slips in unseen. The owner's own values are merged last; totals and fingerprints are
read from the merged result, so that they are true whichever way a value came in.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from pydantic import SecretStr

from kuberay.facts.chart_source import Charts
from kuberay.facts.charts import Values, chart_keys, chart_labels, full_name, knows_not
from kuberay.facts.digests import Seal, fingerprint, secret_digest
from kuberay.facts.labels import TEMPLATE_ANNOTATION
from kuberay.facts.quantities import add_quantities
from kuberay.facts.versions import NEEDS, at_least
from kuberay.plan.expose import Route, plan_routes
from kuberay.plan.fault_tolerance import fault_tolerance_values, for_charts_before_1_5
from kuberay.plan.pods import (
    PodGroup,
    container_env,
    custom_image,
    group_image,
    image_values,
    pod_group,
    pod_template,
    pod_values,
    rendered_groups,
    replica_values,
)
from kuberay.plan.ports import head_ports, write_ports
from kuberay.plan.protection import (
    CONTAINER_CONTEXT,
    auth_options,
    is_restricted,
    mode_of,
    no_token_environment,
    token_environment,
    uses_token,
)
from kuberay.plan.quoting import write_out
from kuberay.plan.ray_cluster_spec import groups_of, ray_cluster_spec
from kuberay.plan.resource import Resource, lay_over
from kuberay.settings.cluster import RayClusterSettings
from kuberay.settings.history_server import HistoryServerSettings
from kuberay.settings.overrides import ResourceOverrides, merge
from kuberay.settings.stack import StackSettings


@dataclass(frozen=True)
class ClusterPlan:
    """One Ray cluster: its Helm values, and what they mean.

    Either a release of the ``ray-cluster`` chart makes it, or KubeRay does for a job or
    a service.
    """

    settings: RayClusterSettings
    namespace: str
    release: str
    """Name of its Helm release; a name in place of one where KubeRay makes the cluster.
    """
    name: str
    """Name of the RayCluster resource."""
    charts: Charts
    timeout: int
    """How long `up` waits for each group of pods, in seconds."""
    values: Values
    """Those that the chart renders. Where the RayCluster is written here, what they
    would be, for reading.
    """
    groups: tuple[PodGroup, ...]
    """The head first."""
    service_fingerprint: str
    """Changes when the head's Service has to be made anew: KubeRay never updates an
    existing one.
    """
    fingerprint: str
    """Changes with anything that the release renders."""
    token_secret: str | None = None
    """The Secret with the token that the cluster asks for, if it does."""
    auth_token: SecretStr | None = None
    """What that Secret holds; a random token where the stack sets none."""
    routes: tuple[Route, ...] = ()
    """The ways in to it from outside the Kubernetes cluster."""
    keeps_old_pods: bool = False
    """Whether running pods stay when their template changes (upgradeStrategy None)."""
    resource: Resource | None = None
    """Where it has what the chart cannot write; None where the chart renders `values`.
    """

    @property
    def spec(self) -> Values:
        """The spec of its RayCluster."""
        return self.resource.spec if self.resource else ray_cluster_spec(self.values)

    @property
    def release_values(self) -> Values:
        """The values of its Helm release: those of the `ray-cluster` chart, or else the
        RayCluster as it is written here.
        """
        if self.resource is None:
            return self.values
        # With the labels that the chart would write: a cluster that comes from it, or
        # goes back to it, keeps its pod templates.
        labels = chart_labels("ray-cluster", self.charts.version, self.release)
        spec = copy.deepcopy(self.resource.spec)
        for group in groups_of(spec).values():
            template = group.get("template") or {}
            metadata = template.get("metadata") or {}
            group["template"] = template | {
                "metadata": metadata | {"labels": labels | (metadata.get("labels") or {})}
            }
        metadata = {
            "name": self.name,
            "labels": labels | dict(self.resource.labels),
            "annotations": self.values.get("annotations"),
        }
        return {"metadata": {key: value for key, value in metadata.items() if value}, "spec": spec}

    @property
    def head(self) -> PodGroup:
        return self.groups[0]

    @property
    def cpu(self) -> str:
        return add_quantities(group.cpu for group in self.groups for _ in range(group.pods))

    @property
    def memory(self) -> str:
        return add_quantities(group.memory for group in self.groups for _ in range(group.pods))

    @property
    def gpus(self) -> int:
        return sum(group.gpus * group.pods for group in self.groups)

    @property
    def ports(self) -> dict[str, int]:
        """Where its head listens, by KubeRay's names of the ports."""
        return head_ports(self.values)

    @property
    def head_service(self) -> str:
        service = self.values["head"].get("headService") or {}
        return (service.get("metadata") or {}).get("name") or f"{self.name}-head-svc"


def plan_cluster(settings: StackSettings, release: str) -> ClusterPlan:
    """One of the stack's Ray clusters as the ``ray-cluster`` chart takes it."""
    cluster = settings.clusters[release]
    token = uses_token(settings.protection, cluster.ray_version or settings.ray_version)
    # The Secret is named like the RayCluster: there KubeRay's `authOptions` look for
    # it.
    secret = cluster_resource_name(release, cluster.values) if token else None
    adopted = cluster.adopted.templates if cluster.adopted else {}
    plan = plan_ray_cluster(settings, release, cluster, token_secret=secret, adopted=adopted)
    if not at_least(settings.kuberay_version, NEEDS["gcsFaultTolerance chart values"].kuberay):
        plan = replace(plan, values=for_charts_before_1_5(plan.values))
    if (
        cluster.all_labels
        or cluster.spec
        or knows_not(plan.values, chart_keys("ray-cluster", settings.kuberay_version))
    ):
        more = auth_options(settings.kuberay_version) if token else {}
        plan = with_resource(
            plan,
            cluster.spec,
            labels=cluster.all_labels,
            more=more,
            secrets=secrets_of(settings, release, cluster, token=token),
        )
    # The owner's spec may move what they lead to.
    routes = plan_routes(
        settings,
        f"clusters.{release}",
        cluster.expose,
        {"dashboard": plan.head_service},
        plan.ports,
        plan.name,
    )
    return replace(plan, routes=routes, keeps_old_pods=cluster.upgrade_strategy == "None")


def plan_ray_cluster(
    settings: StackSettings,
    release: str,
    cluster: RayClusterSettings,
    *,
    token_secret: str | None = None,
    serve_port: int | None = None,
    adopted: Mapping[str, str] = MappingProxyType({}),
) -> ClusterPlan:
    """Any Ray cluster, also one that KubeRay makes for a job or a service: as if the
    chart rendered it for a release of this name.

    Args:
        settings: of the stack.
        release: of which name.
        cluster: settings of the cluster.
        token_secret: the Secret with the token that this cluster asks for, if it does.
        serve_port: where its applications answer, if that is not Ray's default.
        adopted: fingerprints, by group, of templates whose pods ran before the stack
            took the release over.
    """
    values = copy.deepcopy(merge(_cluster_values(settings, release, cluster), cluster.values))
    write_out(values)
    moved_ports = write_ports(values, serve_port)
    if token_secret:
        _add_to_environment(values, token_environment(token_secret))
    elif environment := no_token_environment(
        settings.protection, cluster.ray_version or settings.ray_version
    ):
        given = [*(values["common"].get("containerEnv") or []), *(values["head"].get("containerEnv") or [])]
        _add_to_environment(values, [] if mode_of(given) else environment)
    groups: list[PodGroup] = []
    for name, group in rendered_groups(values).items():
        # A new head cuts its workers off from their cluster, so they are replaced with
        # it, as KubeRay 1.6's own `Recreate` does.
        above = (
            secrets_of(settings, release, cluster, token=token_secret is not None)
            if name == "head"
            else groups[0].fingerprint
        )
        of_template = fingerprint(above, pod_template(values, group))
        is_adopted = adopted.get(name) == of_template
        if not is_adopted:
            group["annotations"] = {**(group.get("annotations") or {}), TEMPLATE_ANNOTATION: of_template}
        groups.append(pod_group(values, name, group, of_template, adopted=is_adopted))
    return ClusterPlan(
        settings=cluster,
        namespace=settings.namespace,
        release=release,
        name=cluster_resource_name(release, cluster.values),
        charts=settings.charts,
        timeout=settings.timeout_seconds,
        values=values,
        groups=tuple(groups),
        service_fingerprint=fingerprint_of_service(values, moved_ports),
        fingerprint=fingerprint(settings.kuberay_version, values),
        token_secret=token_secret,
        auth_token=settings.auth_token if token_secret else None,
    )


def with_resource(
    plan: ClusterPlan, over: Values, *, labels: Mapping[str, str], more: Values, secrets: Sequence[str]
) -> ClusterPlan:
    """The plan of a cluster whose RayCluster is written here
    (kuberay/plan/resource.py).
    """
    resource = lay_over(plan.values, plan.groups, over, labels=labels, more=more, secrets=secrets)
    return replace(
        plan,
        values=resource.values,
        groups=resource.groups,
        resource=resource,
        service_fingerprint=fingerprint(plan.service_fingerprint, resource.service)
        if resource.service
        else plan.service_fingerprint,
        fingerprint=fingerprint(plan.fingerprint, labels, over, more),
    )


def seal_cluster(plan: ClusterPlan, seal: Seal) -> ClusterPlan:
    """The plan with sealed fingerprints."""
    values = copy.deepcopy(plan.values)
    resource = copy.deepcopy(plan.resource)
    templates = (
        [(group.get("template") or {}).get("metadata") or {} for group in groups_of(resource.spec).values()]
        if resource
        else []
    )
    for metadata in (*rendered_groups(values).values(), *templates):
        annotations = metadata.get("annotations") or {}
        if TEMPLATE_ANNOTATION in annotations:
            annotations[TEMPLATE_ANNOTATION] = seal(annotations[TEMPLATE_ANNOTATION])
    return replace(
        plan,
        values=values,
        resource=resource,
        groups=tuple(replace(group, fingerprint=seal(group.fingerprint)) for group in plan.groups),
        service_fingerprint=seal(plan.service_fingerprint),
        fingerprint=seal(plan.fingerprint),
    )


def fingerprint_of_service(values: Mapping[str, Any], moved_ports: Mapping[str, int]) -> str:
    """Changes when the head's Service has to be made anew: KubeRay never updates an
    existing one.
    """
    parts = [values.get("service"), values["head"].get("headService"), values.get("fullnameOverride")]
    return fingerprint([*parts, *([dict(moved_ports)] if moved_ports else [])])


def cluster_resource_name(release: str, values: Mapping[str, Any]) -> str:
    """The RayCluster's name, as the chart makes it of the release's and overrides."""
    return full_name(release, values, "kuberay")


def _cluster_values(settings: StackSettings, release: str, cluster: RayClusterSettings) -> Values:
    name, worker = cluster_resource_name(release, cluster.values), cluster.worker
    values: Values = {
        "fullnameOverride": name,
        "image": image_values(group_image(settings, cluster, cluster.head), settings.image_pull_policy),
        "imagePullSecrets": [{"name": secret} for secret in settings.image_pull_secrets],
        "common": {"containerEnv": []},
        "head": {
            "rayVersion": cluster.ray_version or settings.ray_version,
            **_autoscaler_values(settings, cluster),
            **pod_values(settings, cluster, cluster.head),
        },
        "worker": {
            "disabled": not worker.enabled,
            "groupName": worker.group_name,
            **replica_values(worker),
            **pod_values(settings, cluster, worker),
        },
        # The chart's own example group is disabled by default; that is said here too.
        "additionalWorkerGroups": {"smallGroup": {"disabled": True}}
        | {
            group_name: {"disabled": False, **replica_values(group), **pod_values(settings, cluster, group)}
            for group_name, group in cluster.additional_worker_groups.items()
        },
        "service": {"type": "ClusterIP"},
        "gcsFaultTolerance": fault_tolerance_values(cluster.gcs_fault_tolerance, name),
    }
    if cluster.history_server:
        # No chart up to 1.7.0 writes it.
        values["historyServerOptions"] = _collector(settings, cluster.history_server)
    if isinstance(cluster, ResourceOverrides) and cluster.annotations:
        values["annotations"] = cluster.annotations
    return values


def _collector(settings: StackSettings, history: HistoryServerSettings) -> Values:
    resources = {"cpu": history.cpu, "memory": history.memory}
    return {
        "collectorOptions": {
            "image": history.image,
            "imagePullPolicy": settings.image_pull_policy,
            "resources": {"limits": resources, "requests": resources},
            "env": [{"name": "STORAGE_BACKEND", "value": history.store}, *container_env(history.env)],
        }
    }


def _add_to_environment(values: Values, variables: list[dict[str, Any]]) -> None:
    """To merged values: an owner's own list of variables replaces what stands below it,
    and must not take the token away.
    """
    values["common"]["containerEnv"] = [*(values["common"].get("containerEnv") or []), *variables]
    if values["head"].get("enableInTreeAutoscaling"):
        options = values["head"]["autoscalerOptions"] = values["head"].get("autoscalerOptions") or {}
        options["env"] = [*(options.get("env") or []), *variables]


def secrets_of(
    settings: StackSettings, release: str, cluster: RayClusterSettings, *, token: bool
) -> list[str]:
    """Another list when a secret in the stack's config has changed: pods read theirs at
    their start only.
    """
    redis = cluster.gcs_fault_tolerance and cluster.gcs_fault_tolerance.redis_password
    given = [redis.value if redis else None, settings.auth_token if token else None]
    return [
        secret_digest(secret.get_secret_value(), f"{settings.namespace}/{release}")
        for secret in given
        if secret
    ]


def _autoscaler_values(settings: StackSettings, cluster: RayClusterSettings) -> Values:
    autoscaling = cluster.autoscaling
    if autoscaling is None:
        return {"enableInTreeAutoscaling": False}
    resources = {"cpu": autoscaling.cpu, "memory": autoscaling.memory}
    restricted = is_restricted(settings.protection, custom_image(settings, cluster, cluster.head))
    return {
        "enableInTreeAutoscaling": True,
        "autoscalerOptions": {
            "idleTimeoutSeconds": autoscaling.idle_timeout_seconds,
            "upscalingMode": autoscaling.upscaling_mode,
            "resources": {"limits": resources, "requests": resources},
            "securityContext": CONTAINER_CONTEXT if restricted else {},
        },
    }


def head_service_type(values: Values) -> str:
    """Of the head's Service: its own counts, then the chart's `service.type`
    (`BuildServiceForHeadPod`).
    """
    own = (values["head"].get("headService") or {}).get("spec") or {}
    return str(own.get("type") or values["service"].get("type") or "ClusterIP")
