"""What settings must agree on with one another: limits, names and values that no single
type can check.
"""

from collections.abc import Iterator

from kuberay.checks.expose import route_problems
from kuberay.checks.flags import flag_problems
from kuberay.checks.groups import cluster_problems, core_problems, idle_autoscalers
from kuberay.checks.memory import memory_problems
from kuberay.checks.messages import Problem
from kuberay.checks.operator_rules import operator_rule_problems
from kuberay.checks.ports import port_problems
from kuberay.checks.quota import quota_problems
from kuberay.checks.raw_spec import spec_problems
from kuberay.checks.raw_values import raw_operator_problems, unknown_keys
from kuberay.checks.storage import claim_problems
from kuberay.checks.workload_clusters import workload_problems
from kuberay.checks.workload_settings import gate_problems, job_setting_problems, service_setting_problems
from kuberay.facts.charts import feature_gates, in_this_version
from kuberay.facts.phrases import SECRET, did_you_mean
from kuberay.facts.versions import at_least, lacking
from kuberay.plan.cluster import cluster_resource_name
from kuberay.plan.pods import custom_image
from kuberay.plan.protection import FIRST_RAY, is_restricted, uses_token
from kuberay.plan.stack import StackPlan
from kuberay.plan.workload_clusters import workload_cluster_settings
from kuberay.settings.metrics import MetricsSettings
from kuberay.settings.stack import StackSettings


def settings_problems(settings: StackSettings) -> list[Problem]:
    """Every problem that lies between settings."""
    return [*_stack_checks(settings), *_protection_checks(settings), *spec_problems(settings)]


def plan_problems(plan: StackPlan) -> list[Problem]:
    """Every problem of what the settings come to: what an operator refuses, what jobs
    and services cannot do with, sizes that Ray refuses, and the stack's own quota.
    """
    refused = operator_rule_problems(plan.placed, plan.settings.kuberay_version)
    between = [
        *idle_autoscalers(plan.placed),
        *flag_problems(plan),
        *port_problems(plan),
        *workload_problems(plan),
    ]
    between += [*route_problems(plan), *claim_problems(plan)]
    return [*refused, *between, *memory_problems(plan.placed), *quota_problems(plan)]


def _stack_checks(settings: StackSettings) -> Iterator[Problem]:
    yield from _operator_value_checks(settings)
    yield from core_problems(("operator",), settings.operator)
    operator = settings.operator
    for_its_install = {"values": operator.values, "singleNamespaceInstall": operator.single_namespace_install}
    for key, value in for_its_install.items():
        if value and not operator.install:
            yield Problem(("operator", key), value, "has no effect with operator.install: false")
    if not (settings.clusters or settings.jobs or settings.services or settings.operator.install):
        yield Problem(("clusters",), {}, "is empty and operator.install is false: nothing would be deployed")

    names: dict[str, str] = {}
    for release, cluster in settings.clusters.items():
        here = ("clusters", release)
        name = cluster_resource_name(release, cluster.values)
        longest = longest_cluster_name(settings.kuberay_version)
        if len(name) > longest:
            # A suffix is the chart's or of `nameOverride`; that may be too long alone.
            left = longest - (len(name) - len(release))
            limit = f"{left} characters at most here" if left > 0 else f"{longest} characters at most"
            yield Problem(
                here, name, f"is too long a RayCluster name for KubeRay {settings.kuberay_version}: {limit}"
            )
        if name in names:
            yield Problem(
                here, name, f"is the RayCluster name of clusters.{names[name]} too; rename one of them"
            )
        names.setdefault(name, release)
        if release == "kuberay-operator" and settings.operator.install:
            yield Problem(here, release, "is the name of the operator's own Helm release")
        yield from cluster_problems(settings, here, cluster, chart_version=settings.kuberay_version)
    for name, job in settings.jobs.items():
        yield from job_setting_problems(settings, name, job)
    for name, service in settings.services.items():
        if name in names:
            yield Problem(
                ("services", name),
                name,
                f"is the RayCluster name of clusters.{names[name]} too, whose head Service it would need;"
                " rename it",
            )
        yield from service_setting_problems(settings, name, service)


def longest_cluster_name(kuberay_version: str) -> int:
    """KubeRay 1.3 cuts names at 50 (`CheckName`), and `<name>-head-svc` is to stay
    whole; later ones refuse more than 53.
    """
    return 53 if at_least(kuberay_version, "1.4.0") else 50 - len("-head-svc")


