"""Looks at one stack and its cluster, each part after those that it depends on."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from functools import partial
from typing import Any

from commands.doctor import judge
from commands.doctor.finding import Finding
from commands.stack.cli import PROGRAM, Pulumi, StackConfig, StackError
from commands.stack.state import read_seal, read_state
from kuberay.checks.advice import stack_advice
from kuberay.checks.loading import SettingsError, is_sealed, load_plan
from kuberay.facts.charts import OPERATOR_RELEASE
from kuberay.facts.labels import VERSION_ANNOTATION
from kuberay.facts.objects import Object
from kuberay.facts.phrases import error_line, one_line
from kuberay.live.api.client import ApiError, AsyncClient, HTTPError, connect, refusal
from kuberay.live.api.kinds import RayJob, RayService
from kuberay.live.crds.later_versions import look_at_later_version
from kuberay.live.crds.upgrade import NAMES, OF_EACH_VERSION
from kuberay.live.diagnosis.diagnoser import Diagnoser
from kuberay.live.diagnosis.workloads import Verdict, job_verdict, schedule_text, service_verdict
from kuberay.live.inventory import Cluster, of_stack
from kuberay.live.prometheus_operator import unknown_kind
from kuberay.live.takeover.rules import is_gone
from kuberay.live.wait_loop import NotUpError
from kuberay.live.waiting.deployment import look_at_deployment
from kuberay.live.waiting.pods import look_at_group
from kuberay.live.waiting.targets import WorkloadTarget, group_target
from kuberay.live.waiting.workloads import look_at_schedule, look_at_workload, why_it_failed
from kuberay.live.watch import NamespaceView, namespace_view
from kuberay.plan.cluster import ClusterPlan
from kuberay.plan.memory import cluster_memory
from kuberay.plan.stack import StackPlan, seal_stack
from kuberay.settings.stack import PROJECT, StackSettings

#: An API server that has not answered in this time, in seconds, does not answer.
_PATIENCE = 10.0


class Examination:
    """Of one stack. Changes nothing."""

    def __init__(self, pulumi: Pulumi) -> None:
        self._pulumi = pulumi

    async def findings(self) -> AsyncIterator[Finding]:
        """All there is to say, as it is found out."""
        try:
            deployment: dict[str, Any] = self._pulumi.ask("stack", "export")["deployment"]
        except StackError as error:
            text = f"cannot be read: {one_line(error)}"
            yield Finding("wrong", "stack", text, "`pulumi stack ls` lists those that there are")
            return
        self._state = read_state(deployment)
        #: Nothing has to be there yet.
        self._fresh = self._state.is_empty
        if self._fresh:
            yield Finding("warning", "stack", "has made nothing yet", "`pulumi up`")
        else:
            yield Finding("ok", "stack", f"{self._state.size} resources")
        for found in judge.pending_operations(deployment):
            yield found
        try:
            config = self._pulumi.config()
        except StackError as error:
            yield Finding("wrong", "settings", f"cannot be read: {one_line(error)}")
            yield Finding("unknown", "cluster", "which one it is stands in the settings")
            return
        self._plan: StackPlan | None = None
        for found in self._read_settings(config):
            yield found
        async for found in self._in_cluster(config):
            yield found.without_values() if config.keeps_secrets else found

    def _read_settings(self, config: StackConfig) -> Iterator[Finding]:
        try:
            self._plan = load_plan(config.values, secret_keys=config.secret_keys, project_folder=PROGRAM)
        except SettingsError as error:
            yield from (Finding("wrong", "settings", line) for line in error.problems)
            return
        if self._state.has_key and is_sealed(self._plan, config.secret_keys):
            self._plan = seal_stack(
                self._plan, read_seal(self._pulumi.ask("stack", "export", "--show-secrets")["deployment"])
            )
        yield Finding("ok", "settings", "are in order")
        if later := look_at_later_version(self._plan, PROGRAM):
            yield from (Finding("wrong", "version", line) for line in later.problems)
            if not later.problems:
                yield Finding("warning", "version", later.remark)
        is_encrypted = f"{PROJECT}:chartRepository" in config.secret_keys
        for about, line in stack_advice(self._plan, repository_is_encrypted=is_encrypted):
            yield Finding("warning", about, line)

    # --- The cluster ------------------------------------------------------------------

    async def _in_cluster(self, config: StackConfig) -> AsyncIterator[Finding]:
        try:
            self._connection = config.connection()
            _answers(Cluster(self._connection, patience=0))
            self._cluster = Cluster(self._connection)
        except Exception as error:
            text = f"does not answer: {error_line(error)}"
            advice = (
                "check kubernetes:context and kubernetes:kubeconfig of the stack, and whether the cluster"
                " runs"
            )
            yield Finding("wrong", "cluster", text, advice)
            yield Finding("unknown", "operator, releases, pods", "the cluster cannot be asked")
            return
        yield Finding("ok", "cluster", "answers")
        for namespace in sorted({self._settings.namespace} if self._settings else self._state.namespaces):
            async for found in self._in_namespace(namespace):
                yield found

    async def _in_namespace(self, namespace: str) -> AsyncIterator[Finding]:
        client = connect(self._connection, namespace, timeout=_PATIENCE)
        diagnoser = Diagnoser(client, namespace, at_once=True)
        try:
            more_may_come = await diagnoser.nodes_may_come()
            gone = False
            for what, check in (
                (
                    "nodes",
                    lambda: judge.nodes(
                        self._cluster.list("v1", "Node"), self._settings, more_may_come=more_may_come
                    ),
                ),
                ("CRDs", self._crds),
                ("namespace", lambda: self._namespace(namespace)),
                ("objects that are being deleted", lambda: self._held(namespace)),
                ("Helm releases", lambda: self._releases(namespace)),
                ("quota", lambda: judge.quotas(self._cluster.list("v1", "ResourceQuota", namespace))),
            ):
                # Of a namespace that is gone, or goes, only what holds it is of
                # interest.
                if gone and what != "objects that are being deleted":
                    return
                for found in _as_far_as_known(what, check):
                    yield found
                    gone = gone or (what == "namespace" and found.mark == "wrong")
            plan = self._plan
            if plan is None:
                text = "what they should be cannot be told before the settings are repaired"
                yield Finding("unknown", "operator, pods", text)
                return
            if self._fresh or not self._has_crds():
                return
            view = namespace_view(self._connection, namespace)
            await view.until_listed(_PATIENCE)
            for part in (
                self._operator(plan, client, diagnoser),
                self._pods(plan, view, diagnoser),
                self._workloads(plan, view, diagnoser),
            ):
                async for found in part:
                    yield found
        except (ApiError, HTTPError, NotUpError) as error:
            yield Finding("unknown", "the rest", one_line(error))
        finally:
            await client.close()

    def _namespace(self, name: str) -> Iterator[Finding]:
        found = self._cluster.get({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        if found or not self._fresh:
            yield judge.namespace(
                name, found, in_state=any(made.name == name for made in self._state.namespace_objects)
            )

    def _crd(self, name: str) -> Object | None:
        crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
        return self._cluster.get({**crd, "metadata": {"name": name}})

    def _has_crds(self) -> bool:
        try:
            return self._crd(NAMES[0]) is not None
        except ApiError:  # This account may not read them; what they are of, it may.
            return True

    def _crds(self) -> Iterator[Finding]:
        settings = self._settings
        if settings is None:
            return
        if settings.metrics.enabled and self._crd("podmonitors.monitoring.coreos.com") is None:
            yield Finding("warning", "metrics", unknown_kind("PodMonitor"))
        if settings.metrics.alerts and self._crd("prometheusrules.monitoring.coreos.com") is None:
            yield Finding("warning", "metrics", unknown_kind("PrometheusRule"))
        if not settings.operator.install:
            return
        installed = [
            str(made.inputs.get("version"))
            for made in self._state.made
            if made.is_release and made.name == OPERATOR_RELEASE
        ]
        there = {name: found for name in NAMES if (found := self._crd(name))}
        missing = [name for name in OF_EACH_VERSION if name not in there]
        if missing and installed:
            lost = "was deleted by hand, and every such object with it"
            yield Finding("wrong", f"CRD {', '.join(missing)}", lost, "`make destroy`, then `pulumi up`")
            return
        if installed:
            versions = {
                name: (found["metadata"].get("annotations") or {}).get(VERSION_ANNOTATION)
                for name, found in there.items()
            }
            yield judge.crds(versions, settings.kuberay_version, installed[0])

    def _releases(self, namespace: str) -> Iterator[Finding]:
        made = {made.name for made in self._state.made if made.is_release and made.namespace == namespace}
        wanted = (
            made
            if self._settings is None
            else {*self._settings.clusters, *([OPERATOR_RELEASE] if self._settings.operator.install else [])}
        )
        for name in sorted(made | wanted, key=lambda name: (name != OPERATOR_RELEASE, name)):
            records = self._cluster.records(namespace, name)
            if records or not self._fresh:
                adopted = self._plan.adopted.get(name) if self._plan else None
                yield judge.helm_release(
                    name,
                    records,
                    self._pulumi.mark,
                    in_state=name in made,
                    wanted=name in wanted,
                    adopted=adopted,
                )

    def _held(self, namespace: str) -> Iterator[Finding]:
        ours = of_stack(self._cluster.ray_objects(namespace), self._pulumi.mark, self._state.releases)
        installed = self._state.has_release(OPERATOR_RELEASE)
        if any(obj["metadata"].get("deletionTimestamp") for obj in ours):
            yield from judge.held_objects(
                ours, operator_runs=self._cluster.operator_runs(namespace, installed=installed)
            )

    # --- What `up` waits for, looked at once ------------------------------------------

    async def _operator(
        self, plan: StackPlan, client: AsyncClient, diagnoser: Diagnoser
    ) -> AsyncIterator[Finding]:
        namespace, name = plan.settings.namespace, plan.operator.deployment
        if not plan.settings.operator.install:
            for found in _as_far_as_known("operator", lambda: self._operator_of_others(namespace)):
                yield found
            return
        state = await look_at_deployment(client, name, namespace, diagnoser)
        if state is None:
            if self._state.has_release(OPERATOR_RELEASE):
                yield Finding("wrong", "operator", is_gone("Deployment", OPERATOR_RELEASE))
            return
        tag = next(iter(state.images), "").rpartition(":")[2]
        wanted = str(plan.operator.values["image"]["tag"])
        if state.wanted == 0:
            text = "is scaled to zero: nobody makes pods, or takes finalizers off"
            start = f"`kubectl scale deployment {name} --namespace {namespace} --replicas=1`"
            yield Finding("wrong", "operator", text, start)
        elif not state.up:
            yield Finding("wrong", "operator", state.cause, judge.remedy(state.trouble))
        elif tag != wanted:
            text = f"{tag} runs, and not {wanted}"
            yield Finding("wrong", "operator", text, "`pulumi up` brings it to that version")
        else:
            yield Finding("ok", "operator", f"runs, {tag}")

    def _operator_of_others(self, namespace: str) -> Iterator[Finding]:
        if self._cluster.operator_runs(namespace, installed=False):
            yield Finding("ok", "operator", "one runs that this stack has not installed")
        else:
            advice = "install one, or set `operator.install: true`"
            yield Finding("wrong", "operator", "none runs that watches this namespace", advice)

    async def _pods(
        self, plan: StackPlan, view: NamespaceView, diagnoser: Diagnoser
    ) -> AsyncIterator[Finding]:
        for release in plan.settings.clusters:
            cluster = plan.clusters[release]
            if found := view.ray_cluster(cluster.name):
                async for line in self._groups(view, diagnoser, cluster, found):
                    yield line
            elif self._state.has_release(release):
                yield Finding("wrong", f"RayCluster {cluster.name}", is_gone("RayCluster", cluster.release))

    async def _groups(
        self, view: NamespaceView, diagnoser: Diagnoser, plan: ClusterPlan, found: Object
    ) -> AsyncIterator[Finding]:
        memory = cluster_memory(plan)
        for group in plan.groups:
            what = f"{plan.name}, {group.name}"
            wait = group_target(plan, group)
            state = await look_at_group(view, wait, found, diagnoser)
            if state.unwanted:
                yield Finding("wrong", what, state.text, "`pulumi up` replaces them")
            elif state.queued:
                yield Finding("warning", what, state.queued, "it starts by itself when there is room")
            elif not state.up:
                yield Finding("wrong", what, f"{state.text}: {state.cause}", judge.remedy(state.trouble))
            elif state.old:
                text = f"{state.text}, {state.old} running an old spec (upgradeStrategy: None)"
                yield Finding("warning", what, text, "delete them, and KubeRay makes new ones")
            else:
                of_each = f"; memory of each {memory[group.name].summary}" if group.name in memory else ""
                yield Finding("ok", what, state.text + of_each)

    async def _workloads(
        self, plan: StackPlan, view: NamespaceView, diagnoser: Diagnoser
    ) -> AsyncIterator[Finding]:
        for name, job in plan.settings.jobs.items():
            wait = WorkloadTarget(plan.settings.namespace, name, _PATIENCE)
            if job.schedule:
                yield await self._schedule(view, diagnoser, wait)
            else:
                yield await self._workload(view, diagnoser, wait, RayJob, job_verdict)
        for name in plan.settings.services:
            wait = WorkloadTarget(plan.settings.namespace, name, _PATIENCE)
            judged = partial(service_verdict, applications=plan.services[name].applications)
            yield await self._workload(view, diagnoser, wait, RayService, judged)

    async def _schedule(self, view: NamespaceView, diagnoser: Diagnoser, wait: WorkloadTarget) -> Finding:
        what = f"RayCronJob {wait.name}"
        schedule, trouble, run = await look_at_schedule(view, wait, diagnoser)
        if schedule is None:
            return Finding("wrong", what, "is not there", "`pulumi up --refresh` makes it")
        if trouble is not None:
            return Finding("wrong", what, trouble.line, judge.remedy(trouble))
        text = schedule_text(schedule, run)
        if run is not None and job_verdict(run).failed:
            return Finding("warning", what, text, "repair it before its next run")
        return Finding("ok", what, text)

    async def _workload(
        self,
        view: NamespaceView,
        diagnoser: Diagnoser,
        wait: WorkloadTarget,
        kind: type[Any],
        judged: Callable[[Object], Verdict],
    ) -> Finding:
        what = f"{kind.__name__} {wait.name}"
        workload, verdict, trouble = await look_at_workload(view, kind, judged, wait, diagnoser)
        if workload is None:
            return Finding("wrong", what, "is not there", "`pulumi up --refresh` makes it")
        if verdict.good:
            return Finding("ok", what, verdict.text)
        if verdict.failed:
            again = "then `pulumi up`"
            if kind is RayJob:
                again = f"repair it; `pulumi up --replace '**RayJob::{wait.name}'` runs it again"
            return Finding("wrong", what, await why_it_failed(view.client, kind, wait, verdict), again)
        if trouble is not None:
            return Finding("wrong", what, f"{verdict.text}: {trouble.line}", judge.remedy(trouble))
        return Finding("warning", what, verdict.text)

    @property
    def _settings(self) -> StackSettings | None:
        """None where they are not in order."""
        return self._plan.settings if self._plan else None


def _answers(cluster: Cluster) -> None:
    try:
        cluster.has_namespace("default")
    except ApiError as error:
        # One that lets an account see only its own namespace answers all the same.
        if error.status.code != 403:
            raise


def _as_far_as_known(what: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """A check's findings, or why they are not known: an account may not read all."""
    try:
        yield from check()
    except ApiError as error:
        yield Finding("unknown", what, f"the API server refuses: {refusal(error)}")
    except HTTPError as error:
        yield Finding("unknown", what, f"the API server does not answer: {one_line(error)}")
