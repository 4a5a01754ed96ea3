"""A component's options hold for all that it makes, as with any component
of Pulumi's.
"""

import asyncio
import contextvars
import importlib
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pulumi
import pytest
from pulumi.runtime.mocks import MockMonitor
from pulumi_kubernetes import Provider

from components.cluster import RayCluster
from components.job import RayJob
from components.metrics import Metrics
from components.namespace import Namespace
from components.operator import Operator
from components.resources.providers import connection_of
from components.resources.recovery import recover_from_killed_runs
from components.service import RayService
from kuberay.checks.loading import load_plan
from kuberay.facts.chart_source import ChartSource
from kuberay.live.api.connection import Connection
from kuberay.plan.stack import StackPlan
from tests.stack_config import as_config

#: All that hooks, waits and warnings do at a cluster.
REQUESTS = """crds.upgrade.bring_to_version other_operators.refuse_beside_others
patches.ask_for_no_token patches.bring_serve_service patches.free_services
patches.mark_complete patches.read_replicas patches.restore_replicas takeover.actions.take_over_install
takeover.actions.take_over_object takeover.actions.take_over_upgrade waiting.deployment.wait_for_deployment
waiting.pods.old_pods waiting.pods.wait_for_group waiting.workloads.wait_for_job
waiting.workloads.wait_for_schedule waiting.workloads.wait_for_service""".split()

#: Which cluster the stack's config names.
DEFAULT = Connection(context="default")
EXPLICIT = Connection(kubeconfig="that of the east", context="east")


def everything() -> StackPlan:
    """A stack that makes at least one of each kind of resource."""
    redis = {"redisAddress": "redis:6379", "redisPassword": {"value": "opensesame-opensesame"}}
    settings = {
        "kuberayVersion": "1.6.2",
        "rayVersion": "2.52.0",
        "quota": {"pods": 99},
        "limitRange": {"max": {"cpu": 64}},
        "metrics": {"enabled": True, "dashboards": True, "alerts": True},
        "clusters": {
            "ray": {"autoscaling": {}, "worker": {"maxReplicas": 1}, "gcsFaultTolerance": redis},
            "kept": {"upgradeStrategy": "None", "rayVersion": "2.46.0"},
        },
        "jobs": {
            "on-it": {"entrypoint": "python x.py", "cluster": "ray"},
            "alone": {"entrypoint": "python x.py", "rayCluster": {"gcsFaultTolerance": redis}},
            "nightly": {"entrypoint": "python x.py", "schedule": "@daily", "ownToken": True},
        },
        "services": {
            "chat": {
                "serveConfig": {"applications": [{"import_path": "chat:app"}]},
                "upgradeStrategy": "None",
                "rayCluster": {"gcsFaultTolerance": redis},
            }
        },
    }
    return load_plan(
        as_config(settings), secret_keys=["kuberay:clusters", "kuberay:jobs", "kuberay:services"]
    )


PLAN = everything()


def components(opts: pulumi.ResourceOptions | None) -> None:
    """All of the program's components, each with these options."""
    namespace = Namespace(PLAN.namespace, opts)
    operator = Operator(PLAN.operator, namespace, opts)
    clusters = {
        name: RayCluster(name, plan, namespace, operator, opts) for name, plan in PLAN.clusters.items()
    }
    for name, job in PLAN.jobs.items():
        RayJob(name, job, namespace, operator, clusters, opts)
    for name, service in PLAN.services.items():
        RayService(name, service, namespace, operator, opts)
    assert PLAN.metrics
    Metrics(PLAN.metrics, namespace, opts)


class Monitor(MockMonitor):
    """Keeps what is registered, as the engine is asked for it, in the order of the
    requests.
    """

    def __init__(self) -> None:
        super().__init__(Answers())
        self.registered: list[Any] = []
        #: Another one a run: a stack keeps its transformations.
        self.context = contextvars.Context()

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the SDK's name
        if request.type != "pulumi:pulumi:Stack":
            self.registered.append(request)
        return super().RegisterResource(request)

    @property
    def components(self) -> list[Any]:
        return [request for request in self.registered if request.type.startswith("kuberay:components:")]

    @property
    def children(self) -> list[Any]:
        kinds = ("kubernetes:", "pulumi:index:Stash")
        return [request for request in self.registered if request.type.startswith(kinds)]


