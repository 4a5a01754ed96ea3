"""The KubeRay operator, which turns RayCluster resources into pods."""

import pulumi
from pulumi_kubernetes.apiextensions import CustomResourcePatch
from pulumi_kubernetes.helm.v3 import Release, RepositoryOptsArgs

from components.charts import chart_source
from components.crds import crds_hook
from components.namespace import Namespace
from components.readiness import DeploymentWait, wait_for_deployment
from components.settings.stack import StackSettings
from components.stack import PROJECT_FOLDER
from components.values import operator_fingerprint, operator_values

RELEASE_NAME = "kuberay-operator"


class Operator(pulumi.ComponentResource):
    """Installs the operator and waits until it runs, or stands for one that the cluster has (``operator.install: false``)."""

    release: Release | None = None

    def __init__(self, settings: StackSettings, namespace: Namespace, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("kuberay:components:Operator", RELEASE_NAME, None, opts)
        if settings.operator.install:
            self._install(settings, namespace)
        self.register_outputs({})

    def _install(self, settings: StackSettings, namespace: Namespace) -> None:
        values = operator_values(settings)
        source = chart_source(
            "kuberay-operator", version=settings.kuberay_version, repository=settings.chart_repository, project_folder=PROJECT_FOLDER
        )
        crds = crds_hook(RELEASE_NAME, settings.kuberay_version, source, report=lambda text: pulumi.log.info(text, resource=self))
        self.release = Release(
            RELEASE_NAME,
            name=RELEASE_NAME,
            namespace=namespace.name,
            chart=source.chart,
            version=source.version,
            repository_opts=RepositoryOptsArgs(repo=source.repository) if source.repository else None,
            values=values,
            timeout=settings.timeout_seconds,
            # Waited for below instead: Helm looks only every two seconds, and names no cause when the time is over.
            skip_await=True,
            opts=pulumi.ResourceOptions(parent=self, hooks=pulumi.ResourceHookBinding(before_create=[crds], before_update=[crds])),
        )
        deployment = str(values["fullnameOverride"])
        wait = DeploymentWait(settings.namespace, deployment, settings.timeout_seconds)

        async def until_rolled_out(_: pulumi.ResourceHookArgs) -> None:
            await wait_for_deployment(wait, report=lambda text: pulumi.log.info(text, resource=self, ephemeral=True))

        hook = pulumi.ResourceHook(f"{RELEASE_NAME}.deployment-is-ready", until_rolled_out)
        CustomResourcePatch(
            f"{RELEASE_NAME}.deployment",
            api_version="apps/v1",
            kind="Deployment",
            metadata={
                "name": deployment,
                "namespace": namespace.name,
                "annotations": {"kuberay.pulumi/release": operator_fingerprint(settings), "pulumi.com/patchForce": "true"},
            },
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[self.release],
                hooks=pulumi.ResourceHookBinding(before_create=[hook], before_update=[hook]),
                replace_with=[self.release],
                delete_before_replace=True,
            ),
        )
