"""Settings of what KubeRay's history server shows: logs and events that outlive their
pods.
"""

from typing import Literal, Self

from pydantic import model_validator

from kuberay.settings.base import Cpu, ImageReference, Memory, Settings
from kuberay.settings.kubernetes import Env

#: The variables that each store needs, one of each line (`validateCollectorOptions`,
#: KubeRay 1.7.0; a bucket's name, which S3 has by default, is one that nobody has).
_NEEDED = {
    "s3": (("S3_BUCKET",), ("S3_REGION",)),
    "gcs": (("GCS_BUCKET",),),
    "azureblob": (("AZURE_STORAGE_ACCOUNT_URL", "AZURE_STORAGE_CONNECTION_STRING"),),
    "aliyunoss": (("OSS_BUCKET",), ("OSS_ENDPOINT",), ("OSS_REGION",)),
}
#: Those that KubeRay itself gives the collector.
_KUBERAYS = """EVENTS_PORT FQ_RAY_IP OWNER_KIND OWNER_NAME POD_IP RAY_CLUSTER_NAME RAY_CLUSTER_NAMESPACE
    RAY_ROLE""".split()


class HistoryServerSettings(Settings):
    """Copies logs and events of every pod to an object store, where KubeRay's history
    server reads them when the cluster is gone. It is a container beside Ray's, the
    collector; KubeRay 1.7.0 or later.
    """

    image: ImageReference
    """Image of the collector: `quay.io/kuberay/collector:<tag>`."""
    store: Literal["s3", "gcs", "azureblob", "aliyunoss"]
    """The kind of store; `s3` is also whatever speaks its protocol."""
    env: Env = {}
    """Variables of the collector, which say where it writes and who it is there:
    `S3_BUCKET` and `S3_REGION`; `GCS_BUCKET`; `AZURE_STORAGE_ACCOUNT_URL` …
    """
    cpu: Cpu = "200m"
    """CPU of the collector, request and limit."""
    memory: Memory = "256Mi"
    """Memory of the collector, request and limit."""

    @model_validator(mode="after")
    def _has_what_its_store_needs(self) -> Self:
        lacking = [names for names in _NEEDED[self.store] if not any(name in self.env for name in names)]
        if lacking:
            wanted = " and ".join(" or ".join(names) for names in lacking)
            raise ValueError(f"needs {wanted} in env: store is {self.store}")
        for name in ("STORAGE_BACKEND", *_KUBERAYS):
            if name in self.env:
                by = "store" if name == "STORAGE_BACKEND" else "KubeRay itself"
                raise ValueError(f"has {name} in env, which {by} sets; leave it out")
        return self
