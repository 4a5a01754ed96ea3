"""Settings of Ray's in-tree autoscaler, a sidecar of the head that asks KubeRay for workers."""

from typing import Annotated, Literal

from pydantic import Field

from kuberay.settings.base import Cpu, Memory, Settings


class AutoscalingSettings(Settings):
    """Ray's in-tree autoscaler; naming it, even as `{}`, turns it on. Each worker group then needs maxReplicas."""

    version: Literal["v1", "v2"] = "v1"
    """Which autoscaler: `v2` needs Ray 2.10 and never restarts a pod in place."""
    idle_timeout_seconds: Annotated[int, Field(ge=1)] = 60
    """How long a worker is idle before it goes, in seconds."""
    upscaling_mode: Literal["Default", "Aggressive", "Conservative"] = "Default"
    """How eagerly workers are added: `Conservative` adds no more at once than there are."""
    cpu: Cpu = "500m"
    """CPU of the sidecar, request and limit."""
    memory: Memory = "512Mi"
    """Memory of the sidecar, request and limit."""
