"""`chaos_go.faults.pods.cordon` and `drain`, on a real cluster of three nodes."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import workloads
import yaml
from chaos_runs import ChaosRun, action, chaos_go
from chaoslib.exceptions import ActivityFailed
from clusters import wait_until
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from chaos_go.agent import holder
from chaos_go.faults import _drain_plan, stop
from chaos_go.faults.pods import cordon, drain
from chaos_go.verdict import _judge_record
from probes import pods as probes

pytestmark = pytest.mark.e2e

SOON_S = 30.0
SPREAD = {
    "maxSkew": 1,
    "topologyKey": "kubernetes.io/hostname",
    "whenUnsatisfiable": "DoNotSchedule",
    "nodeTaintsPolicy": "Honor",  # after a drain two nodes are enough
    "labelSelector": {"matchLabels": {"app": "users"}},
}


@pytest.fixture(autouse=True)
def folder(three_nodes, cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Use three nodes, which are all schedulable again after the test, in an empty folder."""
    for name in ("KUBECONFIG", "KUBERNETES_CONTEXT"):
        monkeypatch.setenv(name, cluster.environment[name])
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    holder.stop_all()
    for node in cordoned(cluster):
        cluster.core.patch_node(node, {"spec": {"unschedulable": False}})


@pytest.fixture
def users(cluster, namespace) -> str:
    """Deploy three pods, one per node."""
    return workloads.deploy(cluster, namespace, topologySpreadConstraints=[SPREAD])


def cordoned(cluster) -> list[str]:
    return [x.metadata.name for x in cluster.core.list_node().items if x.spec.unschedulable]


def pods_on(cluster, namespace: str, node: str) -> list[str]:
    """Return the pods on a node that are not being deleted."""
    pods = cluster.core.list_namespaced_pod(namespace, field_selector=f"spec.nodeName={node}")
    return [x.metadata.name for x in pods.items if not x.metadata.deletion_timestamp]


def create_pod(cluster, namespace: str, node: str, **spec: object) -> None:
    """Create a pod without a controller, and wait until it runs."""
    pod = workloads.template({"app": "bare"}, nodeName=node, **spec)
    pod["metadata"]["name"] = "bare"
    cluster.core.create_namespaced_pod(namespace, pod)
    running = lambda: phase(cluster, namespace) == "Running"  # noqa: E731
    wait_until(running, "the pod runs", SOON_S)


def phase(cluster, namespace: str) -> str:
    return str(cluster.core.read_namespaced_pod("bare", namespace).status.phase)


def budget(cluster, namespace: str, least: int) -> None:
    spec = {"minAvailable": least, "selector": {"matchLabels": {"app": "users"}}}
    body = {"metadata": {"name": "users"}, "spec": spec}
    policy = client.PolicyV1Api(cluster.api_client())
    policy.create_namespaced_pod_disruption_budget(namespace, body)

    def is_seen() -> bool:
        found = policy.read_namespaced_pod_disruption_budget("users", namespace)
        return found.status.expected_pods == 3

    wait_until(is_seen, "the budget counts its pods", SOON_S)


def refused(action: Any, target: str, **more: object) -> str:
    with pytest.raises(ActivityFailed) as error:
        action(target, **more)
    return str(error.value)


def test_cordoned_and_back(cluster, folder):
    record = cordon("node/node2")
    assert cordoned(cluster) == ["node2"]
    assert len(list(folder.iterdir())) == 1
    (ended,) = stop(record["id"])
    assert cordoned(cluster) == []
    assert ended["said"] == "cordoned node2 and restored it"
    assert list(folder.iterdir()) == []


def test_the_end_of_the_duration_restores(cluster):
    cordon("nodes/kubernetes.io/os=linux", scope={"nodes": ["node1", "node3"]}, duration_s=1.0)
    assert cordoned(cluster) == ["node1", "node3"]
    wait_until(lambda: cordoned(cluster) == [], "both are restored", 10)


