"""Fixtures of the tests on a real Kubernetes.

A test that asks for `cluster` gets one of one node, or of three if it also asks for `three_nodes`.
A cluster starts once per worker and ends with it, also if pytest is killed. KUBECONFIG and
CHAOS_GO_TEST_CONTEXT name a cluster that is already there and is used instead; it needs the images
that `tests/cluster/cluster images` writes.
"""

import contextlib
import uuid
from collections.abc import Iterator

import pytest
from clusters import Cluster, Clusters, wait_until
from kubernetes.client.exceptions import ApiException
from shop import Shop

from chaos_go.agent import holder


@pytest.fixture(scope="session")
def clusters(
    tmp_path_factory: pytest.TempPathFactory, testrun_uid: str, worker_id: str
) -> Iterator[Clusters]:
    """Return what starts the clusters. Each worker has its own: some tests stop an API server."""
    worker = "" if worker_id == "master" else f"-{worker_id}"
    all_of_run = Clusters(tmp_path_factory.getbasetemp(), testrun_uid[:8] + worker)
    yield all_of_run
    all_of_run.close()


@pytest.fixture(autouse=True)
def no_earlier_faults() -> Iterator[None]:
    """Forget the faults of a test: probes look for the fault of this run in all of the process."""
    yield
    holder.holder._faults.clear()


@pytest.fixture
def cluster(request: pytest.FixtureRequest, clusters: Clusters) -> Iterator[Cluster]:
    """Return a cluster whose network this process is in during the test."""
    found = clusters.get(3 if "three_nodes" in request.fixturenames else 1)
    with found.entered():
        yield found


@pytest.fixture
def three_nodes(cluster: Cluster) -> Cluster:
    """Return the cluster, which has three nodes for tests that ask for this fixture."""
    return cluster


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """Return a new namespace. It is deleted after the test, which does not wait for that."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    cluster.core.create_namespace({"metadata": {"name": name}})
    wait_until(lambda: _has_account(cluster, name), f"{name} has its service account", 60)
    yield name
    # Without this, pods would use their grace period, beside the next test.
    with contextlib.suppress(ApiException):
        cluster.core.delete_collection_namespaced_pod(name, grace_period_seconds=0)
    with contextlib.suppress(ApiException):
        cluster.core.delete_namespace(name)


def _has_account(cluster: Cluster, namespace: str) -> bool:
    """Tell whether pods can be created in a namespace."""
    with contextlib.suppress(ApiException):
        return bool(cluster.core.read_namespaced_service_account("default", namespace))
    return False


@pytest.fixture
def shop(cluster: Cluster, namespace: str, request: pytest.FixtureRequest) -> Shop:
    """Deploy the shop; parametrize indirectly with flags: {"users": ["--bad=abrupt-shutdown"]}."""
    return Shop(cluster, namespace).deploy(getattr(request, "param", None))
