"""Whether the nodes have room for the pods that a change brings, by the scheduler's own
rules. Pure.

What is certain is said: that all pods fit wherever the scheduler puts them, or that
they fit in no way. Anything else cannot be told.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from heapq import heapify, heappop, heappush
from typing import Any

from commands.preview.meaning.demand import Demand, demands
from commands.preview.meaning.node_autoscalers import Growth, growth_for
from commands.preview.meaning.release_values import name_of
from commands.preview.meaning.report import Fit, StackReport
from commands.preview.meaning.steps import Preview
from commands.preview.meaning.workloads import takes_a_new_cluster
from kuberay.facts.charts import OPERATOR_RELEASE, RELEASE
from kuberay.facts.labels import CLUSTER_LABEL, GROUP_LABEL, HEAD_GROUP
from kuberay.facts.objects import Object
from kuberay.facts.phrases import and_list, counted, first_few
from kuberay.facts.quantities import add_quantities
from kuberay.facts.scheduling import (
    Amounts,
    add_amounts,
    allocatable,
    is_device,
    keeps_out,
    labels_of,
    no_node_will_do,
    requests_of,
)
from kuberay.plan.made_pods import MadePods

_NONE = Decimal(0)
#: So many pods are placed one by one at most; of more, only what is certain without
#: that is said.
_MANY = 20_000


@dataclass(frozen=True)
class Room:
    """What a cluster has, as its API server tells it."""

    nodes: Sequence[Object]
    pods: Sequence[Object]
    """Of all namespaces."""
    node_pools: Sequence[Object] = ()
    """Karpenter's."""
    autoscaler_status: str | None = None
    """What the cluster autoscaler has written of itself, where there is one."""


@dataclass(frozen=True)
class Coming:
    """Pods of one shape that come."""

    what: str
    """``gpu of cluster training``"""
    pods: int
    pod: Object
    """Spec of each."""

    @cached_property
    def requests(self) -> Amounts:
        return requests_of(self.pod)


@dataclass
class Change:
    """What a change brings to the nodes, and takes from them."""

    coming: list[Coming] = field(default_factory=list[Coming])
    leaves: set[str] = field(default_factory=set[str])
    """UIDs of pods that go before the others come."""
    may_leave: set[str] = field(default_factory=set[str])
    """UIDs of pods that may still be there, or may be gone."""
    unsure: list[str] = field(default_factory=list[str])
    """Why less may be needed than is counted here."""
    notes: dict[str, str] = field(default_factory=dict[str, str])
    """What a reviewer is told of a service, whether it fits or not."""


def brings_pods(report: StackReport, preview: Preview) -> bool:
    """Whether there is anything to ask the cluster's nodes for."""
    change, hidden = _change(report, preview, [])
    return bool(change.coming or hidden)


def add_fit(report: StackReport, preview: Preview, room: Room | str) -> None:
    """Fills in whether what comes fits the nodes. ``room``: or why the cluster could
    not be asked.
    """
    change, hidden = _change(report, preview, [] if isinstance(room, str) else room.pods)
    if hidden:
        report.fit = Fit(answer="cannot tell", why=[f"settings of {first_few(hidden)} are kept encrypted"])
    elif isinstance(room, str):
        why = [*change.notes.values(), f"the cluster could not be asked ({room})"]
        report.fit = Fit(answer="cannot tell", why=why)
    else:
        report.fit = fit_of(change, room)


# --- What comes and what goes ---------------------------------------------------------


def _change(report: StackReport, preview: Preview, pods: Sequence[Object]) -> tuple[Change, list[str]]:
    """What a preview brings to the nodes, beside the pods that there are, and what
    cannot be told, as it is encrypted.
    """
    found = [one for one in demands(preview) if one.operation in ("create", "update", "replace", "delete")]
    hidden = [one.what for one in found if one.after is None]
    effects = {
        f"{one.kind} {one.name}": {group.group: group.effect for group in one.groups} for one in report.ray
    }
    total = Change(coming=[*_operator(preview)])
    for demand in found:
        running = _pods_of(demand, pods)
        if demand.operation == "delete":
            # Pulumi deletes last: what comes has to fit beside it, for as long as `up`
            # waits for that.
            total.may_leave |= _uids(running)
        elif demand.kind == "cluster":
            _cluster(total, demand, effects[demand.what], running)
        elif demand.kind == "job":
            _job(total, demand)
        else:
            _service(total, demand)
    return total, hidden


def _operator(preview: Preview) -> Iterator[Coming]:
    for step in preview.steps:
        values = step.new.get("values")
        is_new = (step.type, step.name, step.operation) == (RELEASE, OPERATOR_RELEASE, "create")
        if is_new and isinstance(values, Mapping):
            keys = ("nodeSelector", "tolerations", "affinity")
            chosen = {key: values[key] for key in keys if values.get(key)}
            yield Coming("operator", 1, {"containers": [{"resources": values.get("resources")}], **chosen})