def test_what_is_refused_changes_nothing(cluster, folder):
    all_nodes = "nodes/kubernetes.io/os=linux"
    assert "did you mean node2?" in refused(cordon, "node/node22")
    assert "no node with these labels" in refused(cordon, "nodes/zone=b")
    said = refused(cordon, all_nodes, scope={"nodes": 2})
    assert "2 of 3 Ready nodes would take no pods, which is more than 50 %" in said
    assert "at most 3" in refused(cordon, all_nodes, scope={"nodes": 4})
    assert "nodes are needed here" in refused(cordon, "deployment/shop/users")
    assert "nodes or pods are needed here" in refused(drain, "port/8081")
    assert "scope.pods" in refused(drain, "node/node1", scope={"pods": 1})
    assert "allow.pods" in refused(drain, "node/node1", allow={"pods": True})
    assert "timeout_s=0" in refused(drain, "node/node1", timeout_s=0)
    assert cordoned(cluster) == []
    cluster.core.patch_node("node1", {"spec": {"unschedulable": True}})
    assert "node1: already cordoned" in refused(cordon, "node/node1")
    # One is closed already, so that one more makes two.
    assert "2 of 3 Ready nodes" in refused(cordon, "nodes/kubernetes.io/hostname=node2")
    assert cordoned(cluster) == ["node1"]
    assert list(folder.iterdir()) == []


def test_a_drain_moves_the_pods_and_restores_the_node(cluster, namespace, users, folder):
    """The target names pods, so the experiment needs no name of a node."""
    before = workloads.uids(cluster, namespace)
    record = drain(users, name="drained", duration_s=600)
    (place,) = record["places"]
    node = place["place"].removeprefix("node/")
    assert cordoned(cluster) == [node]
    assert pods_on(cluster, namespace, node) == []
    (eviction,) = [x for x in record["evictions"] if x["namespace"] == namespace]
    assert eviction["asked_unix_s"] < eviction["accepted_unix_s"] < eviction["gone_unix_s"]
    assert eviction["owner"] == "deployment/users"
    (dns,) = pods_on(cluster, "kube-system", node)
    assert f"kube-system/{dns}" in record["staying"]["daemonset/coredns would put it back there"]
    recovery_s = probes.recovery_s(users, fault="drained", timeout_s=SOON_S)
    assert 0 < recovery_s < SOON_S
    assert len(workloads.uids(cluster, namespace) & before) == 2
    (ended,) = stop("drained")
    assert cordoned(cluster) == []
    assert "fully available again" in ended["said"]
    assert ended["kills"][0]["replacement"]
    assert list(folder.iterdir()) == []


def test_a_node_that_was_cordoned_before_stays_so(cluster, namespace, users):
    node = cluster.node_names()[0]
    cluster.core.patch_node(node, {"spec": {"unschedulable": True}})
    record = drain(f"node/{node}", name="again")
    assert record["evictions_blocked"] == 0
    stop("again")
    assert cordoned(cluster) == [node]


def test_what_a_budget_refuses_is_a_finding(cluster, namespace, users):
    budget(cluster, namespace, least=3)
    record = drain(users, name="blocked", timeout_s=3)
    assert record["evictions_blocked"] == probes.evictions_blocked("blocked") == 1
    (eviction,) = [x for x in record["evictions"] if x["namespace"] == namespace]
    assert eviction["refusals"] >= 2
    assert eviction["accepted_unix_s"] is None
    assert "The disruption budget users needs 3 healthy pods and has 3" in eviction["blocked"]
    assert "1 refused" in record["said"]
    assert len(cordoned(cluster)) == 1
    (ended,) = stop("blocked")
    assert cordoned(cluster) == []
    assert [outcome for outcome, _ in _judge_record(ended)] == ["held"]


def test_a_budget_that_gives_way(cluster, namespace, users):
    budget(cluster, namespace, least=3)
    policy = client.PolicyV1Api(cluster.api_client())
    relax = {"spec": {"minAvailable": 2}}
    change = lambda: policy.patch_namespaced_pod_disruption_budget("users", namespace, relax)  # noqa: E731
    timer = threading.Timer(2.0, change)
    timer.start()
    record = drain(users, name="later", timeout_s=SOON_S)
    timer.join()
    (eviction,) = [x for x in record["evictions"] if x["namespace"] == namespace]
    assert eviction["refusals"] >= 1
    assert eviction["gone_unix_s"] is not None
    assert record["evictions_blocked"] == 0
    stop("later")