class Answers(pulumi.runtime.Mocks):
    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[Any, Any]]:
        return f"{args.name}-id", args.inputs

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"the components call nothing, but called {args.token}")


def run(program: Callable[[], object], *, preview: bool = True) -> Monitor:
    """Runs a program to its end."""
    monitor = Monitor()

    @pulumi.runtime.test
    def whole() -> None:
        program()

    def in_context() -> None:
        asyncio.set_event_loop(asyncio.new_event_loop())
        pulumi.runtime.set_mocks(monitor.mocks, "kuberay", "test", preview=preview, monitor=monitor)
        whole()

    monitor.context.run(in_context)
    return monitor


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Connection]]:
    """What has been asked, and of which cluster. The stack's config names one of its
    own.
    """
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps({"kubernetes:context": DEFAULT.context}))
    asked: list[tuple[str, Connection]] = []

    def keep(name: str, given: Any) -> None:
        asked.append((name, given if isinstance(given, Connection) else given.connection))

    for request in REQUESTS:
        path, _, name = request.rpartition(".")

        async def later(given: Any, *_: Any, name: str = name, **__: Any) -> str:
            keep(name, given)
            return "its-cluster"

        async def replicas(given: Any, *_: Any, name: str = name) -> dict[str, int]:
            keep(name, given)
            return {}

        def pods(given: Any, *_: Any, name: str = name, **__: Any) -> dict[str, int]:
            keep(name, given)
            return {}

        standing_in = {"old_pods": pods, "read_replicas": replicas}.get(name, later)
        monkeypatch.setattr(importlib.import_module(f"kuberay.live.{path}"), name, standing_in)

    def knows_kind(given: Connection, _: str, kind: str) -> bool:
        keep(f"knows {kind}", given)
        return True

    async def check_chart(_: ChartSource) -> None:
        """Of a repository, and no cluster's."""

    monkeypatch.setattr("kuberay.live.prometheus_operator.knows_kind", knows_kind)
    monkeypatch.setattr("kuberay.live.charts.contents.check_chart", check_chart)
    return asked


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> dict[str, pulumi.ResourceHook]:
    """The hooks of the program, by name."""
    made: dict[str, pulumi.ResourceHook] = {}

    class Kept(pulumi.ResourceHook):
        def __init__(self, name: str, *given: Any) -> None:
            super().__init__(name, *given)
            assert name not in made
            made[name] = self

    monkeypatch.setattr(pulumi, "ResourceHook", Kept)
    return made


def run_hooks(monitor: Monitor, hooks: dict[str, pulumi.ResourceHook]) -> None:
    """Runs each hook of each resource, as `up` does that makes or changes it."""

    async def each() -> None:
        for request in monitor.children:
            of_it = {*request.hooks.before_create, *request.hooks.before_update, *request.hooks.after_update}
            for name in of_it & hooks.keys():
                running = hooks[name](pulumi.ResourceHookArgs("", "", request.name, request.type))
                assert running
                await running

    monitor.context.run(lambda: asyncio.run(each()))


def explicit_provider() -> Provider:
    return Provider("east", kubeconfig=pulumi.Output.secret("that of the east"), context="east")


# --- Each option ----------------------------------------------------------------------


def test_without_options_components_lie_in_the_stack_and_their_children_in_them() -> None:
    monitor = run(lambda: components(None))
    assert {request.parent.rpartition("::")[2] for request in monitor.components} == {"kuberay-test"}
    parents = {request.parent.split("::")[2].rpartition("$")[2] for request in monitor.children}
    assert parents == {request.type for request in monitor.components}
    assert not any(request.protect or request.provider or request.aliases for request in monitor.registered)


def test_a_parent_holds_the_components_and_they_hold_their_children() -> None:
    def program() -> None:
        components(pulumi.ResourceOptions(parent=pulumi.ComponentResource("my:own:Platform", "platform")))

    monitor = run(program)
    assert {request.parent.rpartition("::")[2] for request in monitor.components} == {"platform"}
    for request in monitor.children:
        assert request.parent.split("::")[2].startswith("my:own:Platform$kuberay:components:")


