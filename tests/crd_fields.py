"""Every field of KubeRay's resources, from their CRDs, and the settings that set it."""

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from kuberay.checks.loading import load_plan
from kuberay.live.crds.schemas import Schema, storage_schema
from kuberay.plan.stack import StackPlan
from local import tools
from tests.stack_config import as_config

VERSIONS = ("1.3.0", "1.6.2")
#: By kind, where a stack has one. RayCronJobs came with 1.6.
WHOSE = {"RayCluster": "clusters.x", "RayJob": "jobs.x", "RayCronJob": "jobs.x", "RayService": "services.x"}
EACH = [
    (kind, version) for version in VERSIONS for kind in WHOSE if kind != "RayCronJob" or version != "1.3.0"
]
#: Templates of pods, which are Kubernetes' own: they are walked once, for the head of a
#: RayCluster.
_TEMPLATES = ("template", "submitterPodTemplate")

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Field:
    """A field of a spec."""

    path: Path
    """A number in it is a place in a list, `x` may be any key of a map."""
    spec: dict[str, Any]
    """The least spec that sets it."""
    value: Any

    @property
    def name(self) -> str:
        return ".".join(map(str, self.path))


@functools.cache
def schema_of(kind: str, version: str) -> Schema:
    """The schema of a kind's spec, as the operator's source has it."""
    folder = tools.module_folder(tools.operator(version), tools.find_go()) / "config/crd/bases"
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    crd = yaml.load((folder / f"ray.io_{kind.lower()}s.yaml").read_text(), loader)  # noqa: S506
    return storage_schema(crd)["properties"]["spec"]


def fields(kind: str, version: str) -> Iterator[Field]:
    """Each leaf of the spec once."""
    schema = schema_of(kind, version)
    for path, value in _leaves(schema, ()):
        if not any(part in _TEMPLATES for part in path):
            yield Field(path, _spec_with(schema, path, value), value)


def pod_fields(version: str) -> Iterator[Field]:
    """Each leaf of a head's pod template."""
    schema = schema_of("RayCluster", version)
    for path, value in _leaves(schema, ()):
        if path[:2] == ("headGroupSpec", "template"):
            yield Field(path, _spec_with(schema, path, value), value)


def plan_with(kind: str, version: str, spec: Mapping[str, Any]) -> StackPlan:
    """The plan of a stack whose settings set these fields."""
    chosen: dict[str, Any] = {"spec": spec}
    if "idleTimeoutSeconds" in str(spec):
        # Which the first version of the autoscaler does not know.
        scaled = {"autoscaling": {"version": "v2"}, "worker": {"maxReplicas": 2}}
        chosen |= scaled if kind == "RayCluster" else {"rayCluster": scaled}
    more: dict[str, Any] = {
        "RayCluster": {},
        "RayJob": {"entrypoint": "x"},
        "RayCronJob": {"entrypoint": "x", "schedule": "0 2 * * *"},
        "RayService": {"serveConfig": {"applications": [{"import_path": "a:b"}]}},
    }
    settings: dict[str, Any] = {
        "kuberayVersion": version,
        "clusters": {},
        WHOSE[kind].partition(".")[0]: {"x": more[kind] | chosen},
    }
    # Some of them are passwords.
    return load_plan(
        as_config(settings), secret_keys=[f"kuberay:{key}" for key in ("clusters", "jobs", "services")]
    )


def together(every: Iterable[Field]) -> dict[str, Any]:
    """The spec that sets all of these."""
    return functools.reduce(_both, (field.spec for field in every))


def _both(one: Any, other: Any) -> Any:
    if isinstance(one, dict) and isinstance(other, dict):
        return {key: _both(one.get(key, other.get(key)), other.get(key, one.get(key))) for key in one | other}
    return [_both(one[0], other[0])] if isinstance(one, list) and one and other else other


def value_at(spec: Any, path: Path) -> Any:
    """What stands at a place; None where nothing does."""
    for part in path:
        try:
            spec = spec[part]
        except (KeyError, IndexError, TypeError):
            return None
    return spec


def _leaves(schema: Schema, path: Path) -> Iterator[tuple[Path, Any]]:
    if "items" in schema:
        yield from _leaves(schema["items"], (*path, 0))
    elif schema.get("properties"):
        for key, below in schema["properties"].items():
            yield from _leaves(below, (*path, key))
    elif isinstance(schema.get("additionalProperties"), Mapping):
        yield from _leaves(schema["additionalProperties"], (*path, "x"))
    else:
        yield path, _value(schema)


def _value(schema: Schema) -> Any:
    if allowed := [each for each in schema.get("enum", []) if each]:
        return allowed[0]
    if schema.get("x-kubernetes-int-or-string"):
        return "1"
    by_type: dict[str, Any] = {
        "integer": max(1, schema.get("minimum", 1)),
        "number": 1,
        "boolean": True,
        "object": {},
        "array": [],
    }
    return by_type.get(schema["type"], "2026-01-01T00:00:00Z" if schema.get("format") == "date-time" else "x")


def _spec_with(schema: Schema, path: Path, value: Any) -> Any:
    """The least that a schema takes with a value at a place."""
    if not path:
        return value
    first, *rest = path
    if isinstance(first, int):
        return [_spec_with(schema["items"], tuple(rest), value)]
    known = schema.get("properties") or {}
    below: Schema = known.get(first) or schema["additionalProperties"]
    return _least(schema) | {first: _spec_with(below, tuple(rest), value)}


def _least(schema: Schema) -> Any:
    if "properties" not in schema:
        return _value(schema)
    known = schema["properties"]
    # No rule of the CRD: Kubernetes takes no template without containers, and none of
    # these without an image.
    is_template = "containers" in (known.get("spec", {}).get("properties") or {})
    # The settings have a head, with which the one of a spec is merged.
    names = [name for name in schema.get("required", []) if name != "headGroupSpec"]
    names += [*(["spec"] if is_template else []), *(["image"] if "imagePullPolicy" in known else [])]
    return {
        name: [_least(known[name]["items"])] if "items" in known[name] else _least(known[name])
        for name in names
    }
