"""What Kubernetes' scheduler goes by, as far as a pod and a node alone tell it:
requests, labels, affinity, taints. Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from kuberay.facts.objects import Object
from kuberay.facts.quantities import parse_quantity

Amounts = dict[str, Decimal]

#: Resources of every node, beside which there are devices.
_ORDINARY = ("cpu", "memory", "ephemeral-storage", "pods")
_KEEPS_OUT = ("NoSchedule", "NoExecute")


def is_device(resource: str) -> bool:
    """Whether a resource is a GPU, a TPU or another device."""
    return resource not in _ORDINARY and not resource.startswith("hugepages-")


# --- What a pod asks for --------------------------------------------------------------


def requests_of(pod: Object) -> Amounts:
    """What a pod, by its spec, takes of a node: its containers together, or more where
    an init container asks for more; and one of the node's places for pods.
    """
    lasting = add_amounts(map(_requests, pod.get("containers") or []))
    before: Amounts = {}
    peak: Amounts = {}
    for container in pod.get("initContainers") or []:
        asked = _requests(container)
        if container.get("restartPolicy") == "Always":
            before = add_amounts([before, asked])
            asked = before
        else:
            asked = add_amounts([before, asked])
        peak = _most(peak, asked)
    most = _most(add_amounts([lasting, before]), peak)
    return add_amounts([most, _amounts(pod.get("overhead")), {"pods": Decimal(1)}])


def _requests(container: Object) -> Amounts:
    resources: Object = container.get("resources") or {}
    # The API server fills in the limit where there is no request.
    return _amounts({**(resources.get("limits") or {}), **(resources.get("requests") or {})})


def _amounts(given: Object | None) -> Amounts:
    return {str(name): parse_quantity(amount) for name, amount in (given or {}).items() if amount is not None}


def add_amounts(each: Iterable[Amounts]) -> Amounts:
    """The sum, by resource."""
    total: Amounts = {}
    for amounts in each:
        for name, amount in amounts.items():
            total[name] = total.get(name, Decimal(0)) + amount
    return total


def _most(one: Amounts, other: Amounts) -> Amounts:
    return {name: max(one.get(name, Decimal(0)), other.get(name, Decimal(0))) for name in (*one, *other)}


# --- Which nodes take it --------------------------------------------------------------


def labels_of(node: Object) -> Mapping[str, str]:
    return node["metadata"].get("labels") or {}


def allocatable(node: Object) -> Amounts:
    """What a node has for pods."""
    return _amounts((node.get("status") or {}).get("allocatable"))


def keeps_out(node: Object, pod: Object) -> str | None:
    """What a node is that would not take a pod even with nothing on it: ``without
    pool=gpu``; None where it would.
    """
    if missing := _missing_labels(node, pod):
        return f"without {', '.join(missing)}"
    if not _meets_affinity(node, pod):
        return f"not what the affinity asks for: {_affinity_text(pod)}"
    spec: Object = node.get("spec") or {}
    cordon = (
        [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]
        if spec.get("unschedulable")
        else []
    )
    for taint in [*(spec.get("taints") or []), *cordon]:
        if taint["effect"] in _KEEPS_OUT and not tolerates(pod, taint):
            return f"tainted with {taint['key']}" + (f"={taint['value']}" if taint.get("value") else "")
    return None


def tolerates(pod: Object, taint: Object) -> bool:
    """Whether one of a pod's tolerations is for a taint (`ToleratesTaint`)."""
    return any(_is_for(toleration, taint) for toleration in pod.get("tolerations") or [])


def _is_for(toleration: Object, taint: Object) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    if toleration.get("operator") == "Exists":
        return True
    return bool(toleration.get("key")) and (toleration.get("value") or "") == (taint.get("value") or "")


def no_node_will_do(pod: Object, nodes: Iterable[Object]) -> str | None:
    """Why no node of the cluster could ever take the pod, even an empty one; None where
    one could. Taints come and go: none counts. Of what it asks for, the containers that
    run together count, whose requests the answer names one by one.
    """
    spec = pod["spec"]
    nodes = list(nodes)
    matching = [node for node in nodes if not _missing_labels(node, spec)]
    if not matching:
        wanted = ", ".join(f"{key}={value}" for key, value in (spec.get("nodeSelector") or {}).items())
        return f"none of {len(nodes)} nodes has {wanted}"
    matching = [node for node in matching if _meets_affinity(node, spec)]
    if not matching:
        return f"none of {len(nodes)} nodes is what its affinity asks for: {_affinity_text(spec)}"
    requests = [(container.get("resources") or {}).get("requests") or {} for container in spec["containers"]]
    asked = dict(sorted(add_amounts(map(_amounts, requests)).items()))
    if any(
        all(allocatable(node).get(resource, Decimal(0)) >= amount for resource, amount in asked.items())
        for node in matching
    ):
        return None
    for resource, amount in asked.items():
        largest = max(matching, key=lambda node: allocatable(node).get(resource, Decimal(0)))
        if allocatable(largest).get(resource, Decimal(0)) < amount:
            parts = " + ".join(str(request[resource]) for request in requests if resource in request)
            return (
                f"asks for {parts} of {resource}, the largest such node has"
                f" {largest['status']['allocatable'].get(resource, 0)}"
            )
    return f"asks for more {', '.join(asked)} together than any such node has"


def _missing_labels(node: Object, pod: Object) -> list[str]:
    """What of a pod's selector a node does not have."""
    selector: Mapping[str, str] = pod.get("nodeSelector") or {}
    return [f"{key}={value}" for key, value in selector.items() if labels_of(node).get(key) != value]


def _meets_affinity(node: Object, pod: Object) -> bool:
    terms = _required_terms(pod)
    return not terms or any(_meets(node, term) for term in terms)


def _affinity_text(pod: Object) -> str:
    return " or ".join(map(_term_text, _required_terms(pod)))


def _required_terms(pod: Object) -> Sequence[Object]:
    required = ((pod.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    ) or {}
    return required.get("nodeSelectorTerms") or []


def _meets(node: Object, term: Object) -> bool:
    """Whether a node meets a term of a node affinity, as the scheduler reads it
    (`NodeSelectorTerm`): an empty term is met by none.
    """
    fields = {"metadata.name": str(node["metadata"].get("name"))}
    wanted = [(labels_of(node), each) for each in term.get("matchExpressions") or []]
    wanted += [(fields, each) for each in term.get("matchFields") or []]
    return bool(wanted) and all(meets_requirement(labels, requirement) for labels, requirement in wanted)


def meets_requirement(labels: Mapping[str, str], requirement: Object) -> bool:
    """Whether labels are what one of an affinity's expressions asks for."""
    key, values = str(requirement["key"]), [str(value) for value in requirement.get("values") or []]
    found = labels.get(key)
    match requirement["operator"]:
        case "In":
            return found in values
        case "NotIn":
            return found not in values
        case "Exists":
            return found is not None
        case "DoesNotExist":
            return found is None
        case compared:
            if found is None or not (_is_whole(found) and values and _is_whole(values[0])):
                return False
            return int(found) > int(values[0]) if compared == "Gt" else int(found) < int(values[0])


def _is_whole(text: str) -> bool:
    return text.removeprefix("-").isdecimal()


def _term_text(term: Object) -> str:
    """``pool In (a, b) and gpu Exists``."""
    parts = [*(term.get("matchExpressions") or []), *(term.get("matchFields") or [])]
    texts = [
        f"{part['key']} {part['operator']} ({', '.join(map(str, part.get('values') or []))})"
        for part in parts
    ]
    return " and ".join(text.removesuffix(" ()") for text in texts) or "nothing"
