"""Ray on Kubernetes: the namespace, then the KubeRay operator, then the Ray clusters, jobs and services."""

import pulumi

from components import startup
from components.cluster import RayCluster
from components.job import RayJob
from components.metrics import Metrics
from components.namespace import Namespace
from components.operator import Operator
from components.resources.recovery import recover_from_killed_runs
from components.service import RayService
from components.stack import stack_settings

startup.spare_debug_messages()
settings = stack_settings()
recover_from_killed_runs()

namespace = Namespace(settings)
operator = Operator(settings, namespace)
clusters = {name: RayCluster(name, settings, namespace, operator) for name in settings.clusters}
jobs = {name: RayJob(name, settings, namespace, operator, clusters) for name in settings.jobs}
services = {name: RayService(name, settings, namespace, operator) for name in settings.services}
if settings.metrics.enabled:
    Metrics(settings, namespace)

pulumi.export("namespace", namespace.name)
pulumi.export("clusters", {name: cluster.summary for name, cluster in clusters.items()})
pulumi.export("jobs", {name: job.summary for name, job in jobs.items()})
pulumi.export("services", {name: service.summary for name, service in services.items()})
