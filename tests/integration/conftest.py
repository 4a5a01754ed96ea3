"""One cluster for all integration tests, apart from the one that `make up` runs."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path

import pytest

from local.cluster import LocalCluster
from tests.integration.harness.cloud_kubeconfig import write_cloud_kubeconfig
from tests.integration.harness.kubernetes import Kubernetes
from tests.integration.harness.operators import OLDEST
from tests.integration.harness.stack import Stack

#: Files that start before the others: one of them would else run alone at the end.
LONG = ("test_killed_runs.py", "test_destroy.py", "test_doctor.py", "test_upgrade.py", "test_services.py")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Real pods first, then one operator after the other, so that each process changes
    its cluster once, the long files of each first; last what has no cluster or one of
    its own.
    """

    def order(item: pytest.Item) -> tuple[bool, bool, str, bool]:
        folder = item.path.parent.name
        parameters = (
            item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        )
        operator = str(parameters.get("cluster", OLDEST)) if folder == "integration" else ""
        return folder != "real", folder != "integration", operator, item.path.name not in LONG

    files = list(dict.fromkeys(item.path for item in items))
    items.sort(key=lambda item: (*order(item), files.index(item.path)))


@pytest.fixture(scope="session")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], LocalCluster]]:
    """A cluster for each version of the operator, as CRDs outlive the stacks that
    brought them; one at a time, as an idle API server takes its part of a processor. It
    runs until another one is asked for: starting one takes longer than most tests.
    """
    with ExitStack() as running:

        @lru_cache(maxsize=1)
        def cluster_of(version: str) -> LocalCluster:
            running.close()
            return running.enter_context(
                LocalCluster(tmp_path_factory.mktemp("cluster"), kuberay_versions=(version,))
            )

        yield cluster_of


@pytest.fixture(scope="module")
def cluster(request: pytest.FixtureRequest, clusters: Callable[[str], LocalCluster]) -> LocalCluster:
    """The oldest operator's; a file of tests that is marked with BOTH_OPERATORS takes
    first one, then the other.
    """
    return clusters(getattr(request, "param", OLDEST))


@pytest.fixture(scope="module")
def version(cluster: LocalCluster) -> str:
    """The version of KubeRay that the cluster has an operator of."""
    return cluster.kuberay_versions[0]


@pytest.fixture(scope="module")
def stack(
    cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Stack]:
    """A stack for the tests of one file, with a kubeconfig as clouds have it. The
    operator's cluster-wide roles allow one stack at a time, so it is destroyed after
    them.
    """
    name = Path(str(request.path)).stem.removeprefix("test_").replace("_", "-")
    folder = tmp_path_factory.mktemp(name)
    stack = Stack(cluster, name, folder, kubeconfig=write_cloud_kubeconfig(cluster.kubeconfig, folder))
    yield stack
    stack.clear()


@pytest.fixture(scope="module")
def kubernetes(cluster: LocalCluster) -> Kubernetes:
    return Kubernetes(cluster)
