"""Settings of GCS fault tolerance: the head's state survives it, in a Redis outside the Ray cluster."""

from typing import Annotated

from pydantic import Field

from kuberay.settings.base import Settings
from kuberay.settings.secrets import PasswordSetting


class GcsFaultToleranceSettings(Settings):
    """Keeps the head's state in a Redis of your own, so that the workers outlive a head that fails."""

    redis_address: Annotated[
        str, Field(pattern=r"^((redis|rediss)://)?[A-Za-z0-9.-]+:[0-9]{1,5}$", examples=["redis.team.svc:6379"], max_length=300)
    ]
    """Address and port: `redis.team.svc:6379`, or `rediss://…` for TLS."""
    redis_password: PasswordSetting | None = None
    """Password: `{secretKeyRef: {name, key}}` of a Secret in the namespace, or a text, which has to be encrypted:
    `pulumi config set --secret --path 'kuberay:clusters.<name>.gcsFaultTolerance.redisPassword'`."""
    redis_username: str | None = None
    """User, where it is not Redis' default one."""
    external_storage_namespace: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$", max_length=200)] | None = None
    """Prefix of the keys in Redis; the RayCluster's UID where not set.
    With one of your own, a cluster that is made anew finds its state."""