@pytest.mark.parametrize(
    ("permit", "spec", "why"),
    [
        ("bare_pods", {}, "no controller replaces it"),
        ("emptydir_data", {"volumes": [{"name": "x", "emptyDir": {}}]}, "emptyDir"),
    ],
)
def test_pods_that_would_be_lost(cluster, namespace, folder, permit, spec, why):
    create_pod(cluster, namespace, "node3", **spec)
    others = {"bare_pods": True, "emptydir_data": True, permit: False}
    said = refused(drain, "node/node3", allow=others)
    assert f"allow.{permit}=False: {namespace}/bare" in said
    assert why in said
    assert phase(cluster, namespace) == "Running"
    assert cordoned(cluster) == []
    assert list(folder.iterdir()) == []
    record = drain("node/node3", allow={**others, permit: True}, name=permit)
    assert pods_on(cluster, namespace, "node3") == []
    assert f"{namespace}/bare" in [f"{x['namespace']}/{x['pod']}" for x in record["evictions"]]
    stop(permit)


def test_more_pods_of_the_target_than_allowed(cluster, namespace):
    one_node = {"nodeSelector": {"kubernetes.io/hostname": "node2"}}
    users = workloads.deploy(cluster, namespace, **one_node)
    said = refused(drain, users)
    assert "3 of 3 pods of deployment/users in the target would be missing" in said
    assert cordoned(cluster) == []


def test_the_node_of_the_experiment(cluster, namespace, users, monkeypatch):
    """Here the experiment runs outside; so a pod stands in for it."""
    pod = cluster.core.list_namespaced_pod(namespace).items[0]
    own, node = (namespace, pod.metadata.name), pod.spec.node_name
    monkeypatch.setattr(_drain_plan, "own_pod", lambda: own)
    said = refused(drain, f"nodes/kubernetes.io/hostname={node}")
    assert f"node {node} runs this experiment; name it, node/{node}" in said
    assert cordoned(cluster) == []

    record = drain(f"node/{node}", name="own")
    assert pods_on(cluster, namespace, node) == [pod.metadata.name]
    assert record["staying"]["it runs this experiment"] == ["/".join(own)]
    stop("own")


def test_an_interruption_restores_the_node(cluster, namespace, users, folder):
    budget(cluster, namespace, least=3)  # so that the drain waits

    def interrupt() -> None:
        wait_until(lambda: cordoned(cluster), "a node is cordoned", SOON_S)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    timer = threading.Timer(1.0, interrupt)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        drain(users, name="interrupted", timeout_s=60)
    timer.join()
    assert cordoned(cluster) == []
    assert list(folder.iterdir()) == []
    assert "interrupted" not in [fault.id for fault in holder.faults()]


def test_a_run_that_is_killed_in_a_drain(cluster, namespace, users, folder):
    budget(cluster, namespace, least=3)  # so that the drain waits
    with ChaosRun(cluster, folder, [action("drain", target=users, timeout_s=60)]) as run:
        run.start()
        (node,) = wait_until(lambda: cordoned(cluster), "a node is cordoned", SOON_S)
    (file,) = run.undo_files()
    assert cordoned(cluster) == [node]
    result = chaos_go(cluster, "undo", file)
    assert result.returncode == 0
    assert f"node/{node}: spec.unschedulable restored from true to false" in result.stdout
    assert cordoned(cluster) == []
    assert not file.exists()


def test_a_missing_permission_restores_the_node(cluster, namespace, users, folder, monkeypatch):
    with restricted(cluster, namespace, folder) as kubeconfig:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        monkeypatch.delenv("KUBERNETES_CONTEXT")
        said = refused(drain, users, name="forbidden")
    assert "may not create pods/eviction" in said
    assert cordoned(cluster) == []
    assert len(workloads.uids(cluster, namespace)) == 3
    assert [x.name for x in folder.iterdir()] == ["kubeconfig"]


@contextlib.contextmanager
def restricted(cluster, namespace: str, folder: Path) -> Iterator[Path]:
    """Give the kubeconfig of an account that may do all that a drain needs but evict."""
    name = f"no-evictions-{namespace}"
    rules = [
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "patch"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list", "watch"]},
    ]
    rbac = client.RbacAuthorizationV1Api(cluster.api_client())
    rbac.create_cluster_role({"metadata": {"name": name}, "rules": rules})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": namespace}
    rbac.create_cluster_role_binding(
        {"metadata": {"name": name}, "roleRef": role, "subjects": [subject]}
    )
    token = cluster.core.create_namespaced_service_account_token(
        "default", namespace, {"spec": {"expirationSeconds": 3600}}
    ).status.token
    content = yaml.safe_load(cluster.kubeconfig.read_text())
    for user in content["users"]:
        user["user"] = {"token": token}
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(content))
    yield path
    for delete in (rbac.delete_cluster_role_binding, rbac.delete_cluster_role):
        with contextlib.suppress(ApiException):
            delete(name)
