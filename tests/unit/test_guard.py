"""What bounds a fault in a cluster: protected namespaces, Ready pods, the share of a workload."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes_objects import of, owned_by, pod

from chaos_go.errors import BadInputError, TargetError
from chaos_go.kubernetes import connection
from chaos_go.kubernetes import pods as pod_objects
from chaos_go.kubernetes.kinds import DEPLOYMENTS, REPLICASETS
from chaos_go.kubernetes.selection import Selection
from chaos_go.kubernetes.workload import read
from chaos_go.targets import guard, scope

ONE = scope.read_pods({"pods": 1})


def workload(resource, name, wanted):
    meta = {"namespace": "shop", "name": name, "uid": f"uid-{name}"}
    return read(resource, {"metadata": meta, "spec": {"replicas": wanted}})


def users(ready, unready=0):
    """Return pods of deployment/users, the Ready ones first."""
    found = []
    for number in range(ready + unready):
        meta = owned_by("ReplicaSet", "users-5c6f", pod_template_hash="5c6f")
        found.append(pod_objects.read(pod(f"users-5c6f-{number}", meta=meta)))
    return [replace(x, is_ready=number < ready) for number, x in enumerate(found)]


def selection(pods, of_workload=None):
    return Selection("shop", "app=users", of_workload, tuple(pods), {})


@pytest.mark.parametrize("namespace", guard.PROTECTED)
def test_the_namespaces_of_the_cluster_are_protected_unless_repeated(namespace):
    with pytest.raises(TargetError, match=rf"it runs the cluster; .*namespace: {namespace}}}"):
        guard.refuse_protected("pods/x", namespace, ONE)
    other = scope.read_pods({"protected_namespace": "kube-other"})
    with pytest.raises(TargetError):
        guard.refuse_protected("pods/x", namespace, other)
    guard.refuse_protected("pods/x", namespace, scope.read_pods({"protected_namespace": namespace}))


def test_the_namespace_of_the_experiment_is_protected(monkeypatch, tmp_path):
    (tmp_path / "namespace").write_text("chaos\n")
    monkeypatch.setattr(connection, "_SERVICE_ACCOUNT", tmp_path)
    with pytest.raises(TargetError, match="it runs this experiment"):
        guard.refuse_protected("pods/x", "chaos", ONE)
    guard.refuse_protected("pods/x", "shop", ONE)


def test_only_ready_pods_are_candidates_unless_asked_for():
    found = selection(users(1, 2))
    assert guard.candidates("x", found, ONE) == found.pods[:1]
    everything = scope.read_pods({"include_unready": True})
    assert guard.candidates("x", found, everything) == found.pods
    with pytest.raises(TargetError, match=r"none of its 2 pods is Ready \(users-5c6f-0: "):
        guard.candidates("x", selection(users(0, 2)), ONE)


def test_a_static_pod_is_refused_since_its_deletion_does_nothing():
    mirror = pod_objects.read(
        pod("etcd", meta={"annotations": {"kubernetes.io/config.mirror": "h"}})
    )
    with pytest.raises(TargetError, match="etcd is a static pod"):
        guard.candidates("x", selection([*users(3), mirror]), ONE)


@pytest.mark.parametrize(
    ("pods", "hit", "wanted", "said"),
    [
        (users(3), 1, 3, None),
        (users(3), 2, 3, "2 of 3 pods of deployment/users in the target would be missing"),
        (users(2, 1), 1, 3, "2 of 3 pods of deployment/users in the target would be missing"),
        (
            users(2),
            1,
            3,
            "2 of 3 pods of deployment/users in the target would be missing",
        ),  # one is not there
        (users(4), 2, 4, None),
        (users(4), 2, 2, None),  # a rollout has more pods than wanted
        (users(1), 1, 1, "1 of 1 pods of deployment/users in the target would be missing"),
    ],
)
@pytest.mark.parametrize("resource", [DEPLOYMENTS, REPLICASETS])
def test_what_is_missing_already_counts(pods, hit, wanted, said, resource):
    name = "users" if resource is DEPLOYMENTS else "users-5c6f"
    found = selection(pods, workload(resource, name, wanted))
    if said is None:
        guard.refuse_too_many(ONE, pods[:hit], found, 50)
    else:
        with pytest.raises(BadInputError, match=said):
            guard.refuse_too_many(ONE, pods[:hit], found, 50)


def test_every_workload_that_is_hit_counts_alone_and_no_other():
    a, b = of("replicaset/a", "a-0"), [of("replicaset/b", f"b-{x}") for x in range(3)]
    found = selection([a, *b])
    guard.refuse_too_many(ONE, b[:1], found, 50)
    with pytest.raises(BadInputError, match="1 of 1 pods of replicaset/a"):
        guard.refuse_too_many(ONE, [a], found, 50)
    broken = selection([replace(a, is_ready=False), *b])
    guard.refuse_too_many(ONE, b[:1], broken, 50)  # a is not hit


def test_pods_that_are_named_and_pods_without_an_owner_are_not_counted():
    pods = users(2)
    named = scope.read_pods({"pods": [x.name for x in pods]})
    guard.refuse_too_many(named, pods, selection(pods, workload(DEPLOYMENTS, "users", 2)), 50)
    alone = of("", "alone")
    guard.refuse_too_many(ONE, [alone], selection([alone]), 50)


@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 8), st.integers(1, 100), st.data())
def test_the_share_is_never_more_than_allowed(ready, unready, wanted, allowed, data):
    pods = users(ready, unready)
    hit = data.draw(st.integers(0, len(pods)))
    given_scope = scope.read_pods({"pods": 1, "max_percentage": allowed})
    present = max(len(pods), wanted)
    missing = len({x.uid for x in pods[:hit]} | {x.uid for x in pods if not x.is_ready})
    missing += present - len(pods)
    found = selection(pods, workload(DEPLOYMENTS, "users", wanted))
    if not pods:
        return
    try:
        guard.refuse_too_many(given_scope, pods[:hit], found, 50)
        accepted = True
    except BadInputError:
        accepted = False
    assert accepted == (hit == 0 or 100 * missing / present <= allowed)
