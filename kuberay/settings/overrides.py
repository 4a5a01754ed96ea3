"""Raw Helm values: from a file, from the stack config, merged as Helm merges."""

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationInfo, field_validator

from kuberay.settings.base import Settings


class ChartOverrides(Settings):
    """The way out: Helm values as the chart has them, merged last."""

    values_file: str | None = None
    """A YAML file of Helm values, relative to the project; merged over what the other settings make, below `values`."""
    values: Annotated[dict[str, Any], Field(validate_default=True)] = {}
    """Helm values as the chart has them, merged last. Keys that the chart does not know are refused."""

    @field_validator("values_file")
    @classmethod
    def _file_is_there(cls, name: str | None, info: ValidationInfo) -> str | None:
        if name is not None:
            _read_values(project_folder(info) / name)
        return name

    @field_validator("values")
    @classmethod
    def _over_those_of_the_file(cls, values: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        name = info.data.get("values_file")
        return merge(_read_values(project_folder(info) / name), values) if name else values


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Helm's way: maps merge key by key, anything else replaces."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value  # pyright: ignore[reportUnknownArgumentType]
    return merged


def project_folder(info: ValidationInfo) -> Path:
    return (info.context or {}).get("project_folder", Path())


def _read_values(path: Path) -> dict[str, Any]:
    try:
        content: Any = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise ValueError("is a file that does not exist") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError("is not a readable YAML file: " + " ".join(str(error).split())) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ValueError("is not a map of Helm values")
    return content  # pyright: ignore[reportUnknownVariableType]