def _operator_value_checks(settings: StackSettings) -> Iterator[Problem]:
    here = ("operator", "values")
    values = in_this_version(settings.kuberay_version, settings.operator.values)
    problems = list(unknown_keys(values, "kuberay-operator", settings.kuberay_version)) or list(
        raw_operator_problems(values)
    )
    yield from (problem.below(*here) for problem in problems)
    if problems:
        return
    watched = values.get("watchNamespace") or []
    if watched and settings.namespace not in watched:
        why = (
            f"leaves out {settings.namespace}, the namespace of this stack: its operator would make no pods"
            " here; add it"
        )
        yield Problem((*here, "watchNamespace"), watched, why)
    if (replicas := values.get("replicas")) in (0, "0"):
        yield Problem((*here, "replicas"), replicas, "would leave no operator that makes pods; leave it out")
    known = feature_gates(settings.kuberay_version)
    for index, gate in enumerate(values.get("featureGates") or []):
        if (name := gate["name"]) not in known:
            message = (
                "is not a feature gate that the operator knows at"
                f" {settings.kuberay_version}{did_you_mean(name, known)}"
            )
            yield Problem(
                (*here, "featureGates", str(index)), name, f"{message}; it knows: {', '.join(known)}"
            )
    if settings.operator.install and "featureGates" in values:
        yield from gate_problems(
            settings, {gate["name"]: bool(gate["enabled"]) for gate in values["featureGates"] or []}
        )


def _own_tokens(settings: StackSettings) -> bool:
    return any(owner.own_token for owner in (*settings.jobs.values(), *settings.services.values()))


def _metrics_checks(metrics: MetricsSettings) -> Iterator[Problem]:
    # Those of Ray's own dashboard do without: others may scrape Ray.
    by_themselves = {"grafana", "prometheus"}
    if not metrics.enabled and metrics.model_dump(exclude=by_themselves) != MetricsSettings().model_dump(
        exclude=by_themselves
    ):
        yield Problem(("metrics", "enabled"), False, "leaves the other settings of metrics without effect")
    elif not metrics.dashboards and "dashboard_labels" in metrics.model_fields_set:
        yield Problem(
            ("metrics", "dashboardLabels"),
            metrics.dashboard_labels,
            "has no effect with metrics.dashboards: false",
        )


def _protection_checks(settings: StackSettings) -> Iterator[Problem]:
    protection = settings.protection
    here = ("protection",)
    for_workloads = workload_cluster_settings(settings)
    versions = {
        name: cluster.ray_version or settings.ray_version for name, cluster in settings.clusters.items()
    }
    without = [
        f"clusters.{name} has {version}"
        for name, version in versions.items()
        if not uses_token(protection, version)
    ]
    if protection.token_authentication == "token" and without:
        yield Problem(
            (*here, "tokenAuthentication"), "token", f"needs Ray {FIRST_RAY} or later; {', '.join(without)}"
        )
    elif settings.auth_token and len(without) == len(versions) and not _own_tokens(settings):
        why = (
            f"Ray asks for one from {FIRST_RAY} on"
            if protection.token_authentication == "auto"
            else "tokenAuthentication is disabled"
        )
        yield Problem(("authToken",), SECRET, f"has no effect: no cluster asks for a token ({why})")

    for what, cluster in for_workloads.items() if protection.token_authentication == "token" else ():
        ray_version = cluster.ray_version or settings.ray_version
        if needs := lacking("token authentication", kuberay=settings.kuberay_version, ray=ray_version):
            yield Problem((*here, "tokenAuthentication"), "token", f"{needs}, for the cluster of {what}")

    if not protection.network_policy.enabled:
        for key, value in protection.network_policy.model_dump(by_alias=True, exclude_defaults=True).items():
            if key != "enabled":
                yield Problem(
                    (*here, "networkPolicy", key), value, "has no effect with networkPolicy.enabled: false"
                )
    yield from _metrics_checks(settings.metrics)

    enforced = protection.namespace_pod_security
    if enforced != "privileged" and not settings.create_namespace:
        yield Problem(
            (*here, "namespacePodSecurity"),
            enforced,
            "is for a namespace that this stack makes (createNamespace: true)",
        )
    if enforced == "restricted":
        every = {f"clusters.{name}": cluster for name, cluster in settings.clusters.items()} | for_workloads
        for what, cluster in every.items():
            for group in (cluster.head, cluster.worker, *cluster.additional_worker_groups.values()):
                image = custom_image(settings, cluster, group)
                if not is_restricted(protection, image):
                    refused = (
                        f"would refuse pods of {what} (image {image}): set protection.podSecurity to"
                        " restricted"
                    )
                    yield Problem((*here, "namespacePodSecurity"), enforced, refused)
                    return
