"""Which values a report does not show: those that may be a secret, though nothing marks
them as one. Pure.

Pulumi marks what the stack keeps encrypted. It marks neither what is in the cluster,
where everything is decrypted, nor what a secret was before it was one.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from kuberay.facts.phrases import SECRET

#: What stands for such a value.
UNSHOWN = "[hidden]"

#: Below these keys people write whatever they like, passwords among it.
_FREE = frozenset(
    """annotations args binaryData command containerEnv data entrypoint env envFrom headers httpHeaders
    initArgs labels lifecycle livenessProbe matchLabels nodeSelector options parameters rayStartParams
    readinessProbe runtimeEnvYAML selector serveConfigV2 startupProbe stringData volumes""".split()
)
#: Keys whose values Kubernetes and KubeRay prescribe, so that nobody can write a
#: password there.
_PRESCRIBED = frozenset(
    """allowPrivilegeEscalation automountServiceAccountToken containerPort enableInTreeAutoscaling groupName
    idleTimeoutSeconds image imagePullPolicy maxReplicas minReplicas nodePort numOfHosts port privileged
    protocol pullPolicy rayVersion readOnlyRootFilesystem replicas repository restartPolicy runAsNonRoot
    suspend tag targetPort terminationGracePeriodSeconds type upgradingMode""".split()
)
_AMOUNTS = frozenset(("limits", "requests"))
#: How Kubernetes names a Secret that holds a value; a CSI driver may bring one from
#: anywhere.
_REFERENCES = frozenset(("csi", "secret", "secretKeyRef", "secretName", "secretRef"))
_VARIABLES = frozenset(("containerEnv", "env"))

#: What stands for a value that a tree does not have.
MISSING = object()

Path = tuple[str, ...]
Hides = Callable[[Path], bool]
"""Whether a text that differs is not shown as it was."""


def may_be_secret(path: Path) -> bool:
    """Whether somebody may have written a secret there."""
    prescribed = bool(path) and (path[-1] in _PRESCRIBED or not _AMOUNTS.isdisjoint(path[:-1]))
    return not prescribed or not _FREE.isdisjoint(path)


def keeps_secrets(tree: Any) -> bool:
    """Whether anything of a tree is a secret."""
    return any(path[-1] == SECRET for path in _places(tree))


def without_free(path: Path) -> Path:
    """The path as far as Kubernetes and KubeRay prescribe its keys."""
    return next((path[: end + 1] for end, key in enumerate(path) if key in _FREE), path)


def hides_more(tree: Any) -> bool:
    """Whether a tree keeps secrets elsewhere than where `may_be_secret`
    looks for them.
    """
    return any(_FREE.isdisjoint(path) for path in _places(tree) if path[-1] == SECRET)


def without_moved(old: Any, new: Any) -> Any:
    """The old tree without texts that a secret of the new one replaces: what moved into
    a Secret is as secret as it is there.
    """
    return _hide(old, new, (), hides=_hides(old, new), alike=False)


def hidden_alike(old: Any, new: Any) -> Any:
    """The same, and without what is a secret in the new tree: what Helm renders of both
    shows no secret's coming.
    """
    return _hide(old, new, (), hides=_hides(old, new), alike=True)


def _hides(old: Any, new: Any) -> Hides:
    before, after = set(_places(old)), set(_places(new))
    if after - before:
        return may_be_secret
    # What stood in a variable may come from a Secret by now that another variable named
    # already.
    return _is_variable if before or after else lambda _: False


def _is_variable(path: Path) -> bool:
    return (path[-1:] == ("value",) and not _VARIABLES.isdisjoint(path)) or path[-2:-1] == ("env_vars",)


def _hide(old: Any, new: Any, path: Path, *, hides: Hides, alike: bool) -> Any:
    if new == SECRET:
        return SECRET if alike else old
    if isinstance(old, Mapping):
        below: Mapping[str, Any] = new if isinstance(new, Mapping) else {}
        return {
            key: _hide(value, below.get(key, MISSING), (*path, str(key)), hides=hides, alike=alike)
            for key, value in old.items()
        }
    if isinstance(old, list):
        return _hide_items(old, new if isinstance(new, list) else [], path, hides=hides, alike=alike)
    return UNSHOWN if old != new and hides(path) and _is_text(old) else old


def _hide_items(old: list[Any], new: list[Any], path: Path, *, hides: Hides, alike: bool) -> list[Any]:
    # A secret that is compared with another item than the one that it stands for hides
    # nothing of it there.
    alike = alike or names_of(old) is None or names_of(new) is None
    names = [_name(item) for item in new]
    named = {name: item for name, item in zip(names, new, strict=True) if name and names.count(name) == 1}
    #: Without a name nobody can say which item a secret stands for.
    any_secret = any(path[-1] == SECRET for path in _places(new))
    hidden: list[Any] = []
    for number, item in enumerate(old):
        name = _name(item)
        if item in new:
            hidden.append(item)
        elif name in named:
            hidden.append(
                {**_hide(item, named[name], (*path, f"[{name}]"), hides=hides, alike=alike), "name": name}
            )
        else:
            rest = (
                _hide_all(item)
                if any_secret
                else _hide(item, MISSING, (*path, f"[{number}]"), hides=hides, alike=alike)
            )
            hidden.append({**rest, "name": name} if name else rest)
    return hidden


def names_of(items: list[Any]) -> list[str] | None:
    """The names of the entries of a list; None where not each has one of its own."""
    named = [name for item in items if (name := _name(item))]
    return named if len(set(named)) == len(items) else None


def _hide_all(tree: Any) -> Any:
    if isinstance(tree, Mapping):
        return {key: _hide_all(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_hide_all(value) for value in tree]
    return UNSHOWN if _is_text(tree) else tree


def _places(tree: Any, path: Path = ()) -> Iterator[Path]:
    """Where the tree keeps a secret, or names a Secret that does."""
    if tree == SECRET:
        yield (*path, SECRET)
    elif isinstance(tree, Mapping):
        for key, value in tree.items():
            if key in _REFERENCES and value:
                yield (*path, str(key))
            yield from _places(value, (*path, str(key)))
    elif isinstance(tree, list):
        for number, item in enumerate(tree):
            yield from _places(item, (*path, f"[{_name(item) or number}]"))


def _name(item: Any) -> str | None:
    name = item.get("name") if isinstance(item, Mapping) else None
    return name if isinstance(name, str) and name else None


def _is_text(value: Any) -> bool:
    return value is not None and value is not MISSING and not isinstance(value, bool)
