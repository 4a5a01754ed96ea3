"""The KubeRay operator, which turns RayCluster resources into pods."""

import pulumi
from pulumi_kubernetes.helm.v3 import Release

from components.namespace import Namespace
from components.resources.hooks import resource_hook
from components.resources.release import chart_release, source_of
from components.resources.wait_for import Ready
from components.stack import is_encrypted
from kuberay.live.waiting.targets import DeploymentWait, Report
from kuberay.plan.operator import operator_fingerprint, operator_values
from kuberay.settings.stack import StackSettings

RELEASE_NAME = "kuberay-operator"


class Operator(pulumi.ComponentResource):
    """Installs the operator and waits until it runs, or stands for one that the cluster has (``operator.install: false``)."""

    release: Release | None = None
    deployment: Ready | None = None

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
            namespace,
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
        deployment = str(values["fullnameOverride"])
        wait = DeploymentWait(settings.namespace, RELEASE_NAME, deployment, settings.timeout_seconds)

        async def until_rolled_out(report: Report) -> None:
            from kuberay.live.waiting.deployment import wait_for_deployment

            await wait_for_deployment(wait, report)

        async def mark() -> None:
            from kuberay.live.takeover.takeover import mark_complete

            await mark_complete("Deployment", deployment, settings.namespace)

        looks = {"release": operator_fingerprint(settings)}
        self.deployment = Ready(f"{RELEASE_NAME}.deployment", looks, until_rolled_out, self.release, self, mark=mark)

    def _crds_hook(self, settings: StackSettings) -> pulumi.ResourceHook:
        source = source_of("kuberay-operator", settings)

        async def before_the_operator_changes(args: pulumi.ResourceHookArgs) -> None:
            from kuberay.live.crds.upgrade import follow_operator

            was = (args.old_inputs or {}).get("version")
            await follow_operator(settings.kuberay_version, source, was, lambda text: pulumi.log.info(text, resource=self))

        options = pulumi.ResourceHookOptions(on_dry_run=True)
        return resource_hook(f"{RELEASE_NAME}.crds-are-of-its-version", before_the_operator_changes, options)
