"""Every activity works with exactly the Role that it declares, and needs each verb of it."""

import importlib
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chaoslib.exceptions import InterruptExecution
from clusters import wait_until
from roles import Account
from workloads import deploy

from chaos_go import activity_modules
from chaos_go.agent import holder
from chaos_go.controls import traffic
from chaos_go.doctor.permissions import Reviews
from chaos_go.doctor.progress import Progress
from chaos_go.errors import ForbiddenError
from chaos_go.faults import pods as faults
from chaos_go.kubernetes.connection import connect
from chaos_go.kubernetes.permission import Permission, single
from chaos_go.traffic import load
from probes import pods as probes

pytestmark = pytest.mark.e2e

# {} is the namespace of the test. Each activity that declares permissions is here.
CASES = {
    "kill": (faults.kill, {"target": "deployment/{}/users"}),
    "kill-by-service": (faults.kill, {"target": "service/{}/users"}),
    "kill-one-pod": (faults.kill, {"target": "pods/{}/app=users"}),
    "evict": (faults.kill, {"target": "deployment/{}/users", "mode": "evict"}),
    "scale": (faults.scale, {"target": "deployment/{}/users", "replicas": 3}),
    "rollout-restart": (faults.rollout_restart, {"target": "deployment/{}/users"}),
    "ready-ratio": (probes.ready_ratio, {"target": "deployment/{}/users"}),
    "restarts": (probes.restarts, {"target": "service/{}/users"}),
    "oom-kills": (probes.oom_kills, {"target": "pods/{}/app=users"}),
    "recovery": (probes.recovery_s, {"target": "deployment/{}/users"}),
    "recovery-detail": (probes.recovery_detail, {"target": "pods/{}/app=users"}),
}
NODE_CASES = {
    "cordon": (faults.cordon, {"target": "nodes/kubernetes.io/os=linux"}),
    "drain": (faults.drain, {"target": "deployment/{}/users", "timeout_s": 20}),
}


@pytest.fixture
def account(cluster, namespace, tmp_path, monkeypatch) -> Iterator[Account]:
    monkeypatch.chdir(tmp_path)  # undo files go there
    found = Account(cluster, namespace, tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(found.kubeconfig))
    monkeypatch.delenv("KUBERNETES_CONTEXT", raising=False)
    yield found
    holder.stop_all()
    found.close()


@pytest.mark.parametrize("case", CASES)
def test_exactly_its_role(cluster, namespace, account, caplog, case):
    deploy(cluster, namespace, 2)
    add_service(cluster, namespace)
    check_role(cluster, namespace, account, caplog, *CASES[case])


@pytest.mark.parametrize("case", NODE_CASES)
def test_exactly_its_cluster_role(cluster, three_nodes, namespace, account, caplog, case):
    deploy(cluster, namespace, replicas=1)
    add_service(cluster, namespace)
    function, arguments = NODE_CASES[case]
    if case == "drain":
        arguments = arguments | {"scope": {"max_percentage": 100}}
    check_role(cluster, namespace, account, caplog, function, arguments)


def check_role(cluster, namespace, account, caplog, function: Callable, arguments: dict) -> None:
    given = arguments | {"target": arguments["target"].format(namespace)}
    needed = single(function.permissions(given), namespace)
    before, held = state(cluster, namespace), holder.faults()
    for lacking in needed:
        account.grant([one for one in needed if one != lacking])
        wait_until(
            lambda lacking=lacking: missing(needed) == [lacking], f"only {lacking} is missing"
        )
        caplog.clear()
        with caplog.at_level(logging.ERROR), pytest.raises(ForbiddenError) as refused:
            function(**given)
        what = f"may not {lacking.verbs[0]} {lacking.name}"
        assert re.match(rf"{what}( in namespace {namespace})? \(403\): ", str(refused.value))
        (logged,) = [x.message for x in caplog.records if "this rule" in x.message]
        assert f"verbs: [{lacking.verbs[0]}]" in logged
        assert state(cluster, namespace) == before
        assert holder.faults() == held  # no fault began
        assert list(Path.cwd().glob("chaos-go-undo-*")) == []
    account.grant(needed)
    wait_until(lambda: missing(needed) == [], "all is granted")
    function(**given)


def missing(needed: list[Permission]) -> list[Permission]:
    reviews = Reviews(connect())
    reviews.ask([needed], Progress())
    return reviews.missing


def state(cluster, namespace: str) -> object:
    pods = cluster.core.list_namespaced_pod(namespace).items
    workload = cluster.apps.read_namespaced_deployment("users", namespace)
    nodes = cluster.core.list_node().items
    return (
        sorted((pod.metadata.uid, str(pod.metadata.deletion_timestamp)) for pod in pods),
        workload.metadata.generation,
        [(node.metadata.name, node.spec.unschedulable) for node in nodes],
    )


def add_service(cluster, namespace: str) -> None:
    spec = {"selector": {"app": "users"}, "ports": [{"name": "http", "port": 8082}]}
    cluster.core.create_namespaced_service(namespace, {"metadata": {"name": "users"}, "spec": spec})

    def has_endpoints() -> bool:
        from kubernetes import client

        found = client.DiscoveryV1Api(cluster.api_client()).list_namespaced_endpoint_slice(
            namespace
        )
        return any(one.endpoints for one in found.items)

    wait_until(has_endpoints, "the service has endpoints")


def test_a_load_in_pods_works_with_exactly_its_role(cluster, namespace, account):
    deploy(cluster, namespace, 1)
    add_service(cluster, namespace)
    address = cluster.core.read_namespaced_service("users", namespace).spec.cluster_ip
    given = {
        "name": "users",
        "load": {"url": f"http://{address}:8082/api/v1/users/42", "rate_rps": 20},
        "generator": {"kubernetes": {"image": cluster.agent_image, "namespace": namespace}},
    }
    needed = single(traffic.permissions({"provider": {"arguments": given}}), namespace)
    for lacking in needed:
        account.grant([one for one in needed if one != lacking])
        wait_until(
            lambda lacking=lacking: missing(needed) == [lacking], f"only {lacking} is missing"
        )
        what = f"may not {lacking.verbs[0]} {lacking.name}"
        if lacking.verbs[0] == "delete":
            continue  # the load would run, and its Job would stay until its own time is over
        with pytest.raises(InterruptExecution, match=what):
            traffic.before_experiment_control({}, **given)
    account.grant(needed)
    wait_until(lambda: missing(needed) == [], "all is granted")
    traffic.before_experiment_control({}, **given)
    journal: dict = {}
    try:
        wait_until(lambda: len(load.find("users").seconds()) >= 2, "the load is recorded")
    finally:
        traffic.after_experiment_control({}, journal, **given)
    assert journal["chaos_go"]["traffic"]["users"]["seconds"]


def test_every_activity_that_declares_permissions_is_tried():
    declaring = set()
    for name in activity_modules():
        module = importlib.import_module(name)
        functions = (getattr(module, public) for public in module.__all__)
        declaring |= {one for one in functions if hasattr(one, "permissions")}
    tried = {function for function, _ in (CASES | NODE_CASES).values()}
    assert declaring == tried
