"""One cluster for all integration tests, apart from the one that `make up` runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.cluster import LocalCluster
from tests.integration.kubernetes import Kubernetes
from tests.integration.stack import Stack


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    with LocalCluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


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
