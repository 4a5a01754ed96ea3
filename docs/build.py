"""Makes what is read about the settings from the settings: `python -m docs.build` (or
`make docs`).

Writes docs/settings.md, docs/stack.schema.json and Pulumi.yaml; with `--check` it says
which of them are out of date.
"""

import ast
import inspect
import itertools
import json
import re
import sys
import textwrap
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from kuberay.settings.adoption import AdoptedCluster, AdoptedRelease
from kuberay.settings.cluster import (
    AutoscalingSettings,
    ClusterSettings,
    DefaultWorkerGroupSettings,
    GcsFaultToleranceSettings,
    GroupSettings,
    RayClusterSettings,
    WorkerGroupSettings,
)
from kuberay.settings.expose import (
    ClusterExposeSettings,
    DashboardRouteSettings,
    GatewaySettings,
    RouteSettings,
    ServiceExposeSettings,
)
from kuberay.settings.history_server import HistoryServerSettings
from kuberay.settings.kubernetes import (
    EnvVar,
    EnvVarSource,
    Password,
    SecretKeyRef,
    Toleration,
    Volume,
    VolumeMount,
)
from kuberay.settings.metrics import GrafanaSettings, MetricsSettings, PrometheusSettings
from kuberay.settings.operator import OperatorSettings
from kuberay.settings.overrides import ChartOverrides, QueueSettings, ResourceOverrides
from kuberay.settings.prices import HourPrices, NodePrices, PriceSettings
from kuberay.settings.protection import (
    ContainerLimits,
    LimitRangeSettings,
    NetworkPolicySettings,
    ProtectionSettings,
    QuotaSettings,
)
from kuberay.settings.stack import PROJECT, StackSettings
from kuberay.settings.storage import ClaimSettings
from kuberay.settings.workloads import (
    ClusterUpgradeSettings,
    DeletionRuleSettings,
    JobSettings,
    ServeServiceSettings,
    ServiceSettings,
    SubmitterSettings,
)

ROOT = Path(__file__).resolve().parent.parent

#: In the order in which a reader meets them; what a section shares with its parent
#: class is documented there once.
SECTIONS: list[tuple[str, type[BaseModel]]] = [
    ("Stack", StackSettings),
    ("`operator`", OperatorSettings),
    ("`clusters.<name>`, and `rayCluster` of a job or a service", RayClusterSettings),
    ("`clusters.<name>`, further", ClusterSettings),
    ("`clusters.<name>`, `jobs.<name>` and `services.<name>`", ResourceOverrides),
    ("`queue` of a cluster, a job or a service", QueueSettings),
    ("`adopted` of `operator`", AdoptedRelease),
    ("`adopted` of a cluster", AdoptedCluster),
    ("`head`, `worker` and each of `additionalWorkerGroups`", GroupSettings),
    ("`worker` and each of `additionalWorkerGroups`", WorkerGroupSettings),
    ("`worker`", DefaultWorkerGroupSettings),
    ("`autoscaling` of a cluster", AutoscalingSettings),
    ("`gcsFaultTolerance` of a cluster", GcsFaultToleranceSettings),
    ("`gcsFaultTolerance.redisPassword`", Password),
    ("`historyServer` of a cluster", HistoryServerSettings),
    ("`protection`", ProtectionSettings),
    ("`protection.networkPolicy`", NetworkPolicySettings),
    ("`expose` of a cluster", ClusterExposeSettings),
    ("`expose` of a service, further", ServiceExposeSettings),
    ("`dashboard` and `serve` of `expose`", RouteSettings),
    ("`dashboard` of `expose`, further", DashboardRouteSettings),
    ("`gateway` of a way in", GatewaySettings),
    ("`storage.<name>`", ClaimSettings),
    ("`quota`", QuotaSettings),
    ("`limitRange`", LimitRangeSettings),
    ("`default` and `max` of `limitRange`", ContainerLimits),
    ("`metrics`", MetricsSettings),
    ("`prices`, and each of its `nodes`", HourPrices),
    ("`prices`", PriceSettings),
    ("Each of `prices.nodes`", NodePrices),
    ("`metrics.grafana`", GrafanaSettings),
    ("`metrics.prometheus`", PrometheusSettings),
    ("`jobs.<name>`", JobSettings),
    ("`submitter` of a job", SubmitterSettings),
    ("Each of `deletionRules` of a job", DeletionRuleSettings),
    ("`services.<name>`", ServiceSettings),
    ("`serveService` of a service", ServeServiceSettings),
    ("`clusterUpgradeOptions` of a service", ClusterUpgradeSettings),
    ("`values` and `valuesFile` of `operator` and of a cluster", ChartOverrides),
    ("Each of `env` of a group", EnvVar),
    ("`valueFrom` of a variable", EnvVarSource),
    ("`secretKeyRef`", SecretKeyRef),
    ("Each of `volumes` of a group", Volume),
    ("Each of `volumeMounts` of a group", VolumeMount),
    ("Each of `tolerations` of a group", Toleration),
]


