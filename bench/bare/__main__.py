"""What one would write without this project: a namespace and the two charts, which
nothing waits for and nothing checks.
"""

import pulumi
import pulumi_kubernetes as kubernetes

config = pulumi.Config()
repository = kubernetes.helm.v3.RepositoryOptsArgs(repo=config.require("charts"))
namespace = kubernetes.core.v1.Namespace("kuberay", metadata={"name": "kuberay"})
operator = kubernetes.helm.v3.Release(
    "kuberay-operator",
    name="kuberay-operator",
    namespace=namespace.metadata.name,
    chart="kuberay-operator",
    version="1.3.0",
    repository_opts=repository,
)
for number in range(config.require_int("clusters")):
    kubernetes.helm.v3.Release(
        f"ray{number}",
        name=f"ray{number}",
        namespace=namespace.metadata.name,
        chart="ray-cluster",
        version="1.3.0",
        repository_opts=repository,
        values=config.require_object("values"),
        opts=pulumi.ResourceOptions(depends_on=[operator]),
    )
