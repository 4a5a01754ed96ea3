"""What all settings share: how their keys are written, and the scalars that have rules
of their own.
"""

import re
import types
import typing
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
)
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from kuberay.facts.images import ARCHITECTURE_ALIASES, Architecture
from kuberay.facts.object_store import OBJECT_STORE_SHARE, SMALLEST_OBJECT_STORE
from kuberay.facts.phrases import did_you_mean
from kuberay.facts.quantities import parse_quantity
from kuberay.facts.versions import NEWEST_KNOWN, KubeRayVersion, is_later

#: A release of Ray, or what comes before one.
RAY_VERSION = r"^[0-9]+\.[0-9]+\.[0-9]+([.-]?[a-z0-9]+)?$"

_ARCHITECTURES = (*typing.get_args(Architecture), *ARCHITECTURE_ALIASES)


class Settings(BaseModel):
    """Keys are camelCase as in Helm values and Kubernetes objects; unknown ones are
    refused.

    Each field is documented by the text below it, which docs/build.py reads.
    """

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, defer_build=True)

    def as_given(self) -> dict[str, Any]:
        """As a stack file has them, without what it leaves to defaults."""
        return self.model_dump(by_alias=True, exclude_unset=True)


def of_its_keys(value: Any = None) -> Any:
    """The default of a nested section: that section's own defaults, or ``value`` as a
    stack file would have it; validated only when it is needed.

    An instance in its place would have a validator of its own built while the program
    loads, a quarter of what loading the settings takes.
    """
    return Field(default_factory=lambda: dict(value or {}), validate_default=True)


class QuotingError(ValueError):
    """A refusal that quotes a part of the value."""

    def __init__(self, message: str, concealed: str) -> None:
        super().__init__(message)
        self.concealed = concealed
        """The same without it, where the value must not be shown."""


@dataclass(frozen=True)
class Matching:
    """What a text has to look like, for editors too, and what is said of one that does
    not.
    """

    pattern: str
    otherwise: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "pattern": self.pattern}

    def _check(self, text: str) -> str:
        if re.fullmatch(self.pattern, text) is None:
            raise ValueError(self.otherwise)
        return text