def _cluster(total: Change, demand: Demand, effects: Mapping[str, str], running: Sequence[Object]) -> None:
    anew = demand.operation in ("create", "replace")
    before = {group.name: group for group in demand.before or ()}
    for group in demand.after or ():
        there = [pod for pod in running if _group_of(pod) == group.name]
        is_scaled = group.at_least != group.at_most
        if anew or effects.get(group.name) in ("restarts", "new"):
            total.leaves |= _uids(there)
            pods = group.pods
            if is_scaled and there and not anew:
                # `up` leaves an autoscaler's number as it is.
                pods = max(group.at_least, min(len(there), group.at_most))
            _add(total, demand, group, pods)
        elif old := before.get(group.name):
            more = group.at_least - max(len(there), old.at_least) if is_scaled else group.pods - old.pods
            _add(total, demand, group, more)
            if more < 0:
                total.may_leave |= _uids(there)
    gone = {name for name, effect in effects.items() if effect == "goes"}
    total.leaves |= _uids(pod for pod in running if anew or _group_of(pod) in gone)


def _job(total: Change, demand: Demand) -> None:
    spec = demand.new["spec"]
    if demand.operation not in ("create", "replace") or spec.get("suspend"):
        return
    for group in demand.after or ():
        _add(total, demand, group, group.pods)
    submitter = (spec.get("submitterPodTemplate") or {}).get("spec")
    if submitter:
        total.coming.append(Coming(f"submitter of {demand.what}", 1, submitter))
    if demand.operation == "replace":
        total.unsure.append(f"what {demand.what} of before still has")


def _service(total: Change, demand: Demand) -> None:
    old, new = demand.old.get("spec") or {}, demand.new["spec"]
    strategy = (new.get("upgradeStrategy") or {}).get("type")
    upgrade = demand.operation == "update" and takes_a_new_cluster(
        old.get("rayClusterConfig"), new.get("rayClusterConfig")
    )
    before = {group.name: group for group in demand.before or ()}
    if upgrade and strategy == "None":
        return
    for group in demand.after or ():
        there = before.get(group.name) if demand.operation == "update" and not upgrade else None
        _add(total, demand, group, group.pods - (there.pods if there else 0))
    if demand.operation == "replace":
        total.unsure.append(f"what {demand.what} of before still has")
    if upgrade:
        needs, runs = (
            _total((group.pods, requests_of(group.pod)) for group in side or ())
            for side in (demand.after, demand.before)
        )
        names = _telling(needs)
        total.notes[demand.what] = (
            f"{demand.what}: this upgrade needs {_named(names, needs)} beside the {_named(names, runs)}"
            " that run"
        )
        if strategy not in ("NewCluster", None):
            total.unsure.append(f"how much of {demand.what} an upgrade of type {strategy} brings at once")


def _add(total: Change, demand: Demand, group: MadePods, pods: int) -> None:
    if pods > 0:
        total.coming.append(Coming(f"{group.name} of {demand.what}", pods, group.pod))


def _pods_of(demand: Demand, pods: Sequence[Object]) -> list[Object]:
    """The running pods of a cluster of the stack's own; KubeRay chooses the names of
    the others.
    """
    names = {
        (str(side.get("namespace")), str(name_of(side["values"])))
        for side in (demand.old, demand.new)
        if isinstance(side.get("values"), Mapping)
    }
    return [
        pod
        for pod in pods
        if (pod["metadata"].get("namespace"), labels_of(pod).get(CLUSTER_LABEL)) in names and _counts(pod)
    ]


def _uids(pods: Iterable[Object]) -> set[str]:
    return {pod["metadata"]["uid"] for pod in pods}


def _group_of(pod: Object) -> str:
    group = str(labels_of(pod).get(GROUP_LABEL))
    return "head" if group == HEAD_GROUP else group


def _counts(pod: Object) -> bool:
    """Whether a pod takes room, or is to."""
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


# --- Whether it fits ------------------------------------------------------------------


