"""A service: one RayService, and the wait until it serves."""

from typing import Any

import pulumi

from components.namespace import Namespace
from components.operator import Operator
from components.resources.kubernetes_object import KubernetesObject, workload_manifest
from components.resources.pod_secrets import pod_secrets
from components.resources.providers import connection_of, known, provider_of_component
from components.resources.routes import addresses, make_routes
from components.resources.wait_for import WaitFor
from kuberay.facts.labels import HEAD_GROUP
from kuberay.facts.phrases import Report
from kuberay.facts.visible import log_line
from kuberay.live.api.connection import Connection
from kuberay.live.waiting.targets import workload_target
from kuberay.plan.protection import token_output
from kuberay.plan.service import ServicePlan


class RayService(pulumi.ComponentResource):
    """One RayService, and a child ``<name>.ready`` whose hook, during ``up`` only,
    waits until all its applications serve.

    Every change is an update: KubeRay hands a new Serve config to the running cluster,
    and for a new cluster spec brings up a second cluster and switches over to it. The
    old cluster goes a minute later; ``up`` does not wait for that.
    """

    summary: pulumi.Output[dict[str, Any]]
    """What a person needs to use the service: names, addresses."""

    def __init__(
        self,
        name: str,
        plan: ServicePlan,
        namespace: Namespace,
        operator: Operator,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("kuberay:components:RayService", name, None, opts)
        self._plan = plan
        self._connection = connection_of(provider_of_component(self))
        secrets = pod_secrets(plan.cluster, namespace.name, self)
        self.resource = KubernetesObject(
            name,
            workload_manifest(plan, "services", namespace.name),
            pulumi.ResourceOptions(
                parent=self,
                # Of the resource itself: `destroy` has to delete the service before the
                # operator.
                depends_on=[operator, *secrets],
                # Only a living operator takes its finalizer off.
                custom_timeouts=pulumi.CustomTimeouts(delete=f"{plan.delete_timeout}s"),
            ),
        )
        make_routes(plan.routes, namespace.name, self.resource, self)
        self.summary = self._serves().up.apply(lambda _: summary(plan))
        self.register_outputs({})

    def _serves(self) -> WaitFor:
        """Made when the service serves, and updated with each change of it."""
        target = workload_target(self._plan)

        async def until_serving(report: Report) -> None:
            from kuberay.live.waiting.workloads import wait_for_service

            connection = await known(self._connection)
            cluster = await wait_for_service(connection, target, self._plan.applications, report)
            if self._plan.settings.upgrade_strategy == "None":
                self._warn_of_old_pods(connection, cluster)

        async def bring_the_service() -> None:
            from kuberay.live.patches import bring_serve_service

            plan = self._plan
            annotations = plan.settings.serve_service.annotations if plan.settings.serve_service else None
            connection = await known(self._connection)
            await bring_serve_service(
                connection, plan.serve_service, plan.namespace, plan.serve_service_type, annotations
            )

        shown = {"service": self._plan.summary, "spec": self._plan.fingerprint}
        return WaitFor(
            f"{self.pulumi_resource_name}.ready",
            shown,
            until_serving,
            self.resource,
            self,
            before_waiting=bring_the_service,
        )

    def _warn_of_old_pods(self, connection: Connection, cluster: str) -> None:
        """KubeRay leaves a running cluster as it is with upgradeStrategy None; whoever
        changed `rayCluster` is told.
        """
        from kuberay.live.waiting.pods import old_pods

        wanted = {
            HEAD_GROUP if group.is_head else group.name: group.fingerprint
            for group in self._plan.cluster.groups
        }
        if old_pods(connection, self._plan.namespace, cluster, wanted):
            what = f"{self._plan.name}: its cluster {cluster}"
            line = f"{what} keeps running the old spec (upgradeStrategy: None)"
            pulumi.log.warn(log_line(line), resource=self)


def summary(plan: ServicePlan) -> dict[str, Any]:
    """The outputs of a service."""
    ports = f"{plan.port}:{plan.port}"
    reached = {
        "serveAddress": f"http://{plan.serve_service}.{plan.namespace}.svc:{plan.port}",
        "portForward": (
            f"kubectl port-forward --namespace {plan.namespace} service/{plan.serve_service} {ports}"
        ),
    }
    if plan.gateway:
        # Where it can be reached is for its GatewayClass to say.
        address = "--output jsonpath='{.status.addresses[0].value}'"
        reached = {
            "getServeAddress": f"kubectl get gateway {plan.gateway} --namespace {plan.namespace} {address}"
        }
    return {
        "name": plan.name,
        "namespace": plan.namespace,
        **reached,
        "dashboardAddress": (
            f"http://{plan.head_service}.{plan.namespace}.svc:{plan.cluster.ports['dashboard']}"
        ),
        **token_output(plan.cluster.token_secret, plan.namespace),
        **addresses(plan.routes),
    }
