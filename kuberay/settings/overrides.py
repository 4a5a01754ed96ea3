"""Raw Helm values: from a file, from the stack config, merged as Helm merges."""

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

import yaml
from pydantic import Field, ValidationInfo, field_validator

from kuberay.facts.charts import EACH, Chart, Keys, chart_keys
from kuberay.facts.labels import QUEUE_LABEL, QUEUE_PRIORITY_LABEL
from kuberay.facts.phrases import did_you_mean, first_few
from kuberay.facts.versions import NEWEST_KNOWN
from kuberay.settings.base import Name, Settings


class ChartOverrides(Settings):
    """The way out: Helm values as the chart has them, merged last."""

    chart: ClassVar[Chart]

    values_file: str | None = None
    """A YAML file of Helm values in the project's folder; merged over what the other
    settings make, below `values`.
    """
    values: Annotated[dict[str, Any], Field(validate_default=True)] = {}
    """Helm values as the chart has them, merged last. Keys that the chart does not know
    are refused.
    """

    @field_validator("values_file")
    @classmethod
    def _file_is_there(cls, name: str | None, info: ValidationInfo) -> str | None:
        if name is not None:
            _read_values(project_folder(info), name)
        return name

    @field_validator("values")
    @classmethod
    def _over_those_of_the_file(cls, values: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        name = info.data.get("values_file")
        known = chart_keys(cls.chart, NEWEST_KNOWN)
        given = [_read_values(project_folder(info), name)] if name else []
        return functools.reduce(merge, (_without_empty_parts(each, known) for each in (*given, values)))


#: In seconds.
QUEUE_TIMEOUT = 3600


class QueueSettings(Settings):
    """A queue of Kueue's, which lets the resource run when there is room for it."""

    name: Name
    """The LocalQueue, in the stack's namespace."""
    priority_class: Name | None = None
    """The WorkloadPriorityClass, where it is not the default one."""
    timeout_seconds: Annotated[int, Field(ge=10, le=2_592_000)] = QUEUE_TIMEOUT
    """How long `up` waits in the queue, in seconds. The time of the stack's own
    `timeoutSeconds` begins when Kueue lets the resource in.
    """


class ResourceOverrides(Settings):
    """What KubeRay's resource is to have beside what the other settings make. Any field
    of it can be set here.
    """

    labels: dict[str, str] = {}
    """Labels of the resource, as it is made."""
    annotations: dict[str, str] = {}
    """Annotations of the resource, as it is made."""
    spec: dict[str, Any] = {}
    """Fields of the resource's spec as its CRD has them, merged last: maps key by key,
    anything else replaces what stands there. Whatever the CRD of that version does not
    take is refused.
    """

    queue: QueueSettings | None = None
    """The queue that it waits in. Kueue has to run in the cluster."""

    @property
    def queue_timeout(self) -> float:
        """How long it may wait in a queue, in seconds."""
        return self.queue.timeout_seconds if self.queue else QUEUE_TIMEOUT

    @property
    def all_labels(self) -> dict[str, str]:
        """Every label that the resource is made with."""
        if self.queue is None:
            return self.labels
        given = {QUEUE_LABEL: self.queue.name, QUEUE_PRIORITY_LABEL: self.queue.priority_class}
        return {label: name for label, name in given.items() if name} | self.labels


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Helm's way: maps merge key by key, anything else replaces."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value  # pyright: ignore[reportUnknownArgumentType]
    return merged


def _without_empty_parts(values: dict[str, Any], known: Keys) -> dict[str, Any]:
    """Values without the parts of a chart (`head`, `image`) that have nothing below
    them, as where all lines there are comments.
    """
    parts = {key: known.get(key, known.get(EACH)) for key in values}
    return {
        key: _without_empty_parts(value, parts[key]) if isinstance(value, dict) and parts[key] else value  # pyright: ignore[reportUnknownArgumentType]
        for key, value in values.items()
        if value is not None or not parts[key]
    }


def without_nulls(values: Any) -> Any:
    """The values without keys that have none: a null in raw values takes away what the
    program sets, and no more.

    The Kubernetes plugin drops nulls up to 4.29 and hands them to Helm from 4.30 on
    (pulumi-kubernetes 2997), where they would also take the chart's own defaults away:
    releases would change with the plugin.
    """
    if isinstance(values, Mapping):
        return {key: without_nulls(value) for key, value in values.items() if value is not None}
    return values


def empties_a_list(values: Any) -> bool:
    """Whether some list in the values is empty: it stands for none where a chart has
    some by default.
    """
    if isinstance(values, Mapping):
        return any(empties_a_list(value) for value in values.values())
    return isinstance(values, list) and (not values or any(empties_a_list(item) for item in values))  # pyright: ignore[reportUnknownVariableType]


def project_folder(info: ValidationInfo) -> Path:
    return (info.context or {}).get("project_folder", Path())


def _yaml_files(project: Path, folder: Path) -> list[str]:
    return sorted(str(folder / file.name) for file in (project / folder).glob("*.y*ml") if file.is_file())


def _read_values(project: Path, name: str) -> dict[str, Any]:
    """What a file of the project says. Whoever writes a stack file may not have it read
    others, nor see what they hold.
    """
    if "\0" in name or not (project / name).resolve().is_relative_to(project.resolve()):
        raise ValueError("must be a file in the project's folder, named from there, such as values/dev.yaml")
    try:
        # As plain as JSON: YAML knows dates, sets and keys that are no text, which Helm
        # does not.
        content: Any = json.loads(json.dumps(yaml.safe_load((project / name).read_text()), default=str))
    except FileNotFoundError:
        raise ValueError(
            f"is a file that does not exist{did_you_mean(name, _yaml_files(project, Path(name).parent))}"
        ) from None
    except IsADirectoryError:
        files = _yaml_files(project, Path(name))
        raise ValueError(
            "is a folder; name a file" + (f" in it: {first_few(files)}" if files else "")
        ) from None
    except OSError as error:
        raise ValueError(f"is not a readable YAML file: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError("is not a readable YAML file: it is not UTF-8 text") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # The parser's own message quotes the line.
        mark: yaml.Mark | None = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ValueError(f"is not a readable YAML file: there is a mistake{where}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ValueError("is not a map of Helm values")
    return content  # pyright: ignore[reportUnknownVariableType]
