"""A job: one RayJob, and the wait for its end."""

from typing import Any

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource

from components.cluster import RayCluster
from components.namespace import Namespace
from components.operator import Operator
from components.resources.pod_secrets import pod_secrets
from components.resources.wait_for import WaitFor
from components.stack import conceal_texts, secret_where_encrypted, stack_connection
from kuberay.facts.phrases import Report
from kuberay.live.waiting.targets import WorkloadTarget
from kuberay.plan.stack import StackPlan
from kuberay.plan.workloads import JobPlan
from kuberay.settings.stack import StackSettings


class RayJob(pulumi.ComponentResource):
    """One RayJob, and a child ``<name>.succeeded`` whose hook, during ``up`` only, waits until the job has.

    KubeRay runs a RayJob once and disregards later changes of it, so a job that is to run something else is replaced. A preview says so.
    """

    summary: pulumi.Output[dict[str, Any]]
    """What a person needs to look at the job: names, status, log."""

    def __init__(
        self,
        name: str,
        stack: StackPlan,
        namespace: Namespace,
        operator: Operator,
        clusters: dict[str, RayCluster],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("kuberay:components:RayJob", name, None, opts)
        self._settings = settings = stack.settings
        self._job = settings.jobs[name]
        self._plan = stack.jobs[name]
        needed: list[pulumi.Resource] = [operator]
        if self._job.cluster:
            needed.append(clusters[self._job.cluster])
        else:
            cluster = stack.workload_clusters[f"jobs.{name}"]
            needed += pod_secrets(cluster.plan, cluster.settings, None, namespace.name, self)
        self.resource = CustomResource(
            name,
            api_version="ray.io/v1",
            kind="RayJob",
            # By force: with its finalizer the operator writes the whole object, and owns what it wrote in another form (0.5 CPU as 500m).
            metadata={
                "name": name,
                "namespace": namespace.name,
                "annotations": {**conceal_texts(self._plan.annotations, "jobs"), "pulumi.com/patchForce": "true"},
            },
            spec=secret_where_encrypted(self._plan.spec, "jobs"),
            opts=pulumi.ResourceOptions(
                parent=self,
                # Of the resource itself: `destroy` needs the operator, and the cluster, for the job's finalizer.
                depends_on=needed,
                replacement_trigger=self._plan.fingerprint,
                delete_before_replace=True,
                # Only a living operator takes the finalizer off.
                custom_timeouts=pulumi.CustomTimeouts(delete=f"{settings.timeout_seconds}s"),
            ),
        )
        ended = self._succeeded() if self._job.wait else self.resource
        self.summary = ended.urn.apply(lambda _: summary(self._plan, settings))
        self.register_outputs({})

    def _succeeded(self) -> WaitFor:
        """Made when the job has succeeded, anew with each run."""
        connection = stack_connection()
        target = WorkloadTarget(self._settings.namespace, self._plan.name, self._job.timeout_seconds or self._settings.timeout_seconds)

        async def until_succeeded(report: Report) -> None:
            from kuberay.live.waiting.workloads import wait_for_job

            await wait_for_job(connection, target, report)

        # It names the entrypoint.
        looks = secret_where_encrypted(self._plan.summary, "jobs")
        return WaitFor(
            f"{self._plan.name}.succeeded",
            {"job": looks, "spec": self._plan.fingerprint},
            until_succeeded,
            self.resource,
            self,
            # What has succeeded once has; KubeRay may have deleted it since.
            look_again=False,
        )


def summary(plan: JobPlan, settings: StackSettings) -> dict[str, Any]:
    """The outputs of a job."""
    job = settings.jobs[plan.name]
    logs = f"kubectl logs --namespace {settings.namespace} job/{plan.name}" if job.submission_mode == "K8sJobMode" else None
    return {
        "name": plan.name,
        "namespace": settings.namespace,
        "status": "SUCCEEDED" if job.wait else "submitted; `up` did not wait for it",
        **({"logs": logs} if logs else {}),
    }
