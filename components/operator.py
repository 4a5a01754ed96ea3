"""The KubeRay operator, which turns RayCluster resources into pods."""

import pulumi

from components.namespace import Namespace
from components.resources.hooks import progress, resource_hook
from components.resources.providers import connection_of, known, provider_of_component
from components.resources.release import Release, chart_release, source_of
from components.resources.wait_for import WaitFor
from components.stack import is_encrypted
from kuberay.facts.chart_source import ChartSource
from kuberay.facts.charts import OPERATOR_RELEASE
from kuberay.facts.phrases import Report
from kuberay.facts.visible import log_line
from kuberay.plan.operator import OperatorPlan


class Operator(pulumi.ComponentResource):
    """Installs the operator and waits until it runs, or stands for one that the cluster
    has (``operator.install: false``).
    """

    release: Release | None = None
    deployment: WaitFor | None = None

    def __init__(
        self, plan: OperatorPlan, namespace: Namespace, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("kuberay:components:Operator", OPERATOR_RELEASE, None, opts)
        self._plan = plan
        self._connection = connection_of(provider_of_component(self))
        if plan.settings.install:
            self._install(namespace)
        self.register_outputs({})

    def _install(self, namespace: Namespace) -> None:
        plan = self._plan
        source = source_of("kuberay-operator", plan.charts)
        crds = self._crds_hook(source)
        hides_values = plan.settings.values and is_encrypted("operator")
        self.release = chart_release(
            OPERATOR_RELEASE,
            OPERATOR_RELEASE,
            source,
            namespace.name,
            # Raw values may hold anything.
            pulumi.Output.secret(plan.values) if hides_values else plan.values,
            raw=plan.settings.values,
            timeout=plan.timeout,
            # Waited for below instead: Helm looks only every two seconds, and names no
            # cause when the time is over.
            skip_await=True,
            # They are there by then, and Helm would send all megabytes once more.
            skip_crds=True,
            opts=pulumi.ResourceOptions(
                parent=self,
                hooks=pulumi.ResourceHookBinding(before_create=[crds], before_update=[crds]),
                # Both would be called the same.
                delete_before_replace=True,
                # Releases of earlier versions of this program have none of it.
                ignore_changes=["skipCrds"],
            ),
        )
        changes = False

        async def until_rolled_out(report: Report) -> None:
            from kuberay.live.patches import free_services
            from kuberay.live.waiting.deployment import wait_for_deployment

            connection = await known(self._connection)
            await wait_for_deployment(connection, plan, report)
            if changes:
                await free_services(connection, plan, report)

        async def mark() -> None:
            from kuberay.live.patches import mark_complete

            nonlocal changes
            changes = True
            await mark_complete(await known(self._connection), "Deployment", plan.deployment, plan.namespace)

        shown = {"release": plan.fingerprint}
        self.deployment = WaitFor(
            f"{OPERATOR_RELEASE}.deployment", shown, until_rolled_out, self.release, self, before_waiting=mark
        )

    def _crds_hook(self, source: ChartSource) -> pulumi.ResourceHook:
        """A preview that changes the release says and refuses the same as `up`, as far
        as it can reach the cluster.
        """

        async def before_the_operator_changes(args: pulumi.ResourceHookArgs) -> None:
            from kuberay.live.crds.upgrade import CrdError, bring_to_version
            from kuberay.live.other_operators import OtherOperatorError, refuse_beside_others

            was, in_preview = (args.old_inputs or {}).get("version"), pulumi.runtime.is_dry_run()
            try:
                connection, version = await known(self._connection), self._plan.charts.version
                if was is None:
                    try:
                        await refuse_beside_others(connection, self._plan, timeout=3 if in_preview else 30)
                    except OtherOperatorError as error:
                        if not in_preview:
                            raise
                        here = "as it is now, unless it is this stack's own, which moves along:"
                        pulumi.log.warn(log_line(f"{here} {error}"), resource=self)
                await bring_to_version(
                    connection,
                    version,
                    source,
                    was,
                    progress(self),
                    timeout=self._plan.timeout,
                    in_preview=in_preview,
                )
            except CrdError:
                raise
            except Exception as error:
                if not in_preview:
                    raise
                pulumi.log.debug(log_line(f"the CRDs were not looked at: {error}"))

        options = pulumi.ResourceHookOptions(on_dry_run=True)
        return resource_hook(
            f"{OPERATOR_RELEASE}.crds-are-of-its-version", before_the_operator_changes, options
        )
