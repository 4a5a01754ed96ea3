"""A Ray cluster: the Helm release, and its pods as the stack asks for them."""

from collections.abc import Iterable
from typing import Any

import pulumi

from components.namespace import Namespace
from components.operator import Operator
from components.resources.hooks import SharedHook, resource_hook
from components.resources.kubernetes_object import BY_FORCE, KubernetesObject
from components.resources.pod_secrets import pod_secrets
from components.resources.providers import connection_of, known, provider_of_component
from components.resources.release import RESOURCE_SOURCE, Release, chart_release, source_of
from components.resources.routes import addresses, make_routes
from components.resources.wait_for import WaitFor
from components.stack import is_encrypted
from kuberay.facts.charts import Values
from kuberay.facts.labels import HEAD_GROUP
from kuberay.facts.phrases import Report
from kuberay.facts.visible import log_line
from kuberay.live.api.connection import Connection
from kuberay.live.waiting.targets import group_target
from kuberay.plan.cluster import ClusterPlan
from kuberay.plan.pods import PodGroup
from kuberay.plan.protection import auth_options, token_output
from kuberay.settings.cluster import GroupSettings, RayClusterSettings
from kuberay.settings.overrides import ResourceOverrides

_without_token = SharedHook("without-token")

#: Lists in which a group is given text of any kind.
_LISTS_OF_TEXTS = ("containerEnv", "envFrom", "initContainers", "sidecarContainers")