def test_a_protected_component_protects_all_that_it_makes() -> None:
    monitor = run(lambda: components(pulumi.ResourceOptions(protect=True)))
    assert [request.name for request in monitor.registered if not request.protect] == []


@pytest.mark.parametrize("given", ["provider", "providers", "its parent"])
def test_all_that_a_component_makes_in_kubernetes_is_made_with_its_provider(given: str) -> None:
    def program() -> None:
        provider = explicit_provider()
        of_parent = pulumi.ResourceOptions(providers=[provider])
        parent = pulumi.ComponentResource("my:own:Platform", "platform", None, of_parent)
        components(
            {
                "provider": pulumi.ResourceOptions(provider=provider),
                "providers": pulumi.ResourceOptions(providers=[provider]),
                "its parent": pulumi.ResourceOptions(parent=parent),
            }[given]
        )

    made = [request for request in run(program).children if request.type.startswith("kubernetes:")]
    assert {request.provider.rpartition("::")[2] for request in made} == {"east-id"}


def test_the_engine_is_told_the_aliases_of_a_component_from_which_it_derives_its_childrens() -> None:
    aliases = [pulumi.Alias(parent=pulumi.ROOT_STACK_RESOURCE)]
    monitor = run(lambda: components(pulumi.ResourceOptions(aliases=aliases)))
    for request in monitor.components:
        assert [alias.spec.noParent for alias in request.aliases] == [True]
    # It goes by a child's parent, and by a name that begins with the parent's.
    names = {request.name for request in monitor.components}
    assert {request.parent.rpartition("::")[2] for request in monitor.children} <= names


def test_a_component_of_another_name_names_its_children_after_itself_and_its_helm_release_as_planned() -> (
    None
):
    def program() -> None:
        namespace = Namespace(PLAN.namespace)
        RayCluster("blue", PLAN.clusters["kept"], namespace, Operator(PLAN.operator, namespace))

    made = {request.name: request for request in run(program).children}
    assert {"blue", "blue.head.pods", "blue.workergroup.pods"} <= made.keys()
    assert made["blue"].object["name"] == "kept"


# --- What is waited for ---------------------------------------------------------------


class Slow(Answers):
    """Takes a while to make what others wait for."""

    def __init__(self, made: list[str]) -> None:
        self._made = made

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[Any, Any]]:
        if args.name == "first":
            time.sleep(0.1)
        self._made.append(args.name)
        return super().new_resource(args)


def made_in_order(
    monkeypatch: pytest.MonkeyPatch, program: Callable[[pulumi.ResourceOptions], object]
) -> list[str]:
    """In which order a program's resources are made, where its components depend on one
    that takes a while.
    """
    made: list[str] = []
    monkeypatch.setitem(globals(), "Answers", lambda: Slow(made))
    run(lambda: program(pulumi.ResourceOptions(depends_on=[pulumi.CustomResource("my:own:Bucket", "first")])))
    return made


def test_nothing_is_made_before_what_its_component_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    made = made_in_order(monkeypatch, components)
    assert made[0] == "first"
    assert len(made) > 30


def test_what_a_namespace_that_makes_nothing_depends_on_comes_before_all_that_lies_in_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    empty = replace(PLAN.namespace, manifest=None, rules=())

    def program(opts: pulumi.ResourceOptions) -> None:
        Operator(PLAN.operator, Namespace(empty, opts))

    made = made_in_order(monkeypatch, program)
    assert made.index("first") < made.index("kuberay-operator.deployment")
    assert made.index("first") < len(made) - 1 - made[::-1].index("kuberay-operator")


def test_services_are_freed_where_the_operators_release_changes_alone(
    asked: list[tuple[str, Connection]], hooks: dict[str, pulumi.ResourceHook]
) -> None:
    monitor = run(lambda: Operator(PLAN.operator, Namespace(PLAN.namespace)), preview=False)
    assert [name for name, _ in asked] == ["wait_for_deployment"]
    run_hooks(monitor, hooks)
    assert "free_services" in [name for name, _ in asked]