def describe(model: type[BaseModel]) -> None:
    """Gives the fields of a model, and of those below it, their docstrings as
    descriptions.

    pydantic does that by itself with `use_attribute_docstrings`, each time the settings
    are imported: 30 ms of every preview.
    """
    docstrings: dict[str, str] = {}
    for owner in reversed(model.__mro__):
        if owner is not BaseModel and issubclass(owner, BaseModel):
            docstrings |= _attribute_docstrings(owner)
            for name, field in owner.model_fields.items():
                field.description = docstrings.get(name)
    for field in model.model_fields.values():
        for below in models_in(field.annotation):
            describe(below)
    model.model_rebuild(force=True)


def _attribute_docstrings(owner: type) -> dict[str, str]:
    [definition] = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
    found: dict[str, str] = {}
    for field, text in itertools.pairwise(typing.cast("ast.ClassDef", definition).body):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(docstring))):
                found[name] = inspect.cleandoc(docstring)
            case _:
                pass
    return found


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a type names, as in ``dict[str, JobSettings] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from models_in(argument)


describe(StackSettings)


def settings_reference() -> str:
    """docs/settings.md"""
    lines = [
        "# Settings",
        "",
        "Made from `kuberay/settings/` by `make docs`; edit it there.",
        "",
        f"Every key stands in `Pulumi.<stack>.yaml` below `config:` as `{PROJECT}:<key>`.",
        "Unknown and misspelt keys are refused, with the nearest right name. Editors complete",
        "them through `docs/stack.schema.json` (see the first line of `Pulumi.dev.yaml`).",
    ]
    for title, model in SECTIONS:
        lines += [
            "",
            f"## {title}",
            "",
            textwrap.fill(_doc(model), 88, break_long_words=False, break_on_hyphens=False),
            "",
            "| key | type | default | what it is |",
            "| --- | --- | --- | --- |",
        ]
        lines += [
            f"| `{field.alias or name}` | {_type(field)} | {_default(field)} | {_description(field)} |"
            for name, field in _own_fields(model)
        ]
    return "\n".join(lines) + "\n"


def stack_schema() -> str:
    """docs/stack.schema.json: what editors complete in Pulumi.<stack>.yaml."""
    settings = StackSettings.model_json_schema(by_alias=True, mode="validation")
    definitions = settings.pop("$defs")
    properties = {f"{PROJECT}:{key}": value for key, value in settings["properties"].items()}
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Pulumi.<stack>.yaml of the kuberay project",
        "type": "object",
        "properties": {
            "config": {
                "type": "object",
                "properties": (
                    properties
                    | {
                        "kubernetes:context": {
                            "type": "string",
                            "description": "Context of the kubeconfig that this stack deploys to.",
                        },
                        "kubernetes:cluster": {
                            "type": "string",
                            "description": "Cluster of the kubeconfig, where it is not the context's.",
                        },
                        "kubernetes:kubeconfig": {
                            "type": "string",
                            "description": "Path or content of the kubeconfig.",
                        },
                    }
                ),
                # Keys of other projects (kubernetes:…, pulumi:…) are theirs to check.
                "patternProperties": {rf"^(?!{PROJECT}:)": {}},
                "additionalProperties": False,
            },
            "encryptionsalt": {"type": "string"},
            "encryptedkey": {"type": "string"},
            "secretsprovider": {"type": "string"},
        },
        "$defs": definitions,
    }
    _unwrap_descriptions(schema)
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def project_file() -> str:
    """Pulumi.yaml"""
    config: dict[str, Any] = {}
    for name, field in StackSettings.model_fields.items():
        kind = _pulumi_type(field.annotation)
        entry: dict[str, Any] = {"type": kind, "description": " ".join((field.description or "").split())}
        if kind == "array":
            entry["items"] = {"type": "string"}
        # The CLI demands a value for each key without a default; an empty text is how
        # it says "not set" (kuberay/checks/loading.py).
        default = _default_of(field)
        entry["default"] = "" if default is None else default
        config[field.alias or name] = entry
    # What a killed run has made is taken over, and not refused because it is there;
    # components/resources/recovery.py looks whose it is.
    config["kubernetes:upsertExistingObjects"] = {"value": "true"}
    project = {
        "name": PROJECT,
        # The CLI refuses the project below it, in a line.
        "requiredPulumiVersion": f">={(ROOT / '.pulumi.version').read_text().strip()}",
        "description": "A working Ray cluster on Kubernetes: namespace, KubeRay operator, Ray clusters.",
        "runtime": {"name": "python", "options": {"toolchain": "pip", "virtualenv": ".venv"}},
        "config": config,
    }
    text = yaml.safe_dump(project, sort_keys=False, width=110, allow_unicode=True)
    return "# Made from kuberay/settings/ by `make docs`; edit the settings there.\n" + text


