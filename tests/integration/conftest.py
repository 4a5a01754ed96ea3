"""One cluster for all integration tests, apart from the one that `make up` runs."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from local.cluster import LocalCluster
from tests.integration.kubernetes import Kubernetes
from tests.integration.operators import OLDEST
from tests.integration.stack import Stack

#: Files that start before the others: one of them would else run alone at the end.
LONG = ("test_upgrade.py", "test_services.py")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, and in each one operator after the other, as a stack and what is measured on it are made anew for each."""

    def operator(item: pytest.Item) -> str:
        return str(item.callspec.params.get("cluster", "")) if isinstance(item, pytest.Function) and hasattr(item, "callspec") else ""

    files = list(dict.fromkeys(item.path for item in items))
    files.sort(key=lambda file: file.name not in LONG and file.parent.name != "real")
    items.sort(key=lambda item: (files.index(item.path), operator(item)))


@pytest.fixture(scope="session")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], LocalCluster]]:
    """A cluster for each version of the operator: CRDs outlive the stacks that brought them. They run to the end, as starting one takes
    longer than most tests.
    """
    with ExitStack() as running:

        @cache
        def cluster_of(version: str) -> LocalCluster:
            return running.enter_context(LocalCluster(tmp_path_factory.mktemp("cluster"), kuberay_versions=(version,)))

        yield cluster_of


@pytest.fixture(scope="module")
def cluster(request: pytest.FixtureRequest, clusters: Callable[[str], LocalCluster]) -> LocalCluster:
    """The oldest operator's; a file of tests that is marked with BOTH_OPERATORS takes first one, then the other."""
    return clusters(getattr(request, "param", OLDEST))


@pytest.fixture(scope="module")
def version(cluster: LocalCluster) -> str:
    """The version of KubeRay that the cluster has an operator of."""
    return cluster.kuberay_versions[0]


@pytest.fixture(scope="module")
def stack(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A stack for the tests of one file. The operator's cluster-wide roles allow one stack at a time, so it is destroyed after them."""
    name = Path(str(request.path)).stem.removeprefix("test_").replace("_", "-")
    stack = Stack(cluster, name, tmp_path_factory.mktemp(name))
    yield stack
    stack.clear()


@pytest.fixture(scope="module")
def kubernetes(cluster: LocalCluster) -> Kubernetes:
    return Kubernetes(cluster)
