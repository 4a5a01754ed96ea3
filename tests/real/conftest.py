"""One cluster with a real node, and one stack on it, for all tests of real pods."""

from collections.abc import Iterator

import pytest

from local.real import machine
from local.real.cluster import RealCluster
from local.real.leftovers import traces
from tests.integration.harness.kubernetes import Kubernetes
from tests.real.real_stack import RealStack


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    """It is stopped while Ray runs in it, and must leave nothing behind all the same;
    at once, as Ray takes its part of a processor.
    """
    if reason := machine.why_not():
        pytest.skip(f"this machine cannot run real nodes: {reason}")
    before = traces()
    # Without cores to share out, pods ask for little from the first: the guide's are
    # not replaced when other clusters come beside it.
    with RealCluster(tmp_path_factory.mktemp("real"), cores=0) as cluster:
        yield cluster
    assert not cluster.home.folder.exists()
    mine = {
        trace
        for trace in traces() - before
        if not trace.startswith("process") or str(cluster.home.folder) in trace
    }
    assert not mine, f"a stopped cluster has left: {', '.join(sorted(mine))}"


@pytest.fixture(scope="package")
def kubernetes(cluster: RealCluster) -> Kubernetes:
    return Kubernetes(cluster)


@pytest.fixture(scope="package")
def stack(
    cluster: RealCluster, kubernetes: Kubernetes, tmp_path_factory: pytest.TempPathFactory
) -> RealStack:
    """Up, with the guide's cluster."""
    stack = RealStack(cluster, kubernetes, tmp_path_factory.mktemp("stack"))
    stack.with_cluster()
    stack.up_or_fail()
    return stack