FILES = {
    "docs/settings.md": settings_reference,
    "docs/stack.schema.json": stack_schema,
    "Pulumi.yaml": project_file,
}


def _unwrap_descriptions(schema: Any) -> None:
    """An editor breaks a description's lines itself."""
    for key, value in schema.items() if isinstance(schema, dict) else enumerate(schema):
        if key == "description" and isinstance(value, str):
            schema[key] = " ".join(value.split())
        elif isinstance(value, dict | list):
            _unwrap_descriptions(value)


def _own_fields(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    inherited = {
        name for parent in model.__bases__ if issubclass(parent, BaseModel) for name in parent.model_fields
    }
    return iter([(name, field) for name, field in model.model_fields.items() if name not in inherited])


def _doc(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _description(field: FieldInfo) -> str:
    return " ".join((field.description or "").split()).replace("|", chr(92) + "|")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = _default_of(field)
    if default is None:
        return "–"
    if field.default_factory:
        return "one cluster, `raycluster`" if default else "see below"
    return f"`{json.dumps(default)}`"


def _type(field: FieldInfo) -> str:
    return _type_name(field.annotation)


def _type_name(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type_name(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type_name(option) for option in arguments if option is not type(None))
    if origin is typing.Literal:
        return " or ".join(f"`{option}`" for option in arguments)
    if origin is dict:
        return f"map of {_type_name(arguments[1])}"
    if origin is list:
        return f"list of {_type_name(arguments[0])}"
    names = {
        str: "text",
        int: "whole number",
        bool: "true or false",
        float: "number",
        Any: "anything",
        SecretStr: "text, encrypted",
    }
    if annotation in names:
        return names[annotation]
    name = str(annotation.__name__).removesuffix("Settings")
    titles = {model: title for title, model in reversed(SECTIONS)}
    title = next((titles[model] for model in annotation.__mro__ if model in titles), None)
    return f"[{name}](#{_anchor(title)})" if title else name


def _anchor(title: str) -> str:
    """As GitHub makes it of a heading."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def _default_of(field: FieldInfo) -> Any:
    """As in a stack file."""
    return field.get_default(call_default_factory=True)


def _pulumi_type(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated or origin in (typing.Union, types.UnionType):
        return _pulumi_type(arguments[0])
    return {bool: "boolean", int: "integer", list: "array", dict: "object"}.get(
        origin or annotation,
        "object" if isinstance(annotation, type) and issubclass(annotation, BaseModel) else "string",
    )


def main() -> None:
    if sys.argv[1:] == ["--check"]:
        stale = [name for name, make in FILES.items() if (ROOT / name).read_text() != make()]
        sys.exit(f"out of date: {', '.join(stale)}; `make docs` writes them anew" if stale else 0)
    for name, make in FILES.items():
        (ROOT / name).write_text(make())
        print(f"wrote {name}")


if __name__ == "__main__":
    main()