class RayCluster(pulumi.ComponentResource):
    """One release of the ``ray-cluster`` chart, and one child a pod group that is
    replaced when the group's pods have to be.

    Helm calls a RayCluster deployed as soon as its one custom resource is written, and
    KubeRay before 1.6 never gives running pods a changed template. So each group has a
    child ``<release>.<group>.pods`` whose hook, during ``up`` only, replaces pods that
    carry an old template and waits until the wanted number is ready. A preview shows
    exactly the groups whose pods restart as *replace*.
    """

    release: Release
    groups: dict[str, WaitFor]
    summary: pulumi.Output[dict[str, Any]]
    """What a person needs to use the cluster: names, image, totals, addresses."""

    def __init__(
        self,
        name: str,
        plan: ClusterPlan,
        namespace: Namespace,
        operator: Operator,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("kuberay:components:RayCluster", name, None, opts)
        self._plan = plan
        self._connection = connection_of(provider_of_component(self))
        self.release = chart_release(
            name,
            plan.release,
            RESOURCE_SOURCE if plan.resource else source_of("ray-cluster", plan.charts),
            namespace.name,
            _values(plan),
            raw={} if plan.resource else plan.settings.values,
            timeout=plan.timeout,
            # Helm finds a RayCluster ready at once, and waits until it is gone when it
            # uninstalls: with fault tolerance only a living operator, with the password
            # at hand, runs the job that clears Redis and takes the finalizer off.
            skip_await=False,
            opts=pulumi.ResourceOptions(
                parent=self,
                # Of the release itself, not of this component alone: `destroy` has to
                # delete Ray before the operator.
                depends_on=[operator, *pod_secrets(plan, namespace.name, self)],
                hooks=self._around_updates(),
                # KubeRay never updates the head's Service, so a changed one takes a new
                # RayCluster.
                replacement_trigger=plan.service_fingerprint,
                delete_before_replace=True,
            ),
        )
        if plan.token_secret and auth_options(plan.charts.version):
            self._tell_the_operator_of_the_token(namespace)
        make_routes(plan.routes, namespace.name, self.release, self)
        self.groups = {group.name: self._pods(group) for group in plan.groups}
        if plan.keeps_old_pods:
            self._connection.apply(self._warn_of_old_pods)
        up = pulumi.Output.all(*(group.up for group in self.groups.values()))
        self.summary = up.apply(lambda _: summary(plan))
        self.register_outputs({})

    def _around_updates(self) -> pulumi.ResourceHookBinding | None:
        """What an update of the release is not to take along, or not to meet."""
        plan, hooks = self._plan, pulumi.ResourceHookBinding()
        if plan.settings.autoscaling:
            hooks = self._keep_replicas()
        if not plan.token_secret and auth_options(plan.charts.version) and "authOptions" not in plan.spec:
            before = _without_token.of(self.pulumi_resource_name, self._ask_for_no_token)
            hooks.before_update = [*(hooks.before_update or []), before]
        return hooks if hooks.before_update else None

    async def _ask_for_no_token(self, _: pulumi.ResourceHookArgs) -> None:
        """Before the operator sees the new spec: it refuses one that asks for a token
        of a Ray that knows none, and Pulumi takes the patch that asks away at the end.
        """
        from kuberay.live.patches import ask_for_no_token

        await ask_for_no_token(await known(self._connection), self._plan.name, self._plan.namespace)

    def _keep_replicas(self) -> pulumi.ResourceHookBinding:
        """Keeps what Ray's autoscaler has set through an update of the release.

        The autoscaler writes `replicas` of the worker groups into the RayCluster. Helm
        patches a custom resource by what changed between two manifests, and a list as a
        whole: any change of a worker group would set every group's `replicas` back to
        the chart's value. If the run is killed between the two hooks, no pod is lost:
        with its autoscaler on, KubeRay leaves removing pods to it.
        """
        name, cluster, namespace = self.pulumi_resource_name, self._plan.name, self._plan.namespace
        before: dict[str, int] = {}

        async def remember(_: pulumi.ResourceHookArgs) -> None:
            from kuberay.live.patches import read_replicas

            before.update(await read_replicas(await known(self._connection), cluster, namespace))

        async def restore(_: pulumi.ResourceHookArgs) -> None:
            from kuberay.live.patches import restore_replicas

            await restore_replicas(await known(self._connection), cluster, namespace, before)

        return pulumi.ResourceHookBinding(
            before_update=[resource_hook(f"{name}.remember-replicas", remember)],
            after_update=[resource_hook(f"{name}.restore-replicas", restore)],
        )

    def _tell_the_operator_of_the_token(self, namespace: Namespace) -> None:
        """Without it the operator cannot submit jobs to the cluster. No chart up to
        1.7.0 writes `authOptions`.
        """
        asked = (
            {"authOptions": self._plan.spec["authOptions"]}
            if self._plan.resource
            else auth_options(self._plan.charts.version)
        )
        metadata = {"name": self._plan.name, "namespace": namespace.name, "annotations": BY_FORCE}
        KubernetesObject(
            f"{self.pulumi_resource_name}.authentication",
            {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": metadata, "spec": asked},
            pulumi.ResourceOptions(
                parent=self,
                depends_on=[self.release],
                # The state keeps all of a patched object, its annotations and pods'
                # environment too.
                additional_secret_outputs=["metadata", "spec"] if is_encrypted("clusters") else None,
                replace_with=[self.release],
                delete_before_replace=True,
            ),
            is_patch=True,
        )

    def _pods(self, group: PodGroup) -> WaitFor:
        """The pods of one group: ready when this resource is made, replaced with it."""
        target = group_target(self._plan, group)

        async def until_ready(report: Report) -> None:
            from kuberay.live.waiting.pods import wait_for_group

            connection = await known(self._connection)
            await wait_for_group(connection, target, lambda text: report(f"{group.name}: {text}"))

        async def mark() -> None:
            from kuberay.live.patches import mark_complete

            connection, plan = await known(self._connection), self._plan
            await mark_complete(connection, "RayCluster", plan.name, plan.namespace)

        shown = {"pods": f"{group.count} x {group.summary}", "template": group.fingerprint}
        return WaitFor(
            # Dots, which neither name can hold: cluster a-b with group c is not cluster
            # a with group b-c.
            f"{self.pulumi_resource_name}.{group.name}.pods",
            shown | ({"release": self._plan.fingerprint} if group.is_head else {}),
            until_ready,
            self.release,
            self,
            before_waiting=mark if group.is_head else None,
            replacement_trigger=group.fingerprint if target.replace_old else None,
        )

    def _warn_of_old_pods(self, connection: Connection) -> None:
        """An owner who keeps running pods (upgradeStrategy None) is told, in each
        preview and `up`, which of them run an old spec.
        """
        from kuberay.live.waiting.pods import old_pods

        wanted = {
            HEAD_GROUP if group.is_head else group.name: group.annotation for group in self._plan.groups
        }
        old = old_pods(connection, self._plan.namespace, self._plan.name, wanted, as_at_first=True)
        for group, pods in old.items():
            count = f"{pods} pod of {group} keeps" if pods == 1 else f"{pods} pods of {group} keep"
            pulumi.log.warn(
                log_line(f"{self._plan.name}: {count} running the old spec (upgradeStrategy: None)"),
                resource=self,
            )


def _values(plan: ClusterPlan) -> pulumi.Input[Values]:
    if not is_encrypted("clusters"):
        return plan.release_values
    if plan.resource:
        # Nearly all of a spec is in lists, of which the provider makes a secret as a
        # whole (`annotateSecrets`).
        return pulumi.Output.secret(plan.release_values)
    return conceal(plan.release_values, plan.settings)


def conceal(values: Values, cluster: RayClusterSettings) -> pulumi.Input[Values]:
    """The values with what may come from an encrypted setting kept as a secret:
    whatever holds text of any kind, or all of raw values.

    Not always all of them: a reviewer has to see which size and image a preview
    changes, and on which nodes pods run.
    """
    if cluster.values:
        return pulumi.Output.secret(values)
    additional: Values = values["additionalWorkerGroups"]
    groups = {
        name: _conceal_group(additional[name], group)
        for name, group in cluster.additional_worker_groups.items()
    }
    hidden = {
        "head": _conceal_group(values["head"], cluster.head),
        "worker": _conceal_group(values["worker"], cluster.worker),
        "additionalWorkerGroups": additional | groups,
    }
    if annotations := isinstance(cluster, ResourceOverrides) and cluster.annotations:
        hidden["annotations"] = _conceal_keys(values["annotations"], annotations)
    if (values.get("gcsFaultTolerance") or {}).get("redisUsername"):
        hidden["gcsFaultTolerance"] = _conceal_keys(values["gcsFaultTolerance"], ["redisUsername"])
    return values | hidden


def _conceal_keys(values: Values, keys: Iterable[str]) -> Values:
    return values | {key: pulumi.Output.secret(values[key]) for key in keys}


def _conceal_group(values: Values, group: GroupSettings) -> Values:
    """Maps value by value, for the chart goes through their names, and a preview reads
    what stands beside the owner's values.

    Lists as a whole: the provider makes that of a list with any secret in it
    (`annotateSecrets`).
    """
    own: Values = {}
    for key, given in (
        ("rayStartParams", group.ray_start_params),
        ("annotations", group.annotations),
        ("labels", group.labels),
    ):
        if given:
            own[key] = _conceal_keys(values[key], given)
    lists = [key for key in _LISTS_OF_TEXTS if values.get(key)]
    return _conceal_keys(values, [*lists, *(["volumes"] if group.volumes else [])]) | own


def summary(plan: ClusterPlan) -> dict[str, Any]:
    """The outputs of a cluster."""
    service = f"{plan.head_service}.{plan.namespace}.svc"
    dashboard, client = plan.ports["dashboard"], plan.ports["client"]
    ports = f"{dashboard}:{dashboard} {client}:{client}"
    return {
        "name": plan.name,
        "namespace": plan.namespace,
        "image": plan.head.image,
        "cpu": plan.cpu,
        "memory": plan.memory,
        "gpus": plan.gpus,
        "rayClientAddress": f"ray://{service}:{client}",
        "dashboardAddress": f"http://{service}:{dashboard}",
        **addresses(plan.routes),
        "portForward": (
            f"kubectl port-forward --namespace {plan.namespace} service/{plan.head_service} {ports}"
        ),
        **token_output(plan.token_secret, plan.namespace),
    }
