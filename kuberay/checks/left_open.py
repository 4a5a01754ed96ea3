"""What is left open: the protections that a stack does without, one line each."""

from collections.abc import Iterator

from kuberay.checks.expose import asks_for_token
from kuberay.checks.unreachable import reached_from_outside
from kuberay.facts.phrases import first_few
from kuberay.facts.versions import NEEDS
from kuberay.plan.cluster import head_service_type
from kuberay.plan.fault_tolerance import is_fault_tolerant
from kuberay.plan.pods import custom_image
from kuberay.plan.protection import FIRST_RAY, is_restricted, uses_token
from kuberay.plan.stack import StackPlan


def exposures(plan: StackPlan) -> Iterator[str]:
    """What somebody can reach or do, and which setting closes it."""
    settings = plan.settings
    protection = settings.protection
    plans = dict(plan.clusters)

    for_workloads = list(plan.workload_clusters.values())
    asks = {
        made.what: uses_token(protection, made.plan.settings.ray_version or settings.ray_version)
        for made in for_workloads
    }

    open_clusters = [name for name, made in plans.items() if not made.token_secret] + [
        what for what, token in asks.items() if not token
    ]
    if open_clusters:
        disabled = protection.token_authentication == "disabled"
        why = (
            "protection.tokenAuthentication is disabled"
            if disabled
            else f"Ray asks for a token from rayVersion {FIRST_RAY} on"
        )
        yield f"jobs and dashboard of {first_few(open_clusters)} are open to whoever reaches them: {why}"

    if unknown := [made.what for made in for_workloads if asks[made.what] and not made.token_options]:
        first = NEEDS["token authentication"].kuberay
        yield (
            f"jobs and dashboard of the clusters of {first_few(unknown)} are open: KubeRay makes tokens from"
            f" kuberayVersion {first} on"
        )

    if not protection.network_policy.enabled:
        yield (
            "every pod of the Kubernetes cluster reaches Ray's ports: protection.networkPolicy.enabled is"
            " false"
        )
    plans |= {made.what: made.plan for made in for_workloads}
    exposed = [
        f"{name} ({kind})"
        for name, made in plans.items()
        if (kind := head_service_type(made.values)) != "ClusterIP"
    ]
    if exposed:
        yield f"the head's Service is reached from outside the Kubernetes cluster: {first_few(exposed)}"
    if outside := [f"{name} ({kind})" for name, kind in reached_from_outside(settings).items()]:
        yield f"applications are reached from outside the Kubernetes cluster: {first_few(outside)}"

    for route in plan.routes:
        if route.target == "serve":
            what, who = "the applications", "everyone: Ray asks for no token there"
        else:
            what = "the dashboard and the jobs API"
            who = "whoever shows its token" if asks_for_token(plan, route) else "everyone"
        yield f"{route.address} leads to {what} of {route.whose}, for {who}: {route.key}"
    if plain := [route.address for route in plan.routes if not route.is_https]:
        yield (
            f"what goes to {first_few(plain)} is not encrypted, tokens neither: tlsSecret, or https where a"
            " certificate is held elsewhere"
        )

    unrestricted = [
        name
        for name, cluster in (
            *settings.clusters.items(),
            *((made.what, made.plan.settings) for made in for_workloads),
        )
        for group in (cluster.head, cluster.worker, *cluster.additional_worker_groups.values())
        if not is_restricted(protection, custom_image(settings, cluster, group))
    ]
    if unrestricted:
        reason = "their image is not one of Ray's; protection.podSecurity: restricted asks for it"
        why = "protection.podSecurity is none" if protection.pod_security == "none" else reason
        yield (
            f"pods of {first_few(list(dict.fromkeys(unrestricted)))} run without the restricted security"
            f" context: {why}"
        )

    if protection.mount_service_account_token:
        yield (
            "pods carry the token of the namespace's default service account:"
            " protection.mountServiceAccountToken is true"
        )
    elif not settings.create_namespace:
        account = f"the default service account of namespace {settings.namespace}"
        yield (
            f"pods carry the token of {account}, unless it gives none away: createNamespace is false, so it"
            " stays as it is"
        )

    lone = [name for name, cluster in plan.clusters.items() if not is_fault_tolerant(cluster.values)]
    if lone and not protection.head_disruption_budget:
        why = "protection.headDisruptionBudget is false"
        yield f"whoever drains a node evicts the heads of {first_few(lone)}, and loses their clusters: {why}"
    if lost := [f"storage.{claim.name}" for claim in plan.claims if not claim.keep]:
        yield (
            f"the data of {first_few(lost)} goes when the claim leaves the settings or the stack is"
            " destroyed: keep is false"
        )

    if settings.operator.install and not plan.operator.values["singleNamespaceInstall"]:
        yield (
            "the operator has rights in every namespace; operator.singleNamespaceInstall keeps it to its own"
        )
