"""A job: one RayJob and the wait for its end, or a RayCronJob that makes RayJobs."""

from collections.abc import Mapping
from typing import Any

import pulumi

from components.cluster import RayCluster
from components.namespace import Namespace
from components.operator import Operator
from components.resources.kubernetes_object import KubernetesObject, workload_manifest
from components.resources.pod_secrets import pod_secrets
from components.resources.providers import connection_of, known, provider_of_component
from components.resources.wait_for import WaitFor
from components.stack import secret_where_encrypted
from kuberay.facts.labels import SCHEDULE_LABEL
from kuberay.facts.phrases import Report
from kuberay.live.waiting.targets import workload_target
from kuberay.plan.job import JobPlan
from kuberay.plan.protection import token_output


class RayJob(pulumi.ComponentResource):
    """One RayJob, and a child ``<name>.succeeded`` whose hook, during ``up`` only,
    waits until the job has.

    KubeRay runs a RayJob once and disregards later changes of it, so a job that is to
    run something else is replaced. A preview says so. With a schedule it is a
    RayCronJob, which is never replaced: a change is for its next run. Its child is
    ``<name>.scheduled``, and what that waits for is that the operator refuses nothing
    of it.
    """

    summary: pulumi.Output[dict[str, Any]]
    """What a person needs to look at the job: names, status, log."""

    def __init__(
        self,
        name: str,
        plan: JobPlan,
        namespace: Namespace,
        operator: Operator,
        clusters: Mapping[str, RayCluster],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """``clusters``: those of the stack, by name, of which it may run on one."""
        super().__init__("kuberay:components:RayJob", name, None, opts)
        self._plan = plan
        self._connection = connection_of(provider_of_component(self))
        needed: list[pulumi.Resource] = [operator]
        if plan.settings.cluster:
            needed.append(clusters[plan.settings.cluster])
        else:
            needed += pod_secrets(plan.cluster, namespace.name, self)
        self.resource = KubernetesObject(
            name,
            workload_manifest(plan, "jobs", namespace.name),
            pulumi.ResourceOptions(
                parent=self,
                # Of the resource itself: `destroy` needs the operator, and the cluster,
                # for the job's finalizer.
                depends_on=needed,
                replacement_trigger=None if plan.settings.schedule else plan.fingerprint,
                delete_before_replace=True,
                # Only a living operator takes the finalizer off.
                custom_timeouts=pulumi.CustomTimeouts(delete=f"{plan.delete_timeout}s"),
            ),
        )
        is_looked_at = plan.settings.schedule or plan.is_waited_for
        ended = self._ended() if is_looked_at else self.resource
        self.summary = ended.urn.apply(lambda _: summary(plan))
        self.register_outputs({})

    def _ended(self) -> WaitFor:
        """Made when the job has succeeded, anew with each run; of a schedule when the
        operator has had the time to refuse it, and updated with each change of it.
        """
        plan, target = self._plan, workload_target(self._plan)

        async def until_ended(report: Report) -> None:
            from kuberay.live.waiting.workloads import wait_for_job, wait_for_schedule

            wait = wait_for_schedule if plan.settings.schedule else wait_for_job
            await wait(await known(self._connection), target, report)

        return WaitFor(
            f"{self.pulumi_resource_name}.{'scheduled' if plan.settings.schedule else 'succeeded'}",
            # It names the entrypoint.
            {"job": secret_where_encrypted(plan.summary, "jobs"), "spec": plan.fingerprint},
            until_ended,
            self.resource,
            self,
            # What has succeeded once has; KubeRay may have deleted it since.
            look_again=False,
        )


def summary(plan: JobPlan) -> dict[str, Any]:
    """The outputs of a job."""
    settings, names = plan.settings, {"name": plan.name, "namespace": plan.namespace}
    if settings.schedule:
        at = f"at {settings.schedule}" + (f" ({settings.time_zone})" if settings.time_zone else "")
        runs = f"kubectl get rayjobs --namespace {plan.namespace} --selector {SCHEDULE_LABEL}={plan.name}"
        return {**names, "status": "suspended" if settings.suspend else f"runs {at}", "runs": runs}
    follows_log = settings.submission_mode == "K8sJobMode"
    logs = f"kubectl logs --namespace {plan.namespace} job/{plan.name}"
    return {
        **names,
        "status": "SUCCEEDED"
        if plan.is_waited_for
        else "suspended"
        if settings.suspend
        else "submitted; `up` did not wait for it",
        **({"logs": logs} if follows_log else {}),
        **token_output(plan.cluster.token_secret if settings.own_token else None, plan.namespace),
    }
