"""What a stack has made, read from its state. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kuberay.facts.charts import RELEASE
from kuberay.facts.digests import KEY_STASH, Seal


@dataclass(frozen=True)
class Made:
    """An object or a release that the stack has made, or was making when it
    was killed.
    """

    urn: str
    inputs: Mapping[str, Any]
    rendered: tuple[Mapping[str, Any], ...] = ()
    """Of a release: the objects that it consists of, by their names."""
    is_kept: bool = False
    """Whether it stays in the cluster when the stack goes."""

    @property
    def is_release(self) -> bool:
        return _kind(self.urn) == RELEASE

    @property
    def is_namespace(self) -> bool:
        return self.inputs.get("kind") == "Namespace"

    @property
    def name(self) -> str:
        return str(self._identity["name"])

    @property
    def namespace(self) -> str:
        return str(self._identity.get("namespace") or "")

    @property
    def _identity(self) -> Mapping[str, Any]:
        return self.inputs if self.is_release else self.inputs["metadata"]


@dataclass(frozen=True)
class StackState:
    """A stack as its state has it."""

    size: int
    """How many resources there are, of any kind."""
    made: tuple[Made, ...] = ()
    """Kubernetes objects and Helm releases; no patches, which make nothing."""
    interrupted: tuple[Made, ...] = ()
    """What a killed run was making, and no later run has made."""
    namespaces: frozenset[str] = field(default_factory=frozenset)
    has_key: bool = False
    """Whether it has a key for the fingerprints of a stack that holds secrets."""

    @property
    def is_empty(self) -> bool:
        return not self.size and not self.interrupted

    @property
    def namespace_objects(self) -> list[Made]:
        return [made for made in (*self.made, *self.interrupted) if made.is_namespace]

    def has_release(self, name: str) -> bool:
        """Whether the stack has made it; not so one that a killed run was making."""
        return any(made.is_release and made.name == name for made in self.made)

    @property
    def releases(self) -> set[tuple[str, str]]:
        """Namespace and name of each release that the stack has, or was making."""
        return {(made.namespace, made.name) for made in (*self.made, *self.interrupted) if made.is_release}


def read_state(deployment: Mapping[str, Any]) -> StackState:
    """What `pulumi stack export` has below `deployment`."""
    resources: list[dict[str, Any]] = deployment.get("resources") or []
    pending: list[dict[str, Any]] = deployment.get("pending_operations") or []
    made = {resource["urn"]: _read_made(resource) for resource in resources if _makes(resource)}
    creating = [operation["resource"] for operation in pending if operation["type"] == "creating"]
    # Pulumi keeps such an operation until someone clears it, also when a later run has
    # made it.
    interrupted = {
        resource["urn"]: _read_made(resource)
        for resource in creating
        if _makes(resource) and resource["urn"] not in made
    }
    everything = (*made.values(), *interrupted.values())
    return StackState(
        size=len(resources),
        made=tuple(made.values()),
        interrupted=tuple(interrupted.values()),
        namespaces=frozenset(each.name if each.is_namespace else each.namespace for each in everything)
        - {""},
        has_key=any(_name(resource["urn"]) == KEY_STASH for resource in resources),
    )


def read_seal(deployment: Mapping[str, Any]) -> Seal:
    """What seals the fingerprints of a stack that has a key, from what `pulumi stack
    export --show-secrets` has below `deployment`.
    """
    stash = next(resource for resource in deployment["resources"] if _name(resource["urn"]) == KEY_STASH)
    found = json.loads(stash["outputs"]["output"]["plaintext"])
    return Seal(found["key"], frozenset(found["kept"]))


def _read_made(resource: Mapping[str, Any]) -> Made:
    inputs: dict[str, Any] = resource.get("inputs") or {}
    names: dict[str, list[str]] = (resource.get("outputs") or {}).get("resourceNames") or {}
    # `ClusterRole.rbac.authorization.k8s.io/rbac.authorization.k8s.io/v1`, and of the
    # core group `Service/v1`.
    rendered = tuple(
        {
            "apiVersion": key.partition("/")[2],
            "kind": key.partition("/")[0].split(".")[0],
            "metadata": {"name": name.rpartition("/")[2]},
        }
        for key, found in names.items()
        for name in found
    )
    return Made(resource["urn"], inputs, rendered, bool(resource.get("retainOnDelete")))


def _makes(resource: Mapping[str, Any]) -> bool:
    kind = _kind(resource["urn"])
    return kind.startswith("kubernetes:") and not kind.endswith("Patch")


def _name(urn: str) -> str:
    return urn.rpartition("::")[2]


def _kind(urn: str) -> str:
    return urn.split("::")[-2].split("$")[-1]