def fit_of(change: Change, room: Room) -> Fit | None:
    """Whether the nodes have room for what comes; None where nothing does."""
    if not change.coming:
        return None
    best, worst = (_Nodes(room, change, best=best) for best in (True, False))
    notes = [
        f"{note}; the nodes have {_amounts_of(change, what, room)}" for what, note in change.notes.items()
    ]
    lacking = list(_lacking(change.coming, best))
    if lacking:
        said = {text: [one.what for one, about in lacking if one and about == text] for _, text in lacking}
        why = [*notes, *(f"{first_few(some)}: {text}" if some else text for text, some in said.items())]
        growth = [
            growth_for(one.pod if one else None, room.node_pools, room.autoscaler_status)
            for one, _ in lacking
        ]
        return _lacks(why, growth, change)
    if not worst.hold(change.coming):
        doubts = change.unsure or [
            "it hangs on where the scheduler puts each pod, and on which pods wait or go meanwhile"
        ]
        return Fit(answer="cannot tell", why=[*notes, *doubts])
    if also := sorted({reason for one in change.coming for reason in _also_decides(one.pod)}):
        why = [*notes, f"the nodes have room, but {first_few(also)} may say otherwise"]
        return Fit(answer="cannot tell", why=why)
    return Fit(answer="fits", why=notes)


def _lacks(why: list[str], growth: Sequence[Growth], change: Change) -> Fit:
    doubts = list(change.unsure)
    if any((one.pod.get("priorityClassName") or one.pod.get("priority")) for one in change.coming):
        doubts.append("whether pods of a lower priority go for it")
    said = list(dict.fromkeys(one.text for one in growth if one.text))
    may_come = all(one.may_come for one in growth)
    return Fit(answer="cannot tell" if may_come or doubts else "does not fit", why=[*why, *said, *doubts])


class _Nodes:
    """The nodes, and what is free on each."""

    def __init__(self, room: Room, change: Change, *, best: bool) -> None:
        """``best``: pods that may leave have left, and waiting pods do not compete;
        otherwise none has left, and waiting pods are placed first.
        """
        self.nodes = room.nodes
        self._has = [allocatable(node) for node in room.nodes]
        self.free = [dict(amounts) for amounts in self._has]
        names = {node["metadata"]["name"]: number for number, node in enumerate(room.nodes)}
        waiting: list[Coming] = []
        for pod in filter(_counts, room.pods):
            uid, spec = pod["metadata"]["uid"], pod["spec"]
            may_go = (
                uid in change.may_leave
                or pod["metadata"].get("deletionTimestamp")
                or int(spec.get("priority") or 0) < 0
            )
            if uid in change.leaves or (best and may_go):
                continue
            if (number := names.get(spec.get("nodeName"))) is not None:
                _take(self.free[number], requests_of(spec))
            elif not spec.get("nodeName") and not spec.get("schedulingGates") and not best:
                waiting.append(Coming("", 1, spec))
        for one in waiting:
            self._place(one, self.free, spread=True)

    def takers(self, one: Coming) -> list[int]:
        """The nodes that would take such a pod."""
        return [number for number, node in enumerate(self.nodes) if keeps_out(node, one.pod) is None]

    def hold(self, coming: Sequence[Coming]) -> bool:
        """Whether all pods find room, both where the scheduler spreads them and where
        it packs them.
        """
        if sum(one.pods for one in coming) > _MANY:
            return False
        largest_first = sorted(
            coming,
            key=lambda one: [one.requests.get(name, _NONE) for name in ("cpu", "memory")],
            reverse=True,
        )
        for some, spread in ((coming, True), (largest_first, False)):
            free = [dict(amounts) for amounts in self.free]
            if not all(self._place(one, free, spread=spread) for one in some):
                return False
        return True

    def _place(self, one: Coming, free: list[Amounts], *, spread: bool) -> bool:
        sign = -1 if spread else 1
        able = [
            (sign * self._share(number, free), number)
            for number in self.takers(one)
            if times(free[number], one.requests)
        ]
        heapify(able)
        for _ in range(one.pods):
            if not able:
                return False
            _, number = heappop(able)
            _take(free[number], one.requests)
            if times(free[number], one.requests):
                heappush(able, (sign * self._share(number, free), number))
        return True

    def _share(self, number: int, free: list[Amounts]) -> Decimal:
        """How much of a node is free, of CPU and memory alike."""
        has = self._has[number]
        return sum(
            (free[number].get(name, _NONE) / has[name] for name in ("cpu", "memory") if has.get(name)), _NONE
        )


def _take(free: Amounts, requests: Amounts) -> None:
    for name, amount in requests.items():
        free[name] = free.get(name, _NONE) - amount


