"""Ray on Kubernetes: the namespace, then the KubeRay operator, then storage, then the
Ray clusters, and then jobs and services.
"""

import pulumi

from components import startup
from components.cluster import RayCluster
from components.job import RayJob
from components.metrics import Metrics
from components.namespace import Namespace
from components.operator import Operator
from components.resources.dry_run import DryRun
from components.resources.fingerprint_key import seal_fingerprints
from components.resources.recovery import recover_from_killed_runs
from components.service import RayService
from components.stack import stack_plan
from components.storage import Storage


async def main() -> None:
    """Registers everything."""
    startup.prepare_process()
    plan = stack_plan()
    await startup.know_stashes()
    stack = await seal_fingerprints(plan)
    recover_from_killed_runs(stack.settings.timeout_seconds, stack.adopted)

    namespace = Namespace(stack.namespace)
    operator = Operator(stack.operator, namespace)
    # Before anything of Ray is touched, the API server is asked whether it would take
    # what comes.
    asked: list[pulumi.Resource] = [DryRun(stack, [namespace, operator])]
    storage = (
        [Storage(stack.claims, namespace, pulumi.ResourceOptions(depends_on=asked))] if stack.claims else []
    )
    asked_first = pulumi.ResourceOptions(depends_on=[*asked, *storage])
    clusters = {
        name: RayCluster(name, plan, namespace, operator, asked_first)
        for name, plan in stack.clusters.items()
    }
    jobs = {
        name: RayJob(name, plan, namespace, operator, clusters, asked_first)
        for name, plan in stack.jobs.items()
    }
    services = {
        name: RayService(name, plan, namespace, operator, asked_first)
        for name, plan in stack.services.items()
    }
    if stack.metrics:
        Metrics(stack.metrics, namespace)

    pulumi.export("namespace", namespace.name)
    pulumi.export("clusters", {name: cluster.summary for name, cluster in clusters.items()})
    pulumi.export("jobs", {name: job.summary for name, job in jobs.items()})
    pulumi.export("services", {name: service.summary for name, service in services.items()})


pulumi.run(main)
