"""Kubernetes' own shapes, as far as settings take them: environment variables,
tolerations, volumes, secrets.
"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from kuberay.settings.base import Folder, Matching, Name, Settings


def _env_var(value: object) -> object:
    if isinstance(value, bool) or value is None:
        raise ValueError(f'must be a string; quote it: "{"" if value is None else str(value).lower()}"')
    return {"value": str(value)} if isinstance(value, str | int | float) else value


class EnvVarSource(Settings):
    """Where the value of an environment variable comes from (Kubernetes
    `EnvVarSource`).
    """

    secret_key_ref: dict[str, Any] | None = None
    """A key of a Secret: `name` and `key`."""
    config_map_key_ref: dict[str, Any] | None = None
    """A key of a ConfigMap: `name` and `key`."""
    field_ref: dict[str, Any] | None = None
    """A field of the pod: `fieldPath`."""
    resource_field_ref: dict[str, Any] | None = None
    """A resource of the container: `resource`."""


class EnvVar(Settings):
    """The value of an environment variable: text, or where it comes from."""

    value: str | None = None
    """The text."""
    value_from: EnvVarSource | None = None
    """A Secret, ConfigMap or field that holds it."""

    @model_validator(mode="after")
    def _one_of_both(self) -> "EnvVar":
        if (self.value is None) == (self.value_from is None):
            raise ValueError("needs either value or valueFrom")
        return self


class Toleration(Settings):
    """A taint that the pods tolerate (Kubernetes `Toleration`)."""

    key: str | None = None
    """Key of the taint; none matches every taint."""
    operator: Literal["Equal", "Exists"] = "Equal"
    """How the taint's value is compared."""
    value: str | None = None
    """Value of the taint."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Effect of the taint; none matches every effect."""
    toleration_seconds: int | None = None
    """How long a NoExecute taint is tolerated, in seconds."""


class Volume(Settings):
    """A volume of the pods (Kubernetes `Volume`): a name and one source."""

    name: Name
    """What volumeMounts call it."""
    config_map: dict[str, Any] | None = None
    """Files from a ConfigMap."""
    csi: dict[str, Any] | None = None
    """An inline volume of a CSI driver."""
    downward_api: Annotated[dict[str, Any] | None, Field(alias="downwardAPI")] = None
    """Files from the pod's own fields."""
    empty_dir: dict[str, Any] | None = None
    """An empty folder that lives as long as the pod."""
    ephemeral: dict[str, Any] | None = None
    """A claim that lives as long as the pod."""
    host_path: dict[str, Any] | None = None
    """A folder of the node."""
    nfs: dict[str, Any] | None = None
    """An NFS share."""
    persistent_volume_claim: dict[str, Any] | None = None
    """A claim: `claimName`."""
    projected: dict[str, Any] | None = None
    """Several sources in one folder."""
    secret: dict[str, Any] | None = None
    """Files from a Secret: `secretName`."""

    @model_validator(mode="after")
    def _one_source(self) -> "Volume":
        if len(self.model_dump(exclude_none=True)) != 2:
            raise ValueError("needs a name and exactly one source, such as persistentVolumeClaim")
        return self


class VolumeMount(Settings):
    """Where a volume appears in the Ray container (Kubernetes `VolumeMount`)."""

    name: Name
    """Name of the volume."""
    mount_path: Folder
    """Folder in the container."""
    sub_path: str | None = None
    """Folder in the volume."""
    read_only: bool | None = None
    """Whether Ray may not write to it."""


#: Environment variables by name.
Env = dict[
    str, Annotated[EnvVar, BeforeValidator(_env_var, json_schema_input_type=str | int | float | EnvVar)]
]


# --- Secrets --------------------------------------------------------------------------

#: Keys that are only taken from an encrypted part of the stack's config, and never
#: shown.
SECRET_KEYS = ("authToken", "redisPassword")


class SecretKeyRef(Settings):
    """A key of a Secret in the namespace (Kubernetes `SecretKeySelector`)."""

    name: Annotated[
        str,
        Field(max_length=253),
        Matching(
            r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
            "is not the name of a Secret: lower-case letters, digits, '-' and '.'",
        ),
    ]
    """Name of the Secret."""
    key: Annotated[str, Matching(r"^[-._a-zA-Z0-9]+$", "is not a key of a Secret: letters, digits and - _ .")]
    """Which of its keys."""


class Password(Settings):
    """A password: text from an encrypted part of the stack's config, or a key of a
    Secret that exists.
    """

    value: SecretStr | None = None
    """The text."""
    secret_key_ref: SecretKeyRef | None = None
    """A Secret that holds it."""

    @model_validator(mode="after")
    def _one_of_both(self) -> "Password":
        if (self.value is None) == (self.secret_key_ref is None):
            raise ValueError("needs either a text or secretKeyRef")
        return self


def _password(value: Any) -> Any:
    return {"value": value} if isinstance(value, str) else value


PasswordSetting = Annotated[Password, BeforeValidator(_password, json_schema_input_type=str | Password)]

#: Long enough that nobody guesses it from its digest (kuberay/facts/digests.py); the
#: characters that Ray puts in an HTTP header.
AuthToken = Annotated[SecretStr, Field(min_length=32)]