@pytest.mark.parametrize("preview", [True, False])
def test_monitors_and_rules_are_made_unasked_where_what_they_depend_on_may_bring_their_kinds(
    asked: list[tuple[str, Connection]], *, preview: bool
) -> None:
    def program(opts: pulumi.ResourceOptions | None) -> None:
        assert PLAN.metrics
        Metrics(PLAN.metrics, Namespace(PLAN.namespace), opts)

    run(lambda: program(None), preview=preview)
    assert asked == [("knows PodMonitor", DEFAULT), ("knows PrometheusRule", DEFAULT)]
    asked.clear()

    def after_its_operator() -> None:
        program(pulumi.ResourceOptions(depends_on=[pulumi.CustomResource("my:own:Prometheus", "prometheus")]))

    monitor = run(after_its_operator, preview=preview)
    assert asked == []
    assert [request.name for request in monitor.children if "monitoring.coreos.com" in request.type] == [
        "ray-test.metrics",
        "kuberay-operator-test.metrics",
        "ray-test.alerts",
    ]


# --- Which cluster is asked -----------------------------------------------------------


def test_without_a_provider_the_cluster_of_the_stacks_config_is_asked(
    asked: list[tuple[str, Connection]], hooks: dict[str, pulumi.ResourceHook]
) -> None:
    def program() -> None:
        recover_from_killed_runs(1)
        components(None)

    run_hooks(run(program, preview=False), hooks)
    assert {connection for _, connection in asked} == {DEFAULT}
    every = {request.rpartition(".")[2] for request in REQUESTS}
    assert {name for name, _ in asked} == every | {"knows PodMonitor", "knows PrometheusRule"}


def test_with_a_provider_its_cluster_is_asked_and_no_other(
    asked: list[tuple[str, Connection]], hooks: dict[str, pulumi.ResourceHook]
) -> None:
    def program() -> None:
        recover_from_killed_runs(1)
        components(pulumi.ResourceOptions(provider=explicit_provider()))

    run_hooks(run(program, preview=False), hooks)
    assert {connection for _, connection in asked} == {EXPLICIT}
    assert {name for name, _ in asked} == {request.rpartition(".")[2] for request in REQUESTS}


def test_each_object_is_looked_at_in_the_cluster_of_its_own_provider(
    asked: list[tuple[str, Connection]], hooks: dict[str, pulumi.ResourceHook]
) -> None:
    def program() -> None:
        recover_from_killed_runs(1)
        provider = explicit_provider()
        components(None)
        for name, opts in {
            "a": pulumi.ResourceOptions(provider=provider),
            "b": pulumi.ResourceOptions(providers={"kubernetes": provider}),
        }.items():
            pulumi.CustomResource("kubernetes:core/v1:ConfigMap", name, {"metadata": {"name": name}}, opts)

    monitor = run(program, preview=False)
    asked.clear()
    run_hooks(monitor, hooks)
    assert [connection for name, connection in asked if name == "take_over_object"].count(EXPLICIT) == 2
    assert {connection for name, connection in asked if name != "take_over_object"} == {DEFAULT}


def test_a_preview_asks_nothing_of_a_cluster_that_it_does_not_know(
    asked: list[tuple[str, Connection]], hooks: dict[str, pulumi.ResourceHook]
) -> None:
    monitor = run(lambda: components(pulumi.ResourceOptions(provider=explicit_provider())))
    on_dry_run = {name: hook for name, hook in hooks.items() if hook.opts and hook.opts.on_dry_run}
    assert on_dry_run.keys() == {"kuberay-operator.crds-are-of-its-version"}
    run_hooks(monitor, on_dry_run)
    assert asked == []


def test_a_provider_that_was_made_elsewhere_is_refused_for_its_cluster_cannot_be_known() -> None:
    def program() -> None:
        reference = "urn:pulumi:test::kuberay::pulumi:providers:kubernetes::east::east-id"
        connection_of(pulumi.resource.DependencyProviderResource(reference))

    with pytest.raises(pulumi.RunError) as refused:
        run(program)
    expected = "it has to be a pulumi_kubernetes.Provider that this program makes"
    assert str(refused.value) == f"the cluster of the Kubernetes provider cannot be known: {expected}"
