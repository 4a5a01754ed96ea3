"""`up` is killed at some moment, `pulumi cancel` frees the stack, and the next `up`
ends well by itself: nothing twice, nothing lost.
"""

import base64
import gzip
import json
import re
import shlex
from collections.abc import Callable
from tempfile import NamedTemporaryFile
from typing import Any

import pytest

from tests.integration.harness.encrypted import set_secret
from tests.integration.harness.kubernetes import Kubernetes
from tests.integration.harness.operators import BOTH_OPERATORS, MATRIX, NEWEST, OLDEST, ONE_OPERATOR
from tests.integration.harness.stack import Stack


def at(*moments: float, matrix: tuple[float, ...]) -> pytest.MarkDecorator:
    """When a run is killed, as parts of the time that it takes in whole, and further
    moments for `make matrix`, on the other operator.
    """
    cases = [pytest.param(NEWEST, moment) for moment in moments] + [
        pytest.param(OLDEST, moment, marks=MATRIX) for moment in matrix
    ]
    # Without a scope pytest takes the one of `moment`, and makes a cluster for each.
    return pytest.mark.parametrize(("cluster", "moment"), cases, indirect=["cluster"], scope="module")


#: 20 moments. The program itself needs the first fifth.
IN_FIRST_UP = at(0.45, matrix=(0.2, 0.3, 0.35, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8, 0.9))
IN_UPDATE = at(0.55, matrix=(0.4, 0.7, 0.85))


def settings(*, worker_memory: str = "2G", operator_memory: str = "512Mi") -> dict[str, Any]:
    clusters = {"raycluster": {"worker": {"memory": worker_memory}}}
    return {"architecture": "aarch64", "operator": {"memory": operator_memory}, "clusters": clusters}


@pytest.fixture(scope="module")
def first_up_takes(stack: Stack) -> float:
    """Seconds; the first run of all warms the caches and is not measured."""
    up_takes(stack, settings())
    return up_takes(stack, settings())


def up_takes(stack: Stack, wanted: dict[str, Any]) -> float:
    stack.configure(wanted)
    seconds = stack.up_or_fail().seconds
    stack.clear()
    return seconds


WORKLOADS: dict[str, Any] = {
    "jobs": {"train": {"entrypoint": "python main.py", "cluster": "raycluster"}},
    "services": {"chat": {"serveConfig": {"applications": [{"name": "echo", "import_path": "echo:app"}]}}},
}


@pytest.fixture(scope="module")
def workloads_take(stack: Stack) -> float:
    return up_takes(stack, settings() | WORKLOADS)


def update_takes(stack: Stack, before: dict[str, Any], after: dict[str, Any]) -> float:
    stack.configure(before)
    stack.up_or_fail()
    stack.configure(after)
    return stack.up_or_fail().seconds


@pytest.fixture(scope="module")
def new_pods_take(stack: Stack) -> float:
    return update_takes(stack, settings(), settings(worker_memory="3G"))


@pytest.fixture(scope="module")
def new_operator_takes(stack: Stack) -> float:
    return update_takes(stack, settings(), settings(operator_memory="600Mi"))


