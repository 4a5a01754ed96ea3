"""The KubeRay operator, which turns RayCluster resources into pods."""

import pulumi

from components.namespace import Namespace
from components.resources.hooks import resource_hook
from components.resources.release import Release, chart_release, source_of
from components.resources.wait_for import WaitFor
from components.stack import is_encrypted, stack_connection
from kuberay.facts.phrases import Report
from kuberay.live.waiting.targets import DeploymentTarget
from kuberay.plan.operator import operator_fingerprint, operator_values
from kuberay.settings.stack import StackSettings

RELEASE_NAME = "kuberay-operator"


class Operator(pulumi.ComponentResource):
    """Installs the operator and waits until it runs, or stands for one that the cluster has (``operator.install: false``)."""

    release: Release | None = None
    deployment: WaitFor | None = None

    def __init__(self, settings: StackSettings, namespace: Namespace, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("kuberay:components:Operator", RELEASE_NAME, None, opts)
        if settings.operator.install:
            self._install(settings, namespace)
        self.register_outputs({})

    def _install(self, settings: StackSettings, namespace: Namespace) -> None:
        values = operator_values(settings)
        crds = self._crds_hook(settings)
        self.release = chart_release(
            RELEASE_NAME,
            "kuberay-operator",
            settings,
            namespace.name,
            # Raw values may hold anything.
            pulumi.Output.secret(values) if settings.operator.values and is_encrypted("operator") else values,
            # Waited for below instead: Helm looks only every two seconds, and names no cause when the time is over.
            skip_await=True,
            opts=pulumi.ResourceOptions(
                parent=self,
                hooks=pulumi.ResourceHookBinding(before_create=[crds], before_update=[crds]),
                # Both would be called the same.
                delete_before_replace=True,
            ),
        )
        connection = stack_connection()
        deployment = str(values["fullnameOverride"])
        target = DeploymentTarget(settings.namespace, RELEASE_NAME, deployment, settings.timeout_seconds)

        async def until_rolled_out(report: Report) -> None:
            from kuberay.live.waiting.deployment import wait_for_deployment

            await wait_for_deployment(connection, target, report)

        async def mark() -> None:
            from kuberay.live.patches import mark_complete

            await mark_complete(connection, "Deployment", deployment, settings.namespace)

        looks = {"release": operator_fingerprint(settings)}
        self.deployment = WaitFor(f"{RELEASE_NAME}.deployment", looks, until_rolled_out, self.release, self, mark=mark)

    def _crds_hook(self, settings: StackSettings) -> pulumi.ResourceHook:
        """A preview that changes the release says and refuses the same as `up`, as far as it can reach the cluster."""
        connection, source = stack_connection(), source_of("kuberay-operator", settings)

        async def before_the_operator_changes(args: pulumi.ResourceHookArgs) -> None:
            from kuberay.live.crds.upgrade import CrdError, bring_to_version

            def report(text: str) -> None:
                pulumi.log.info(text, resource=self)

            was, dry_run = (args.old_inputs or {}).get("version"), pulumi.runtime.is_dry_run()
            try:
                await bring_to_version(connection, settings.kuberay_version, source, was, report, dry_run=dry_run)
            except CrdError:
                raise
            except Exception as error:
                if not dry_run:
                    raise
                pulumi.log.debug(f"the CRDs were not looked at: {error}")

        options = pulumi.ResourceHookOptions(on_dry_run=True)
        return resource_hook(f"{RELEASE_NAME}.crds-are-of-its-version", before_the_operator_changes, options)
