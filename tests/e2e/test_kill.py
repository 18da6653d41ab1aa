"""`chaos_go.faults.pods.kill` and the probes of pods, on a real cluster."""

import threading
import time
from collections.abc import Iterator

import pytest
from chaoslib.exceptions import ActivityFailed
from clusters import wait_until
from workloads import available, deploy, uids

from chaos_go.agent import holder
from chaos_go.faults import stop
from chaos_go.faults.pods import kill
from chaos_go.targets import read_pods
from probes import pods as probes

pytestmark = pytest.mark.e2e

SOON_S = 30.0


@pytest.fixture(autouse=True)
def environment(cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("KUBECONFIG", "KUBERNETES_CONTEXT"):
        monkeypatch.setenv(name, cluster.environment[name])
    yield
    holder.stop_all()


@pytest.fixture
def users(cluster, namespace) -> str:
    """Deploy three pods of users, without the whole shop, and return the target."""
    return deploy(cluster, namespace)


def test_one_of_three_is_killed_and_replaced(cluster, namespace, users):
    before = uids(cluster, namespace)
    assert probes.recovery_s(users, fault="killed") == 0.0
    assert probes.ready_ratio(users, fault="killed") == 1.0

    record = kill(users, name="killed")
    detail = probes.recovery_detail(users, fault="killed", timeout_s=SOON_S)

    (place,) = record["places"]
    after = uids(cluster, namespace)
    assert before - after == {place["uid"]}
    assert len(after) == 3
    assert detail["recovered"]
    assert 0 < detail["value"] < SOON_S
    (kept,) = detail["kills"]
    assert kept["replacement"] != kept["pod"]
    assert probes.ready_ratio(users, fault="killed") == pytest.approx(2 / 3)
    assert probes.restarts(users, fault="killed") == probes.oom_kills(users, fault="killed") == 0

    (ended,) = stop("killed")
    assert ended["state"] == "ended"
    assert ended["effect"] is True
    assert "fully available again after" in ended["said"]
    assert {pod["uid"] for pod in ended["resolved"]} == before
    for pod in ended["resolved"]:
        assert pod["images"] == ["localhost/chaos-shop:demo"]
        assert pod["owner"] == "deployment/users"
        assert pod["node"] in cluster.node_names()
        assert pod["namespace"] == namespace


def test_recovery_is_what_another_observer_sees(cluster, namespace, users):
    record = kill(users, name="seen")
    killed = record["places"][0]

    def ready_without_it() -> bool:
        pods = cluster.core.list_namespaced_pod(namespace).items
        ready = [
            pod
            for pod in pods
            if pod.metadata.uid != killed["uid"]
            and not pod.metadata.deletion_timestamp
            and any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or [])
        ]
        return len(ready) == 3 and available(cluster, namespace) == 3

    wait_until(ready_without_it, "three others are Ready")
    seen_s = time.time() - killed["asked_unix_s"]
    took_s = probes.recovery_s(users, fault="seen", timeout_s=SOON_S)
    assert took_s == pytest.approx(seen_s, abs=1.0)


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        ({}, "3 of 3 pods are 100 %"),
        ({"pods": "all"}, "3 of 3 pods are 100 %"),
        ({"pods": 2}, "2 of 3 pods are 67 %"),
        ({"pods": 4}, "the target has 3 pods; give at most 3"),
        ({"pods": ["users-nobody"]}, "the target has no such pod; it has users-"),
        ({"pods": 1, "container": "sidecar"}, "this fault acts on whole pods; leave it out"),
        ({"pods": 1, "max_percentage": 20}, "1 of 3 pods are 33 %"),
        ({"places": 1}, "scope.places='places': no such argument"),
    ],
)
def test_a_scope_that_is_refused_kills_nothing(cluster, namespace, users, scope, said):
    before = uids(cluster, namespace)
    with pytest.raises(ActivityFailed, match=said):
        kill(users, scope=scope)
    assert uids(cluster, namespace) == before
    assert holder.faults()[-1:] == [] or holder.faults()[-1].state != "armed"


