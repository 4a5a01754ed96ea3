"""What a change opens to others, or closes. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from commands.preview.meaning.release_values import for_reading
from commands.preview.meaning.report import Protection, ProtectionChange
from commands.preview.meaning.steps import COMPONENT, Preview, Properties, Step
from kuberay.plan.cluster import head_service_type
from kuberay.plan.pods import rendered_groups

_OPEN = "open: "
_OWN_NAMESPACE = "the operator has rights in its own namespace alone"
_ENFORCED = "pod-security.kubernetes.io/enforce"
#: From the loosest; each asks for all that the one before it does.
_STANDARDS = ("privileged", "baseline", "restricted")


def protection_of(preview: Preview) -> Protection:
    """What is lost, what is gained, and what the program says is open."""
    lost: dict[str, list[str]] = {}
    gained: dict[str, list[str]] = {}
    for step in preview.steps:
        for protection, of, before, after in _facts(step):
            if before != after:
                (lost if before else gained).setdefault(protection, []).extend(of)
    said = [note.removeprefix(_OPEN) for note in preview.notes if note.startswith(_OPEN)]
    return Protection(
        lost=_as_changes(lost), gained=_as_changes(gained) if preview.outputs else [], open=said
    )


def _as_changes(found: Mapping[str, list[str]]) -> list[ProtectionChange]:
    return [ProtectionChange(what=what, of=of) for what, of in found.items()]


def _facts(step: Step) -> Iterator[tuple[str, list[str], bool, bool]]:
    """Each protection that a step may touch, of which clusters, and whether it was
    there before, and is after.
    """
    if step.type.endswith((":Ingress", ":HTTPRoute")):
        before, after = _addresses(step.old), _addresses(step.new)
        for address in sorted(before ^ after):
            yield _reached_within(step), [address], address not in before, address not in after
    goes, comes = step.operation == "delete", step.operation == "create"
    if step.type.endswith(":PodDisruptionBudget") and (goes or comes):
        yield "nobody evicts the head of a cluster that is lost with it", [], goes, comes
    if step.type.endswith(":NetworkPolicy"):
        # What belongs to a cluster or a service lets requests in by a way in of its
        # own, and closes nothing.
        if (goes or comes) and step.parents in ("", f"{COMPONENT}Namespace"):
            yield "a NetworkPolicy limits who reaches Ray's ports", [], goes, comes
            return
        before, after = _reached_from(step.old), _reached_from(step.new)
        for what, namespace in sorted(before ^ after):
            let_in = (what, namespace) in after
            yield f"{what} closed to namespace {namespace}", [], let_in, not let_in
    if step.operation not in ("update", "replace"):
        return
    if step.type.endswith(":Namespace"):
        before, after = _enforced(step.old), _enforced(step.new)
        for number, standard in enumerate(_STANDARDS[1:], 1):
            what = f"the namespace enforces the pod security standard {standard}"
            yield what, [], before >= number, after >= number
    if step.type.endswith(":Release"):
        old, new = (_release_facts(side.get("values")) for side in (step.old, step.new))
        for protection in old:
            if protection in new:
                of = [] if protection == _OWN_NAMESPACE else [step.name]
                yield protection, of, old[protection], new[protection]


def _reached_within(step: Step) -> str:
    name, _, target = step.name.rpartition(".")
    what = "the applications" if target == "serve" else "the dashboard"
    kind = step.parents.removeprefix(f"{COMPONENT}Ray").lower()
    return (
        f"{what} of {kind} {name} {'are' if target == 'serve' else 'is'} reached from within the Kubernetes"
        " cluster only"
    )


def _addresses(route: Properties) -> set[str]:
    """The hosts of an Ingress or an HTTPRoute."""
    spec = route.get("spec")
    if not isinstance(spec, Mapping):
        return set()
    return {
        str(host)
        for host in (*(rule.get("host") for rule in spec.get("rules") or []), *(spec.get("hostnames") or []))
        if host
    }


def _enforced(namespace: Properties) -> int:
    standard = ((namespace.get("metadata") or {}).get("labels") or {}).get(_ENFORCED)
    return _STANDARDS.index(standard) if standard in _STANDARDS else 0


def _reached_from(policy: Properties) -> set[tuple[str, str]]:
    """What a NetworkPolicy opens, and to which namespace."""
    opened: set[tuple[str, str]] = set()
    spec = policy.get("spec")
    for rule in (spec.get("ingress") or []) if isinstance(spec, Mapping) else []:  # An encrypted one is text.
        what = _ports([str(port.get("port")) for port in rule.get("ports") or []])
        for source in rule.get("from") or []:
            for names in (source.get("namespaceSelector") or {}).get("matchExpressions") or []:
                opened.update((what, name) for name in names.get("values") or [])
    return opened


def _ports(numbers: list[str]) -> str:
    if not numbers:
        return "Ray's ports are"
    if numbers == ["metrics"]:
        return "the metrics port is"
    return f"port {numbers[0]} is" if len(numbers) == 1 else f"ports {', '.join(numbers)} are"


def _release_facts(values: Any) -> dict[str, bool]:
    """Of a release: protections by what they say; of encrypted values none is known."""
    if not isinstance(values, Mapping):
        return {}
    if "singleNamespaceInstall" in values:
        return {_OWN_NAMESPACE: values["singleNamespaceInstall"] is True}
    values = for_reading(values)
    try:
        variables = values["common"]["containerEnv"] or values["head"].get("containerEnv") or []
        found = {
            "the head's Service is reached from within the Kubernetes cluster only": (
                head_service_type(dict(values)) == "ClusterIP"
            ),
            "pods run with the restricted security context": all(
                map(_is_restricted, rendered_groups(dict(values)).values())
            ),
        }
    except (AttributeError, KeyError, TypeError):
        return {}
    if isinstance(variables, list):
        asks = any(
            variable.get("name") == "RAY_AUTH_MODE" and variable.get("value") == "token"
            for variable in variables
        )
        found["jobs, dashboard and clients have to show a token"] = asks
    return found


def _is_restricted(group: Mapping[str, Any]) -> bool:
    pod, container = group.get("podSecurityContext") or {}, group.get("securityContext") or {}
    return pod.get("runAsNonRoot") is True and container.get("allowPrivilegeEscalation") is False
