"""What a pod says: who owns it, whether it is Ready, and why not."""

import pytest
from kubernetes_objects import owned_by, pod

from chaos_go.kubernetes.pods import read


@pytest.mark.parametrize(
    ("meta", "owner"),
    [
        ({}, ""),
        (owned_by("ReplicaSet", "users-5c6f", pod_template_hash="5c6f"), "deployment/users"),
        (owned_by("ReplicaSet", "a-b-77", pod_template_hash="77"), "deployment/a-b"),
        (owned_by("ReplicaSet", "users"), "replicaset/users"),
        (owned_by("ReplicaSet", "users-5c6f", pod_template_hash="9"), "replicaset/users-5c6f"),
        (owned_by("ReplicaSet", "users-5c6f", app="users"), "replicaset/users-5c6f"),
        (owned_by("StatefulSet", "db"), "statefulset/db"),
        (owned_by("DaemonSet", "log", pod_template_hash="log"), "daemonset/log"),
        (owned_by("Job", "import"), "job/import"),
        (owned_by("Node", "node1"), "node/node1"),
        ({"ownerReferences": [{"kind": "ReplicaSet", "name": "users-1", "uid": "1"}]}, ""),
        ({"ownerReferences": None, "labels": None}, ""),
    ],
)
def test_the_owner_is_the_workload_that_replaces_it(meta, owner):
    found = read(pod(meta=meta))
    assert found.owner == owner
    assert bool(found.owner_uid) == bool(owner)


def test_a_pod_that_is_being_deleted_is_not_ready_whatever_it_says():
    meta = {"deletionTimestamp": "2026-11-30T00:00:00Z", "finalizers": ["example.com/keep"]}
    found = read(pod(meta=meta))
    assert (found.is_ready, found.is_terminating) == (False, True)
    text = "it is being deleted and is still there (finalizers: example.com/keep)"
    assert found.why_not_ready() == text


def container_status(**more):
    return {"containerStatuses": [{"name": "users", "restartCount": 2, **more}]}


def conditions(*given):
    """Return conditions from (type, status, message or reason)."""
    return {
        "conditions": [{"type": kind, "status": status, **more} for kind, status, more in given]
    }


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (
            {
                **conditions(("Ready", "False", {"reason": "ContainersNotReady"})),
                **container_status(
                    state={"waiting": {"reason": "ErrImagePull", "message": "not found"}}
                ),
            },
            "container users: ErrImagePull: not found",
        ),
        (
            conditions(
                ("Ready", "False", {"message": "second"}),
                ("PodScheduled", "False", {"message": "0/3 nodes are available"}),
            ),
            "PodScheduled=False: 0/3 nodes are available",
        ),
        (conditions(("Ready", "Unknown", {})), "Ready=Unknown: no reason given"),
        ({"conditions": [], "phase": "Pending"}, "its phase is Pending"),
        ({"conditions": None, "phase": ""}, "its phase is unknown"),
    ],
)
def test_why_it_is_not_ready(status, why):
    found = read(pod(status=status))
    assert (found.is_ready, found.why_not_ready()) == (False, why)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"lastState": {"terminated": {"reason": "OOMKilled"}}}, True),
        ({"state": {"terminated": {"reason": "OOMKilled"}}}, True),
        ({"lastState": {"terminated": {"reason": "Error"}}}, False),
        ({"state": {}, "lastState": None}, False),
    ],
)
def test_an_oom_kill_is_in_the_present_or_the_last_state(state, expected):
    (container,) = read(pod(status=container_status(**state))).containers
    assert (container.oom_killed, container.restarts) == (expected, 2)


def test_what_the_journal_keeps():
    meta = owned_by("ReplicaSet", "users-5c6f", pod_template_hash="5c6f")
    assert read(pod(meta=meta, spec={"nodeName": "node2"})).record() == {
        "namespace": "shop",
        "pod": "users-5c6f-a",
        "uid": "uid-users-5c6f-a",
        "node": "node2",
        "images": ["shop:1"],
        "owner": "deployment/users",
    }


def test_a_static_pod_is_known_by_its_mirror():
    meta = {"annotations": {"kubernetes.io/config.mirror": "hash"}}
    assert read(pod(meta=meta)).is_mirror
    assert not read(pod()).is_mirror


def test_named_ports_and_the_network_of_the_node():
    ports = [{"name": "http", "containerPort": 8082}, {"containerPort": 9}]
    spec = {"hostNetwork": True, "containers": [{"name": "users", "ports": ports}]}
    found = read(pod(spec=spec))
    assert (found.host_network, found.containers[0].ports) == (True, {"http": 8082})