def test_named_pods_may_be_more_than_half(cluster, namespace, users):
    pods = cluster.core.list_namespaced_pod(namespace).items
    names = sorted(pod.metadata.name for pod in pods)[:2]
    record = kill(users, scope={"pods": names}, name="two")
    assert sorted(kept["pod"] for kept in record["kills"]) == names
    assert probes.recovery_s(users, fault="two", timeout_s=SOON_S) > 0
    assert probes.ready_ratio(users, fault="two") == pytest.approx(1 / 3)


def test_a_protected_namespace_is_refused_unless_it_is_repeated(cluster):
    coredns = "daemonset/kube-system/coredns"
    with pytest.raises(ActivityFailed, match=r"protected_namespace: kube-system"):
        kill(coredns)
    scope = {"pods": 1, "protected_namespace": "kube-system"}
    with pytest.raises(ActivityFailed, match=r"1 of 1 pods are 100 %"):
        kill(coredns, scope=scope)


def test_the_same_seed_chooses_the_same_pod(cluster, namespace, users):
    first = kill(users, seed=7, grace_period_s=0, name="first")
    assert first["scope"] == {"of": 3, "by": "draw", "seed": 7}
    index = [pod["uid"] for pod in first["resolved"]].index(first["places"][0]["uid"])
    probes.recovery_s(users, fault="first", timeout_s=SOON_S)
    second = kill(users, seed=7, grace_period_s=0, name="second")
    assert [x["uid"] for x in second["resolved"]].index(second["places"][0]["uid"]) == index


def test_an_eviction_that_a_budget_refuses_is_a_finding(cluster, namespace, users):
    from kubernetes import client

    budget = {
        "metadata": {"name": "users"},
        "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "users"}}},
    }
    policy = client.PolicyV1Api(cluster.api_client())
    policy.create_namespaced_pod_disruption_budget(namespace, budget)
    wait_until(
        lambda: policy.read_namespaced_pod_disruption_budget("users", namespace).status
        .disruptions_allowed == 1,
        "the budget allows one disruption",
    )  # fmt: skip
    scope = {"pods": 2, "max_percentage": 100}
    record = kill(users, mode="evict", scope=scope, name="evicted")
    assert probes.evictions_blocked("evicted") == 1
    assert "The disruption budget users needs 2 healthy pods and has 2" in record["said"]
    assert probes.recovery_s(users, fault="evicted", timeout_s=SOON_S) > 0
    assert probes.ready_ratio(users, fault="evicted") == pytest.approx(2 / 3)
    (ended,) = stop("evicted")
    assert sum(bool(place["blocked"]) for place in ended["places"]) == 1


def test_rounds_that_wait_never_take_more_than_one_pod_at_a_time(cluster, namespace, users):
    fewest, over = [3], threading.Event()

    def observe() -> None:
        while not over.is_set():
            pods = cluster.core.list_namespaced_pod(namespace).items
            ready = [
                pod
                for pod in pods
                if not pod.metadata.deletion_timestamp
                and any(
                    c.type == "Ready" and c.status == "True" for c in pod.status.conditions or []
                )
            ]
            fewest.append(len(ready))

    observer = threading.Thread(target=observe)
    observer.start()
    try:
        kill(users, interval_s=1, wait_for_recovery=True, duration_s=12, name="rounds")
        wait_until(lambda: len(holder.find("rounds").record()["kills"]) >= 3, "three kills", 40)
        (ended,) = stop("rounds")
    finally:
        over.set()
        observer.join()
    assert min(fewest) == 2
    assert len({kept["uid"] for kept in ended["kills"]}) == len(ended["kills"]) >= 3


def test_rounds_end_with_the_duration(cluster, namespace, users):
    kill(users, interval_s=1, duration_s=3, grace_period_s=0, name="short")
    fault = holder.find("short")
    wait_until(lambda: fault.state == "ended", "the fault has ended by itself", 10)
    kills = len(fault.record()["kills"])
    assert 1 <= kills <= 3
    time.sleep(1.5)
    assert len(fault.record()["kills"]) == kills
    assert {place["reason"] for place in fault.record()["places"]} == {"deadline"}
    assert probes.recovery_s(users, fault="short", timeout_s=SOON_S) > 0