def number_as_text(value: object) -> object:
    return number_text(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def number_text(number: float) -> str:
    """As a person writes it: YAML and JSON know `1e9` as a number with a point."""
    return (
        str(int(number))
        if isinstance(number, float) and number.is_integer() and abs(number) >= 1_000_000
        else str(number)
    )


def _check_cpu(cpu: str) -> str:
    # Without a unit, or with one that is like that of a thousandth.
    thousandths = re.fullmatch(r"\s*(\d{1,9})(?:\.0*)?\s*(?:[mM]\w{0,20})?\s*", cpu, re.ASCII)
    hint = f"; did you mean '{thousandths[1]}m'?" if thousandths else ""
    try:
        cores = parse_quantity(cpu)
    except ValueError as error:
        raise ValueError(str(error).partition("; did you mean")[0] + hint if hint else str(error)) from None
    if cores <= 0:
        raise ValueError("must be more than 0 cores")
    if cores > 1024:
        raise ValueError(f"is more cores than any node has; 1 is one core, 500m is half of one{hint}")
    return cpu


def _check_memory(memory: str) -> str:
    if 0 <= parse_quantity(memory) < 1_000_000:
        number = memory.rstrip("m")
        # Hundreds of gigabytes are rare, and megabytes of a few digits too.
        unit = "M" if number.isdigit() and int(number) >= 250 else "G"
        raise ValueError(
            f"is less than a megabyte; write the unit, such as {number}{unit} or {number}{unit}i"
        )
    return memory


def _check_ray_memory(memory: str) -> str:
    if parse_quantity(_check_memory(memory)) * OBJECT_STORE_SHARE < SMALLEST_OBJECT_STORE:
        raise ValueError(
            f"is too small for Ray's object store (30 % of it, at least {SMALLEST_OBJECT_STORE} bytes); Ray"
            " needs 250Mi, a head 2G"
        )
    return memory


def _known_architecture(value: object) -> object:
    if value not in _ARCHITECTURES:
        raise ValueError(
            "is not an architecture: x86 (or amd64, x86_64), aarch64 (or"
            f" arm64){did_you_mean(str(value), _ARCHITECTURES)}"
        )
    return ARCHITECTURE_ALIASES.get(str(value), value)


def _check_ray_version(value: object) -> object:
    if isinstance(value, str) and (instead := _settings_of_tag(value)):
        raise ValueError(f"is the tag of an image; {instead}")
    if isinstance(value, str) and re.fullmatch(RAY_VERSION, value) is None:
        # 2.46 and v2.46.0 have the numbers of a version; nightly is the tag of an
        # image.
        numbers = re.fullmatch(r"\D{0,9}(\d{1,3}\.\d{1,3})(?:\.(\d{1,3}))?", value)
        hint = f"; did you mean '{numbers[1]}.{numbers[2] or 0}'?" if numbers else ""
        if re.fullmatch(r"[A-Za-z][\w.-]{2,40}", value, re.ASCII) and not numbers:
            hint = (
                f"; for another image set image, such as rayproject/ray:{value}, and here the version that"
                " it has"
            )
        raise ValueError(f"is not a full Ray version: three numbers, such as 2.46.0{hint}")
    return value


def _settings_of_tag(tag: str) -> str:
    """Which settings say the same as a tag of Ray's images."""
    known = re.fullmatch(
        r"(\d+\.\d+\.\d+)(?:-py(\d)(\d{1,2}))?(?:-(cpu|gpu|cu\d{3}))?(?:-(aarch64))?", tag, re.ASCII
    )
    if not known or known[1] == tag:
        return ""
    python = f'pythonVersion: "{known[2]}.{known[3]}"' if known[2] else None
    others = [python, known[4] and f"accelerator: {known[4]}", known[5] and f"architecture: {known[5]}"]
    return f"write {known[1]} here, and {', '.join(setting for setting in others if setting)}"


def _check_kuberay_version(version: object) -> object:
    known = typing.get_args(KubeRayVersion)
    if version not in known and not is_later(str(version)):
        hint = did_you_mean(str(version), known) or f"; the newest known is {NEWEST_KNOWN}"
        raise ValueError(f"must be one of {', '.join(known)} or a later 1.x.y{hint}")
    return version


def _check_python_version(version: str) -> str:
    known = ("3.9", "3.10", "3.11", "3.12", "3.13")
    if version == "3.1":
        raise ValueError('is what YAML makes of an unquoted 3.10; write "3.10"')
    if version not in known:
        raise ValueError(
            "is not a Python version that Ray has images for:"
            f" {', '.join(known)}{did_you_mean('.'.join(version.split('.')[:2]), known)}"
        )
    return version


def _check_name(name: str) -> str:
    return _check_kubernetes_name(name, r"[a-z]([-a-z0-9]*[a-z0-9])?", " a letter first,")


def check_label(name: str) -> str:
    """The name of a container or a volume, which may start with a digit."""
    return _check_kubernetes_name(name, r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def _check_kubernetes_name(name: str, pattern: str, also: str = "") -> str:
    if len(name) <= 63 and re.fullmatch(pattern, name):
        return name
    near = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    is_one = near != name and len(near) <= 63 and re.fullmatch(pattern, near)
    hint = f"; did you mean '{near}'?" if is_one else ""
    rule = f"lower-case letters, digits and '-',{also} 63 characters at most"
    raise ValueError(f"is not a Kubernetes name: {rule}{hint}")


Name = Annotated[str, AfterValidator(_check_name)]
#: In front of a text that a number may stand for.
NumberToo = BeforeValidator(number_as_text, json_schema_input_type=str | int | float)
Cpu = Annotated[str, NumberToo, AfterValidator(_check_cpu)]
Memory = Annotated[str, NumberToo, AfterValidator(_check_memory)]
RayMemory = Annotated[str, NumberToo, AfterValidator(_check_ray_memory)]
NodeArchitecture = Annotated[
    Architecture,
    BeforeValidator(
        _known_architecture, json_schema_input_type=Literal["x86", "aarch64", "x86_64", "amd64", "arm64"]
    ),
]
AnyKubeRayVersion = Annotated[
    KubeRayVersion | Annotated[str, Field(json_schema_extra={"pattern": r"^1\.[0-9]+\.[0-9]+$"})],
    BeforeValidator(_check_kuberay_version),
]
# Of the checks before the type's own, the last one written goes first.
RayVersion = Annotated[
    str,
    BeforeValidator(_check_ray_version),
    BeforeValidator(number_as_text),
    Field(json_schema_extra={"pattern": RAY_VERSION}, examples=["2.46.0"]),
]
PythonVersion = Annotated[str, BeforeValidator(number_as_text), AfterValidator(_check_python_version)]
PullPolicy = Literal["IfNotPresent", "Always", "Never"]
Accelerator = Annotated[
    str,
    Matching(r"^(cpu|gpu|cu[0-9]{3})$", "is not an image flavour: cpu, gpu or a CUDA version such as cu124"),
    Field(examples=["cpu", "gpu", "cu124"]),
]
#: In a container, where a claim or a volume is seen.
Folder = Annotated[str, Matching("^/.*$", "must be an absolute path, such as /data")]
ImageReference = Annotated[
    str,
    Field(max_length=500),
    Matching(
        r"^[a-z0-9][A-Za-z0-9._/-]*(:[0-9]+/[A-Za-z0-9._/-]+)?(@sha256)?(:[A-Za-z0-9_.-]+)?$",
        "is not an image reference, such as registry.example/team/ray:2.46.0-py310",
    ),
]


# --- Which keys there are at a path of the settings -----------------------------------


def field_of(model: type[BaseModel], alias: str) -> FieldInfo | None:
    """A field of a model by its key in the config."""
    return next((field for name, field in model.model_fields.items() if (field.alias or name) == alias), None)


def containers(annotation: Any) -> list[Any]:
    """The models, dicts and lists that an annotation allows."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return containers(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return [found for option in typing.get_args(annotation) for found in containers(option)]
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return [annotation] if is_model or origin in (dict, list) else []


def model_at(model: type[BaseModel], path: tuple[str, ...]) -> type[BaseModel] | None:
    """The model at a path of the settings; None where something else is, or nothing
    that they know.
    """
    annotation: Any = model
    for part in path:
        found = containers(annotation)
        if not found:
            return None
        container = found[0]
        if typing.get_origin(container) in (dict, list):
            annotation = typing.get_args(container)[-1]
        else:
            field = field_of(container, part)
            if field is None:
                return None
            annotation = field.annotation
    found = containers(annotation)
    return None if not found or typing.get_origin(found[0]) is not None else found[0]


def keys_at(model: type[BaseModel], path: tuple[str, ...]) -> list[str]:
    """The keys that the settings know at a path, none where any key will do."""
    found = model_at(model, path)
    return [field.alias or name for name, field in found.model_fields.items()] if found else []
