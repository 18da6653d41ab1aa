"""`chaos_go.faults.pods.scale` and `rollout_restart`, on a real cluster."""

import datetime
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import workloads
from chaoslib.exceptions import ActivityFailed
from clusters import wait_until
from kubernetes import client

from chaos_go.agent import holder
from chaos_go.faults import stop
from chaos_go.faults.pods import rollout_restart, scale
from chaos_go.kubernetes import changes, undo_file
from probes import pods as probes

pytestmark = pytest.mark.e2e

SOON_S = 30.0


@pytest.fixture(autouse=True)
def folder(cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Use the cluster of the test, in an empty folder."""
    for name in ("KUBECONFIG", "KUBERNETES_CONTEXT"):
        monkeypatch.setenv(name, cluster.environment[name])
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    holder.stop_all()


@pytest.fixture
def users(cluster, namespace) -> str:
    return workloads.deploy(cluster, namespace)


@pytest.fixture
def idle(cluster, namespace) -> str:
    """Create the deployment users with three pods that never start, which is quick."""
    return workloads.create_idle(cluster, namespace)


def test_scaled_down_and_back(cluster, namespace, users, folder):
    record = scale(users, 2)
    (place,) = record["places"]
    assert workloads.replicas(cluster, namespace) == 2
    assert Path(record["undo_file"]).parent == folder
    assert (place["change"]["before"], place["change"]["after"]) == (3, 2)
    wait_until(lambda: len(workloads.uids(cluster, namespace)) == 2, "two pods are left", SOON_S)

    (ended,) = stop(record["id"])
    assert workloads.replicas(cluster, namespace) == 3
    assert ended["state"] == "ended"
    assert ended["undo_file"] == ""
    assert ended["places"][0]["exit_code"] == 0
    assert ended["said"] == f"scaled {users} from 3 to 2 and back"
    assert list(folder.iterdir()) == []
    assert stop(record["id"]) == [ended]


def test_the_end_of_the_duration_restores(cluster, namespace, idle, folder):
    name = scale(idle, 5, duration_s=1.0)["id"]
    assert workloads.replicas(cluster, namespace) == 5
    wait_until(lambda: workloads.replicas(cluster, namespace) == 3, "it is restored", 10)
    (record,) = stop(name)
    assert record["places"][0]["reason"] == "deadline"
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("kind", ["statefulset", "replicaset"])
def test_other_kinds_and_no_pods_at_all(cluster, namespace, kind):
    labels = {"app": "db"}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}}
    spec["template"] = workloads.template(labels, nodeSelector={"there-is": "none"})
    body = {"metadata": {"name": "db"}, "spec": spec}
    if kind == "statefulset":
        create, read = cluster.apps.create_namespaced_stateful_set, "read_namespaced_stateful_set"
        spec["serviceName"] = "db"
    else:
        create, read = cluster.apps.create_namespaced_replica_set, "read_namespaced_replica_set"
    create(namespace, body)

    name = scale(f"{kind}/{namespace}/db", 2)["id"]
    assert getattr(cluster.apps, read)("db", namespace).spec.replicas == 2
    stop(name)
    assert getattr(cluster.apps, read)("db", namespace).spec.replicas == 0


def refused(target: str, replicas: int = 2, **more: object) -> str:
    with pytest.raises(ActivityFailed) as error:
        scale(target, replicas, **more)  # type: ignore[arg-type]
    return str(error.value)


def test_what_is_refused_changes_nothing(cluster, namespace, idle, folder):
    labels = "app=users"
    list_sets = cluster.apps.list_namespaced_replica_set
    sets = wait_until(lambda: list_sets(namespace, label_selector=labels).items, "a set", SOON_S)
    set_name = f"replicaset/{namespace}/{sets[0].metadata.name}"

    assert "2 of 3 pods would be taken away, which is more than 50 %" in refused(idle, 1)
    assert "has so many already" in refused(idle, 3)
    assert "replicas=-1" in refused(idle, -1)
    assert "deployment/users controls it" in refused(set_name)
    assert "namespace kube-system is protected" in refused("deployment/kube-system/users")
    assert "did you mean users?" in refused(f"deployment/{namespace}/user")
    assert "there is no namespace" in refused("deployment/nowhere/users")
    assert "a deployment or statefulset or replicaset" in refused(f"job/{namespace}/users")
    assert "leave the port out" in refused(f"{idle}:8082")
    assert "scope.pods" in refused(idle, 2, scope={"pods": 1})
    assert "duration_s=0" in refused(idle, 2, duration_s=0)

    assert workloads.replicas(cluster, namespace) == 3
    assert list(folder.iterdir()) == []
    assert scale(idle, 0, scope={"max_percentage": 100})["places"][0]["change"]["after"] == 0
    assert workloads.replicas(cluster, namespace) == 0


def test_a_folder_that_cannot_be_written_to(cluster, namespace, idle, folder, monkeypatch):
    monkeypatch.chdir("/proc/self")  # root may write everywhere else
    assert "run chaos in a folder where it may write" in refused(idle)
    assert workloads.replicas(cluster, namespace) == 3


def test_a_workload_that_is_being_deleted(cluster, namespace, idle):
    keep = {"metadata": {"finalizers": ["test/keep"]}}
    cluster.apps.patch_namespaced_deployment("users", namespace, keep)
    cluster.apps.delete_namespaced_deployment("users", namespace)
    try:
        assert "it is being deleted (finalizers: test/keep)" in refused(idle)
    finally:
        free = {"metadata": {"finalizers": None}}
        cluster.apps.patch_namespaced_deployment("users", namespace, free)


def test_somebody_else_scales_it_meanwhile(cluster, namespace, idle, folder):
    name = scale(idle, 2)["id"]
    workloads.set_replicas(cluster, namespace, 7)
    with pytest.raises(ActivityFailed) as error:
        stop(name)
    said = str(error.value)
    assert "spec.replicas is 7, but this fault had changed it from 3 to 2" in said
    assert f"kubectl -n {namespace} scale deployment/users --replicas=3" in said
    assert workloads.replicas(cluster, namespace) == 7
    (place,) = holder.find(name).record()["places"]
    assert (place["state"], place["fix"]) == ("lost", "`chaos go undo` leaves it alone too")
    assert len(list(folder.iterdir())) == 1


def test_it_was_deleted_meanwhile(cluster, namespace, idle, folder):
    name = scale(idle, 2)["id"]
    cluster.apps.delete_namespaced_deployment("users", namespace, grace_period_seconds=0)
    gone = lambda: not cluster.apps.list_namespaced_deployment(namespace).items  # noqa: E731
    wait_until(gone, "it is gone", SOON_S)
    (record,) = stop(name)
    assert record["state"] == "ended"
    assert list(folder.iterdir()) == []


def test_an_object_that_changes_all_the_time(cluster, namespace, idle):
    """Each write may meet a version that has changed since it was read, and is then repeated."""
    done, written = threading.Event(), []

    def annotate() -> None:
        while not done.is_set():
            body = {"metadata": {"annotations": {"test/number": str(len(written))}}}
            written.append(cluster.apps.patch_namespaced_deployment("users", namespace, body))

    thread = threading.Thread(target=annotate)
    thread.start()
    try:
        for number in (4, 5, 6, 4, 5, 6):
            scale(idle, number, name=f"to-{number}")
            assert workloads.replicas(cluster, namespace) == number
            stop(f"to-{number}")
            assert workloads.replicas(cluster, namespace) == 3
    finally:
        done.set()
        thread.join()
    assert len(written) > 10


def test_somebody_else_scales_it_between_the_record_and_the_change(
    cluster, namespace, idle, folder, monkeypatch
):
    write = undo_file.write

    def be_late(record: dict[str, Any]) -> Path:
        path = write(record)
        workloads.set_replicas(cluster, namespace, 9)
        return path

    monkeypatch.setattr(undo_file, "write", be_late)
    assert "spec.replicas was changed meanwhile from 3 to 9" in refused(idle, name="late")
    assert workloads.replicas(cluster, namespace) == 9
    assert list(folder.iterdir()) == []
    assert "late" not in [fault.id for fault in holder.faults()]


@pytest.mark.parametrize("when", ["before the change", "after the change"])
def test_an_interruption_leaves_nothing(cluster, namespace, idle, folder, monkeypatch, when):
    make = changes.make

    def interrupted(*args: object) -> None:
        if when == "after the change":
            make(*args)  # type: ignore[arg-type]
            assert workloads.replicas(cluster, namespace) == 2
        assert len(list(folder.iterdir())) == 1
        raise KeyboardInterrupt

    monkeypatch.setattr(changes, "make", interrupted)
    with pytest.raises(KeyboardInterrupt):
        scale(idle, 2, name="interrupted")
    assert workloads.replicas(cluster, namespace) == 3
    assert list(folder.iterdir()) == []
    assert "interrupted" not in [fault.id for fault in holder.faults()]


def test_an_autoscaler_is_a_warning(cluster, namespace, idle):
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "users"}
    spec = {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 9}
    body = {"metadata": {"name": "users-cpu"}, "spec": spec}
    api = client.AutoscalingV2Api(cluster.api_client())
    api.create_namespaced_horizontal_pod_autoscaler(namespace, body)
    (warning,) = scale(idle, 2)["warnings"]
    assert "HorizontalPodAutoscaler users-cpu (2 to 9 pods)" in warning


def test_a_rollout_restart_replaces_every_pod(cluster, namespace, users, folder):
    before, began_s = workloads.uids(cluster, namespace), time.time()
    record = rollout_restart(users, name="restart")
    assert list(folder.iterdir()) == []  # there is nothing to restore
    assert probes.recovery_s(users, fault="restart", timeout_s=SOON_S) < SOON_S
    took_s = time.time() - began_s

    after = workloads.uids(cluster, namespace)
    assert len(after) == 3
    assert not before & after
    (ended,) = stop(record["id"])
    assert ended["said"].startswith(f"restarted {users}: 3 of 3 pods replaced; fully available")
    assert 0 < ended["recovery_s"] <= took_s
    names = {pod.metadata.name for pod in cluster.core.list_namespaced_pod(namespace).items}
    assert {kill["replacement"] for kill in ended["kills"]} <= names
    # A rolling update of this deployment has at least 3 pods Ready all the time.
    assert probes.ready_ratio(users, fault="restart") == 1.0

    deployment = cluster.apps.read_namespaced_deployment("users", namespace)
    annotations = deployment.spec.template.metadata.annotations
    at = datetime.datetime.fromisoformat(annotations["kubectl.kubernetes.io/restartedAt"])
    assert abs(at.timestamp() - began_s) < 5


def test_a_restart_without_effect_is_refused(cluster, namespace, idle):
    pause = {"spec": {"paused": True}}
    cluster.apps.patch_namespaced_deployment("users", namespace, pause)
    with pytest.raises(ActivityFailed, match=f"kubectl -n {namespace} rollout resume"):
        rollout_restart(idle)
    with pytest.raises(ActivityFailed, match="scope.max_percentage"):
        rollout_restart(idle, scope={"max_percentage": 100})
