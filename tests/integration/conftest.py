"""One cluster for all integration tests, apart from the one that `make up` runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.cluster import LocalCluster
from tests.integration.kubernetes import Kubernetes
from tests.integration.stack import Stack


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In each file one cluster after the other: starting one takes ten seconds."""

    def operator(item: pytest.Item) -> str:
        return str(item.callspec.params.get("cluster", "")) if isinstance(item, pytest.Function) and hasattr(item, "callspec") else ""

    files = list(dict.fromkeys(item.path for item in items))
    items.sort(key=lambda item: (files.index(item.path), operator(item)))


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A file of tests that is marked with BOTH_OPERATORS gets one for each: CRDs outlive the stacks that brought them."""
    with LocalCluster(tmp_path_factory.mktemp("cluster"), kuberay_versions=(getattr(request, "param", "1.3.0"),)) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def version(cluster: LocalCluster) -> str:
    """The version of KubeRay that the cluster has an operator of."""
    return cluster.kuberay_versions[0]


@pytest.fixture(scope="module")
def stack(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A stack for the tests of one file. The operator's cluster-wide roles allow one stack at a time, so it is destroyed after them."""
    name = Path(str(request.path)).stem.removeprefix("test_").replace("_", "-")
    stack = Stack(cluster, name, tmp_path_factory.mktemp(name))
    yield stack
    destroyed = stack.destroy()
    assert destroyed.ok, destroyed.text


@pytest.fixture(scope="session")
def kubernetes(cluster: LocalCluster) -> Kubernetes:
    return Kubernetes(cluster)
