"""Ray on Kubernetes: the namespace, then the KubeRay operator, then the Ray clusters."""

import pulumi

from components.cluster import RayCluster
from components.metrics import Metrics
from components.namespace import Namespace
from components.operator import Operator
from components.recovery import recover_from_killed_runs
from components.stack import stack_settings

settings = stack_settings()
recover_from_killed_runs()

namespace = Namespace(settings)
operator = Operator(settings, namespace)
clusters = {name: RayCluster(name, settings, namespace, operator) for name in settings.clusters}
if settings.metrics.enabled:
    Metrics(settings, namespace)

pulumi.export("namespace", namespace.name)
pulumi.export("clusters", {name: cluster.summary for name, cluster in clusters.items()})