def times(free: Amounts, requests: Amounts) -> int:
    """How many such pods a node has room for."""
    return min(
        (int(max(free.get(name, _NONE), _NONE) // amount) for name, amount in requests.items() if amount),
        default=0,
    )


def _lacking(coming: Sequence[Coming], nodes: _Nodes) -> Iterator[tuple[Coming | None, str]]:
    """What fits in no way: pods of one shape, or all of them together."""
    takers = {id(one): nodes.takers(one) for one in coming}
    short = False
    for one in coming:
        room = sum(times(nodes.free[number], one.requests) for number in takers[id(one)])
        if room < one.pods:
            short = True
            nobody = _nobody(one, nodes.nodes) if not room else None
            yield (
                one,
                nobody
                or f"{counted(one.pods, 'pod')} of {_readable(one.requests)} come, the nodes have room for"
                f" {room}",
            )
    if short:
        return
    for name in dict.fromkeys(name for one in coming for name in one.requests):
        asking = [one for one in coming if one.requests.get(name)]
        numbers = {number for one in asking for number in takers[id(one)]}
        asked = sum((one.pods * one.requests[name] for one in asking), _NONE)
        free = sum((max(nodes.free[number].get(name, _NONE), _NONE) for number in numbers), _NONE)
        if free < asked:
            have = f"the nodes that take it have {_amount(name, free)} free"
            yield None, f"all that comes asks for {_amount(name, asked)}, {have}"
            return


def _nobody(one: Coming, nodes: Sequence[Object]) -> str | None:
    """Why no node takes such a pod, even an empty one; None where one would."""
    reasons = [keeps_out(node, one.pod) for node in nodes]
    if reasons and all(reasons):
        (reason, count), *_ = Counter(reasons).most_common(1)
        which = "all" if count == len(nodes) else f"{count} of"
        return (
            "no node takes them:"
            f" {f'{which} {len(nodes)} nodes are' if len(nodes) > 1 else 'the only node is'} {reason}"
        )
    never = no_node_will_do({"spec": one.pod}, nodes) if nodes else "there is none"
    return f"no node takes them: {f'each {never}' if nodes else never}" if never else None


def _also_decides(pod: Object) -> Iterator[str]:
    """What the scheduler looks at beside room, labels and taints."""
    affinity: Object = pod.get("affinity") or {}
    for key, what in (
        ("podAffinity", "its affinity to other pods"),
        ("podAntiAffinity", "its anti-affinity to other pods"),
    ):
        if (affinity.get(key) or {}).get("requiredDuringSchedulingIgnoredDuringExecution"):
            yield what
    if any(
        each.get("whenUnsatisfiable") != "ScheduleAnyway"
        for each in pod.get("topologySpreadConstraints") or []
    ):
        yield "its topology spread"
    volumes: Any = pod.get("volumes") or []
    if isinstance(volumes, str) or any(
        "persistentVolumeClaim" in volume or "ephemeral" in volume for volume in volumes
    ):
        yield "where its volumes are"
    if any(port.get("hostPort") for container in pod["containers"] for port in container.get("ports") or []):
        yield "a port of the node's own"
    if pod.get("resourceClaims"):
        yield "a claim for devices"
    if pod.get("schedulerName", "default-scheduler") != "default-scheduler" or pod.get("schedulingGates"):
        yield "another scheduler"


# --- In words -------------------------------------------------------------------------


def _amounts_of(change: Change, what: str, room: Room) -> str:
    """What the nodes that take a service's pods have in all, of what these ask for."""
    coming = [one for one in change.coming if one.what.endswith(f" of {what}")]
    able = [node for node in room.nodes if any(keeps_out(node, one.pod) is None for one in coming)]
    return _named(
        _telling(_total((one.pods, one.requests) for one in coming)),
        add_amounts(map(allocatable, able)),
    )


def _total(each: Iterable[tuple[int, Amounts]]) -> Amounts:
    return add_amounts({name: pods * amount for name, amount in amounts.items()} for pods, amounts in each)


def _telling(amounts: Amounts) -> list[str]:
    """What a reviewer asks about first: devices, or else CPU and memory."""
    return [name for name in amounts if is_device(name) and amounts[name]] or ["cpu", "memory"]


def _named(names: Iterable[str], amounts: Amounts) -> str:
    return " and ".join(_amount(name, amounts.get(name, _NONE)) for name in names)


def _readable(requests: Amounts) -> str:
    """``1 GPU, 4 CPU and 16G memory``"""
    devices = [name for name in requests if is_device(name) and requests[name]]
    asked = [_amount(name, requests[name]) for name in (*devices, "cpu", "memory") if requests.get(name)]
    return and_list(asked or ["nothing"])


def _amount(name: str, amount: Decimal) -> str:
    if name == "cpu":
        return f"{amount.normalize():f} CPU"
    if name == "memory":
        return f"{_memory(amount)} memory"
    if name == "pods":
        return counted(int(amount), "pod")
    if name.endswith("/gpu"):
        return f"{amount:f} {'GPU' if amount == 1 else 'GPUs'}"
    return f"{amount:f} {name}"


def _memory(amount: Decimal) -> str:
    """Exact where that is short."""
    exact = add_quantities([f"{amount:f}"])
    return exact if len(exact) <= 6 else f"{round(amount / 10**9, 1).normalize():f}G"
