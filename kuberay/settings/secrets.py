"""Settings whose values must not be read by anyone: `pulumi config set --secret` encrypts them in the stack file."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from kuberay.settings.base import Settings

#: Keys that are only taken from an encrypted part of the stack's config, and never shown.
SECRET_KEYS = ("authToken", "redisPassword")


class SecretKeyRef(Settings):
    """A key of a Secret in the namespace (Kubernetes `SecretKeySelector`)."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
    """Name of the Secret."""
    key: Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]+$")]
    """Which of its keys."""


class Password(Settings):
    """A password: text from an encrypted part of the stack's config, or a key of a Secret that exists."""

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

#: Long enough that nobody guesses it from its digest (kuberay/facts/digests.py); the characters that Ray puts in an HTTP header.
AuthToken = Annotated[SecretStr, Field(min_length=32)]
