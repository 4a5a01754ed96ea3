"""The names that are written on Kubernetes objects: labels and annotations of this
program, of KubeRay, Helm and Kubernetes.
"""

# --- This program's -------------------------------------------------------------------

#: On every object that a stack makes, and in the values of its Helm releases: whose it
#: is, as `<project>/<stack>`.
STACK_MARK = "kuberay.pulumi/stack"
#: What `up` writes on the main object of a release once the release is in the state
#: (components/operator.py, components/cluster.py).
COMPLETE_MARK = "kuberay.pulumi/release"
#: On every Ray pod: the fingerprint of the template it was made from. A pod with
#: another one runs an old spec.
TEMPLATE_ANNOTATION = "kuberay.pulumi/template"
#: On each CRD that this program brought to a version: that version.
VERSION_ANNOTATION = "kuberay.pulumi/version"
#: On a RayCluster: changed to let the operator look at it at once.
RETRY_ANNOTATION = "kuberay.pulumi/retry"
#: On the Service of a service's applications: the keys of its annotations that are the
#: stack's.
SERVE_ANNOTATIONS = "kuberay.pulumi/annotations"

# --- KubeRay's ------------------------------------------------------------------------

#: On Ray pods: their RayCluster, and their group.
CLUSTER_LABEL = "ray.io/cluster"
GROUP_LABEL = "ray.io/group"
#: On a RayJob that a RayCronJob has made: that RayCronJob.
SCHEDULE_LABEL = "ray.io/cronjob-name"
#: What an operator of KubeRay 1.6 or later puts on RayServices, and takes off when they
#: are deleted.
SERVICE_FINALIZER = "ray.io/rayservice-finalizer"
#: The group of a head's pod.
HEAD_GROUP = "headgroup"
#: Annotations of a RayCluster that say what `gcsFaultToleranceOptions` says from
#: KubeRay 1.5 on.
FAULT_TOLERANT, STORAGE_NAMESPACE = "ray.io/ft-enabled", "ray.io/external-storage-namespace"

# --- Kueue's --------------------------------------------------------------------------

#: On what is to wait in a queue, from the moment that it is made.
QUEUE_LABEL, QUEUE_PRIORITY_LABEL = "kueue.x-k8s.io/queue-name", "kueue.x-k8s.io/priority-class"

# --- Helm's and Kubernetes' -----------------------------------------------------------

#: On each object of a Helm release.
HELM_RELEASE, HELM_NAMESPACE = "meta.helm.sh/release-name", "meta.helm.sh/release-namespace"
#: On the pods of a Job; KubeRay calls the Job that submits a RayJob like that RayJob.
JOB_LABEL = "batch.kubernetes.io/job-name"
#: On each node.
ARCHITECTURE_LABEL = "kubernetes.io/arch"