def test_a_recovery_that_nobody_watched_to_its_end_is_not_measured(cluster, namespace, users):
    kill(users, name="early")
    stop("early")
    with pytest.raises(ActivityFailed, match=r"before .* had recovered, .*before the stop"):
        probes.recovery_s(users, fault="early", timeout_s=SOON_S)


def test_a_replacement_that_cannot_start_is_a_violation_with_the_reason(cluster, namespace, users):
    patch = {"spec": {"paused": True}}
    cluster.apps.patch_namespaced_deployment("users", namespace, patch)
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "3"}}}
    cluster.core.create_namespaced_resource_quota(namespace, quota)
    wait_until(
        lambda: cluster.core.read_namespaced_resource_quota("none", namespace).status.used,
        "the quota counts",
    )
    cluster.core.patch_namespaced_resource_quota(
        "none", namespace, {"spec": {"hard": {"pods": "2"}}}
    )
    kill(users, name="quota")
    value = probes.recovery_s(users, fault="quota", timeout_s=3)
    assert value >= 3
    (ended,) = stop("quota")
    (violation,) = ended["violations"]
    assert "exceeded quota" in violation


def test_restarts_and_oom_kills_are_counted_since_the_fault(cluster, namespace, users):
    eater = {
        "metadata": {"name": "eater", "labels": {"app": "eater"}},
        "spec": {
            "containers": [{
                "name": "eater",
                "image": "localhost/toolbox:lab",
                "command": ["/bin/sh", "-c", "sleep 4; tail /dev/zero"],
                "resources": {"limits": {"memory": "16Mi"}},
            }],
        },
    }  # fmt: skip
    cluster.core.create_namespaced_pod(namespace, eater)
    mixed = f"pods/{namespace}/app in (users,eater)"
    pods = cluster.core.list_namespaced_pod(namespace, label_selector="app=users").items
    wait_until(
        lambda: cluster.core.read_namespaced_pod("eater", namespace).status.phase == "Running",
        "the eater runs",
    )
    kill(mixed, scope={"pods": [pods[0].metadata.name]}, name="mixed")
    assert probes.oom_kills(mixed, fault="mixed") == 0
    wait_until(lambda: probes.oom_kills(mixed, fault="mixed") >= 1, "an OOM kill is seen")
    assert probes.restarts(mixed, fault="mixed") >= 1


@pytest.mark.parametrize(
    ("target", "port"),
    [
        ("deployment/{}/users:http", 8082),
        ("deployment/{}/users:8082", 8082),
        ("deployment/{}/users:9", 9),  # a port need not be declared
        ("service/{}/front:80", 8082),
        ("service/{}/front:web", 8082),
    ],
)
def test_a_port_is_resolved_to_that_of_the_pods(cluster, namespace, target, port):
    deploy_with_service(cluster, namespace)
    record = kill(target.format(namespace), grace_period_s=0, name=f"port-{port}-{namespace}")
    assert [pod["port"] for pod in record["resolved"]] == [port] * 3


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("deployment/{}/users:htp", r"pod users-.* has no TCP port 'htp'; it has http \(8082\)"),
        ("service/{}/front:8082", r"service front has no TCP port '8082'; it has 80 \(8082\)"),
        ("deployment/{}/users->risk:8083", "a kill acts on whole pods"),
    ],
)
def test_a_port_that_is_not_there_kills_nothing(cluster, namespace, target, said):
    deploy_with_service(cluster, namespace)
    before = uids(cluster, namespace)
    with pytest.raises(ActivityFailed, match=said):
        kill(target.format(namespace))
    assert uids(cluster, namespace) == before


def deploy_with_service(cluster, namespace: str) -> None:
    """Deploy users, and a service whose port has another number and name than that of the pods."""
    deploy(cluster, namespace)
    ports = [{"name": "web", "port": 80, "targetPort": "http"}]
    body = {"metadata": {"name": "front"}, "spec": {"selector": {"app": "users"}, "ports": ports}}
    cluster.core.create_namespaced_service(namespace, body)

    def has_pods() -> bool:
        try:
            return len(read_pods(f"service/{namespace}/front").select().pods) == 3
        except ActivityFailed:
            return False

    wait_until(has_pods, "the service has its three pods", 20)
