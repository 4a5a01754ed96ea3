"""Which values a report does not show: those that may be a secret, though nothing marks them as one. Pure.

Pulumi marks what the stack keeps encrypted. It marks neither what is in the cluster, where everything is
decrypted, nor what a secret was before it was one.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from commands.preview.meaning.steps import SECRET

#: What stands for such a value.
UNSHOWN = "[hidden]"

#: Below these keys people write whatever they like, passwords among it.
_FREE = frozenset(
    """annotations args binaryData command containerEnv data entrypoint env envFrom headers httpHeaders initArgs labels lifecycle
    livenessProbe matchLabels nodeSelector options parameters rayStartParams readinessProbe runtimeEnvYAML selector serveConfigV2
    startupProbe stringData volumes""".split()
)
#: Keys whose values Kubernetes and KubeRay prescribe, so that nobody can write a password there.
_PRESCRIBED = frozenset(
    """allowPrivilegeEscalation automountServiceAccountToken containerPort enableInTreeAutoscaling groupName idleTimeoutSeconds image
    imagePullPolicy maxReplicas minReplicas nodePort numOfHosts port privileged protocol pullPolicy rayVersion readOnlyRootFilesystem
    replicas repository restartPolicy runAsNonRoot suspend tag targetPort terminationGracePeriodSeconds type upgradingMode""".split()
)
_AMOUNTS = frozenset(("limits", "requests"))
#: How Kubernetes names a Secret that holds a value.
_REFERENCES = frozenset(("secret", "secretKeyRef", "secretName", "secretRef"))

_MISSING = object()

Path = tuple[str, ...]


def may_be_secret(path: Path) -> bool:
    """Whether somebody may have written a secret there."""
    prescribed = bool(path) and (path[-1] in _PRESCRIBED or not _AMOUNTS.isdisjoint(path[:-1]))
    return not prescribed or not _FREE.isdisjoint(path)


def hides_more(tree: Any) -> bool:
    """Whether a tree keeps secrets elsewhere than where `may_be_secret` looks for them."""
    return any(_FREE.isdisjoint(path) for path in _places(tree) if path[-1] == SECRET)


def without_moved(old: Any, new: Any) -> Any:
    """The old tree without texts that a secret of the new one replaces: what moved into a Secret is as secret as it is there."""
    return _hide(old, new, (), gained=_gains(old, new), alike=False)


def hidden_alike(old: Any, new: Any) -> Any:
    """The same, and without what is a secret in the new tree: what Helm renders of both shows no secret's coming."""
    return _hide(old, new, (), gained=_gains(old, new), alike=True)


def _gains(old: Any, new: Any) -> bool:
    return bool(set(_places(new)) - set(_places(old)))


def _hide(old: Any, new: Any, path: Path, *, gained: bool, alike: bool) -> Any:
    if new == SECRET:
        return SECRET if alike else old
    if isinstance(old, Mapping):
        below: Mapping[str, Any] = new if isinstance(new, Mapping) else {}
        return {key: _hide(value, below.get(key, _MISSING), (*path, str(key)), gained=gained, alike=alike) for key, value in old.items()}
    if isinstance(old, list):
        return _hide_items(old, new if isinstance(new, list) else [], path, gained=gained, alike=alike)
    return UNSHOWN if gained and old != new and may_be_secret(path) and _is_text(old) else old


def _hide_items(old: list[Any], new: list[Any], path: Path, *, gained: bool, alike: bool) -> list[Any]:
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
            hidden.append({**_hide(item, named[name], (*path, f"[{name}]"), gained=gained, alike=alike), "name": name})
        else:
            rest = _hide_all(item) if any_secret else _hide(item, _MISSING, (*path, f"[{number}]"), gained=gained, alike=alike)
            hidden.append({**rest, "name": name} if name else rest)
    return hidden


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
    return str(item["name"]) if isinstance(item, Mapping) and item.get("name") else None


def _is_text(value: Any) -> bool:
    return value is not None and value is not _MISSING and not isinstance(value, bool)