@pytest.fixture
def converges(stack: Stack, kubernetes: Kubernetes) -> Callable[[dict[str, Any]], None]:
    def check(wanted: dict[str, Any]) -> None:
        stack.cancel()
        stack.up_or_fail()
        deployments = items(kubernetes, "deployments")
        assert [found["metadata"]["name"] for found in deployments] == ["kuberay-operator"]
        limits = deployments[0]["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
        assert limits["memory"] == wanted["operator"]["memory"]
        assert [found["metadata"]["name"] for found in items(kubernetes, "rayclusters")] == [
            "raycluster-kuberay"
        ]
        pods = {pod.kind: (pod.phase, pod.memory) for pod in kubernetes.ray_pods("raycluster-kuberay")}
        worker_memory = wanted["clusters"]["raycluster"]["worker"]["memory"]
        assert pods == {"head": ("Running", "2G"), "worker": ("Running", worker_memory)}
        assert len(kubernetes.ray_pods("raycluster-kuberay")) == 2
        records = {
            (s["metadata"]["labels"]["name"], s["metadata"]["labels"]["status"])
            for s in items(kubernetes, "secrets", "owner=helm")
        }
        assert {record for record in records if record[1] != "superseded"} == {
            ("kuberay-operator", "deployed"),
            ("raycluster", "deployed"),
        }
        assert stack.preview().changes == {}
        assert not [op for op in stack.state().get("pending_operations") or [] if op["type"] != "creating"]

    return check


def items(kubernetes: Kubernetes, kind: str, labels: str = "") -> list[dict[str, Any]]:
    return json.loads(kubernetes.kubectl("get", kind, "-n", "kuberay", "-l", labels, "-o", "json"))["items"]


@IN_FIRST_UP
def test_a_first_up_that_was_killed(
    stack: Stack, converges: Callable[[Any], None], first_up_takes: float, moment: float
) -> None:
    stack.clear()
    stack.configure(settings())
    stack.up_killed_after(first_up_takes * moment)
    converges(settings())


@IN_UPDATE
def test_a_change_of_pods_that_was_killed(
    stack: Stack, converges: Callable[[Any], None], new_pods_take: float, moment: float
) -> None:
    stack.configure(settings())
    stack.up_or_fail()
    wanted = settings(worker_memory="3G")
    stack.configure(wanted)
    stack.up_killed_after(new_pods_take * moment)
    converges(wanted)


@IN_UPDATE
def test_a_change_of_the_operator_that_was_killed(
    stack: Stack,
    kubernetes: Kubernetes,
    converges: Callable[[Any], None],
    new_operator_takes: float,
    moment: float,
) -> None:
    stack.configure(settings())
    stack.up_or_fail()
    before = {pod.uid for pod in kubernetes.ray_pods("raycluster-kuberay")}
    wanted = settings(operator_memory="600Mi")
    stack.configure(wanted)
    stack.up_killed_after(new_operator_takes * moment)
    converges(wanted)
    assert {pod.uid for pod in kubernetes.ray_pods("raycluster-kuberay")} == before


@at(0.55, matrix=(0.4, 0.7, 0.85))
def test_a_first_up_of_a_job_and_a_service_that_was_killed(
    stack: Stack,
    kubernetes: Kubernetes,
    converges: Callable[[Any], None],
    workloads_take: float,
    moment: float,
) -> None:
    stack.clear()
    stack.configure(settings() | WORKLOADS)
    stack.up_killed_after(workloads_take * moment)
    stack.cancel()
    stack.up_or_fail()
    assert [
        (job["metadata"]["name"], job["status"]["jobStatus"]) for job in items(kubernetes, "rayjobs")
    ] == [("train", "SUCCEEDED")]
    (service,) = items(kubernetes, "rayservices")
    assert service["status"]["activeServiceStatus"]["applicationStatuses"]["echo"]["status"] == "RUNNING"
    assert stack.preview().changes == {}
    stack.configure(settings())
    stack.up_or_fail()
    assert kubernetes.eventually(lambda: len(items(kubernetes, "rayclusters")) == 1)
    converges(settings())


@ONE_OPERATOR
def test_a_stack_without_its_state_goes_on_as_the_docs_say(
    stack: Stack, kubernetes: Kubernetes, converges: Callable[[Any], None]
) -> None:
    # A first `up` that was killed before it wrote the state.
    stack.clear()
    stack.configure(settings())
    helm_installs = ("secrets", "-n", "kuberay", "-l", "owner=helm,name=raycluster", "-o", "name")
    with stack.state_at_the_end():
        stack.up_killed_when(lambda: kubernetes.kubectl("get", *helm_installs))
    assert stack.resources() == []
    stack.cancel()
    take_over_as_told(stack, kubernetes)
    converges(settings())

    # A state that is lost.
    running = {pod.uid for pod in kubernetes.ray_pods("raycluster-kuberay")}
    state = stack.state()
    stack.replace_state(state | {"resources": []})
    take_over_as_told(stack, kubernetes)
    converges(settings())
    assert {pod.uid for pod in kubernetes.ray_pods("raycluster-kuberay")} == running


def take_over_as_told(stack: Stack, kubernetes: Kubernetes) -> None:
    refused = stack.up()
    assert not refused.ok
    why = "Namespace kuberay is in use (Deployment kuberay-operator) by a stack that is called"
    assert why in refused.text
    free = "kubectl annotate deployments,rayclusters --all --namespace kuberay kuberay.pulumi/release-"
    assert f"let this one take over what runs: `{free}`" in refused.text
    kubernetes.kubectl(*free.split()[1:])


@pytest.fixture(scope="module")
def destroy_takes(stack: Stack) -> float:
    stack.configure(settings())
    stack.up_or_fail()
    return stack.destroy().seconds


@at(0.6, matrix=(0.5, 0.75, 0.85))
def test_a_destroy_that_was_killed(
    stack: Stack, converges: Callable[[Any], None], destroy_takes: float, up: dict[str, Any], moment: float
) -> None:
    stack.destroy_killed_after(destroy_takes * moment)
    stack.cancel()
    follow_up(stack)
    converges(up)


def follow_up(stack: Stack) -> None:
    """Runs `up`, and what it says is to be done where it finds things gone that the
    state has.
    """
    run = stack.up()
    for _ in range(2):
        if not run.ok:
            (options,) = set(re.findall(r"`pulumi up ([^`]+)`", run.text))
            run = stack.up(*shlex.split(options))
    assert run.ok, run.text


# --- What a kill leaves, made by hand -------------------------------------------------
# A moment of a few milliseconds is not hit by chance.


@pytest.fixture
def up(stack: Stack) -> dict[str, Any]:
    stack.configure(settings())
    stack.up_or_fail()
    return settings()


@pytest.mark.parametrize(
    "status",
    ["pending-install", pytest.param("deployed", marks=MATRIX), pytest.param("failed", marks=MATRIX)],
)
@BOTH_OPERATORS
def test_a_cluster_that_helm_has_and_the_state_has_not(
    stack: Stack, kubernetes: Kubernetes, converges: Callable[[Any], None], up: dict[str, Any], status: str
) -> None:
    before = {pod.uid for pod in kubernetes.ray_pods("raycluster-kuberay")}
    forget_cluster(stack, kubernetes, status)
    converges(up)
    assert {pod.uid for pod in kubernetes.ray_pods("raycluster-kuberay")} == before


@BOTH_OPERATORS
def test_a_cluster_that_was_being_made_from_other_settings(
    stack: Stack, kubernetes: Kubernetes, converges: Callable[[Any], None], up: dict[str, Any]
) -> None:
    forget_cluster(stack, kubernetes, "pending-install")
    wanted = settings(worker_memory="4G")
    stack.configure(wanted)
    converges(wanted)


@BOTH_OPERATORS
def test_a_cluster_with_encrypted_settings_that_helm_has_and_the_state_has_not(
    stack: Stack, kubernetes: Kubernetes, converges: Callable[[dict[str, Any]], None]
) -> None:
    stack.configure(settings())
    set_secret(stack, "clusters.raycluster.head.env.KEY", "opensesame")
    stack.up_or_fail()
    before = {pod.uid for pod in kubernetes.ray_pods("raycluster-kuberay")}
    forget_cluster(stack, kubernetes, "pending-install")
    converges(settings())
    assert {pod.uid for pod in kubernetes.ray_pods("raycluster-kuberay")} == before


@BOTH_OPERATORS
def test_an_upgrade_that_helm_holds_for_unfinished(
    stack: Stack, kubernetes: Kubernetes, converges: Callable[[Any], None], up: dict[str, Any]
) -> None:
    stack.configure(settings(worker_memory="3G"))
    stack.up_or_fail()
    *_, earlier, last = sorted(
        int(s["metadata"]["labels"]["version"])
        for s in items(kubernetes, "secrets", "owner=helm,name=raycluster")
    )
    set_status(kubernetes, "raycluster", earlier, "deployed")
    set_status(kubernetes, "raycluster", last, "pending-upgrade")
    wanted = settings(worker_memory="4G")
    stack.configure(wanted)
    converges(wanted)


@BOTH_OPERATORS
def test_an_operator_that_helm_has_and_the_state_has_not(
    stack: Stack, kubernetes: Kubernetes, converges: Callable[[Any], None], up: dict[str, Any]
) -> None:
    before = {pod.uid for pod in kubernetes.ray_pods("raycluster-kuberay")}
    forget_cluster(stack, kubernetes, "deployed")
    forget(stack, "kuberay-operator", "kuberay-operator.deployment", "dry-run")
    kubernetes.kubectl(
        "annotate", "deployment", "kuberay-operator", "-n", "kuberay", "kuberay.pulumi/release-"
    )
    for secret in items(kubernetes, "secrets", "owner=helm,name=kuberay-operator"):
        set_status(
            kubernetes, "kuberay-operator", int(secret["metadata"]["labels"]["version"]), "pending-install"
        )
    converges(up)
    assert {pod.uid for pod in kubernetes.ray_pods("raycluster-kuberay")} == before


@pytest.mark.parametrize(
    ("release", "main"),
    [
        ("raycluster", "raycluster/raycluster-kuberay"),
        pytest.param("kuberay-operator", "deployment/kuberay-operator", marks=MATRIX),
    ],
)
@pytest.mark.parametrize("has_record", [True, pytest.param(False, marks=MATRIX)])
@BOTH_OPERATORS
def test_a_release_that_a_killed_destroy_has_removed_or_half_removed(
    stack: Stack,
    kubernetes: Kubernetes,
    converges: Callable[[Any], None],
    up: dict[str, Any],
    release: str,
    main: str,
    has_record: bool,
) -> None:
    kubernetes.kubectl("delete", main, "-n", "kuberay")
    for secret in items(kubernetes, "secrets", f"owner=helm,name={release}"):
        if has_record:
            set_status(kubernetes, release, int(secret["metadata"]["labels"]["version"]), "uninstalling")
        else:
            kubernetes.kubectl("delete", "secret", secret["metadata"]["name"], "-n", "kuberay")
    assert not stack.up().ok
    follow_up(stack)
    converges(up)


@ONE_OPERATOR
def test_a_namespace_that_is_there_and_not_in_the_state(
    stack: Stack, kubernetes: Kubernetes, converges: Callable[[Any], None]
) -> None:
    stack.clear()
    kubernetes.kubectl("create", "namespace", "kuberay")
    kubernetes.kubectl("annotate", "namespace", "kuberay", f"kuberay.pulumi/stack=kuberay/{stack.name}")
    stack.configure(settings())
    converges(settings())


@ONE_OPERATOR
def test_a_namespace_of_someone_else_is_refused_and_left_as_it_is(
    stack: Stack, kubernetes: Kubernetes
) -> None:
    stack.clear()
    kubernetes.kubectl("create", "namespace", "kuberay")
    try:
        stack.configure(settings())
        run = stack.up()
        assert not run.ok
        assert any(
            "Namespace kuberay exists already and is of no stack" in line for line in run.text.splitlines()
        ), run.text
        assert "createNamespace: false" in run.text
        assert "Traceback" not in run.text
        metadata = json.loads(kubernetes.kubectl("get", "namespace", "kuberay", "-o", "json"))["metadata"]
        assert "annotations" not in metadata
    finally:
        kubernetes.kubectl("delete", "namespace", "kuberay")


@BOTH_OPERATORS
def test_a_release_of_someone_else_is_refused_and_left_as_it_is(
    stack: Stack, kubernetes: Kubernetes, up: dict[str, Any]
) -> None:
    before = {pod.uid for pod in kubernetes.ray_pods("raycluster-kuberay")}
    forget_cluster(stack, kubernetes, "deployed", values={})
    run = stack.up()
    assert not run.ok
    assert any(
        "Helm release raycluster exists already and is of no stack" in line for line in run.text.splitlines()
    ), run.text
    assert "Traceback" not in run.text
    assert {pod.uid for pod in kubernetes.ray_pods("raycluster-kuberay")} == before
    kubernetes.kubectl("delete", "raycluster", "raycluster-kuberay", "-n", "kuberay")
    kubernetes.kubectl("delete", "secret", "sh.helm.release.v1.raycluster.v1", "-n", "kuberay")


@BOTH_OPERATORS
def test_a_complete_cluster_of_a_stack_of_the_same_name_is_refused(
    stack: Stack, kubernetes: Kubernetes, up: dict[str, Any]
) -> None:
    complete = stack.state()
    forget(stack, "raycluster", "raycluster.head.pods", "raycluster.workergroup.pods")
    run = stack.up()
    assert not run.ok
    assert "in use (RayCluster raycluster-kuberay) by a stack that is called" in run.text
    stack.replace_state(complete)


def forget_cluster(
    stack: Stack, kubernetes: Kubernetes, status: str, values: dict[str, Any] | None = None
) -> None:
    """As if `up` had been killed while Helm installed the cluster."""
    forget(stack, "raycluster", "raycluster.head.pods", "raycluster.workergroup.pods")
    kubernetes.kubectl(
        "annotate", "raycluster", "raycluster-kuberay", "-n", "kuberay", "kuberay.pulumi/release-"
    )
    for secret in items(kubernetes, "secrets", "owner=helm,name=raycluster"):
        set_status(kubernetes, "raycluster", int(secret["metadata"]["labels"]["version"]), status, values)


def forget(stack: Stack, *names: str) -> None:
    """Makes the state what it was before these resources were written into it."""
    state = stack.state()

    def is_one(resource: dict[str, Any]) -> bool:
        kind, name = resource["urn"].split("::")[-2:]
        return name in names and not kind.split("$")[-1].startswith("kuberay:components:")

    gone = {resource["urn"] for resource in state["resources"] if is_one(resource)}
    state["resources"] = [resource for resource in state["resources"] if resource["urn"] not in gone]
    for resource in state["resources"]:
        # Of components, which are made of nothing, and need what is forgotten.
        resource["dependencies"] = [urn for urn in resource.get("dependencies") or [] if urn not in gone]
    stack.replace_state(state)


def set_status(
    kubernetes: Kubernetes, release: str, revision: int, status: str, values: dict[str, Any] | None = None
) -> None:
    """Rewrites a record of Helm's."""
    name = f"sh.helm.release.v1.{release}.v{revision}"
    secret = json.loads(kubernetes.kubectl("get", "secret", name, "-n", "kuberay", "-o", "json"))
    record = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(secret["data"]["release"]))))
    record["info"]["status"] = status
    if values is not None:
        record["config"] = values
    packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(record).encode()))).decode()
    patch = {"data": {"release": packed}, "metadata": {"labels": {"status": status}}}
    with NamedTemporaryFile("w", suffix=".json") as file:  # Too long for a command line.
        file.write(json.dumps(patch))
        file.flush()
        kubernetes.kubectl(
            "patch", "secret", name, "-n", "kuberay", "--type=merge", "--patch-file", file.name
        )


@ONE_OPERATOR
def test_beside_the_state_there_is_no_file_that_a_kill_can_leave_unreadable(
    stack: Stack, up: dict[str, Any]
) -> None:
    folder = stack.cluster.home.folder / "state"
    assert list(folder.rglob(f"{stack.name}.json"))
    assert not list(folder.rglob("*.attrs"))
