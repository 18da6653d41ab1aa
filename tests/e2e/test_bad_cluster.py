"""Targets that are not there, and workloads that recover in their own way or not at all."""

import time
from collections.abc import Iterator

import pytest
from api_proxy import proxied
from chaoslib.exceptions import ActivityFailed
from clusters import wait_until
from workloads import SLEEPER, STUBBORN, create, ready, uids

from chaos_go.agent import holder
from chaos_go.faults import stop
from chaos_go.faults.pods import kill
from chaos_go.targets import read_pods, scope
from probes import pods as probes

pytestmark = pytest.mark.e2e

SOON_S = 40.0
WHOLE = {"pods": 1, "max_percentage": 100}


@pytest.fixture(autouse=True)
def environment(cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("KUBECONFIG", "KUBERNETES_CONTEXT"):
        monkeypatch.setenv(name, cluster.environment[name])
    yield
    holder.stop_all()


def recovery(target, name, timeout_s=SOON_S):
    """Return the detail of a recovery, of which the workload has to be capable."""
    detail = probes.recovery_detail(target, fault=name, timeout_s=timeout_s)
    assert detail["recovered"], detail
    return detail


def violation(target, name, timeout_s):
    """Return why a workload did not recover, from the record of the fault."""
    assert probes.recovery_s(target, fault=name, timeout_s=timeout_s) >= timeout_s
    (found,) = stop(name)[0]["violations"]
    return found


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("deployment/NS/userz", r"namespace NS has no Deployment 'userz'; did you mean users\?"),
        ("deployment/NS/payment", r"no Deployment 'payment'; there is empty, users"),
        ("statefulset/NS/users", r"no StatefulSet 'users'; there is none"),
        ("deployments/NS/users", r"unknown kind of target; did you mean deployment/"),
        ("deploy/NS/users", r"unknown kind of target; "),
        ("deployment/NSx/users", r"there is no namespace 'NSx'; did you mean NS\?"),
        ("pods/NSx/app=users", r"there is no namespace 'NSx'"),
        ("pod/NS/users-0", r"namespace NS has no Pod 'users-0'; there is users-"),
        ("pods/NS/app=userz", r"no pod of namespace NS matches; their labels are app=users"),
        ("pods/NS/app==,", r"is no label requirement"),
        ("deployment/NS/empty", r"it has no pod in namespace NS; scale it up"),
        ("service/NS/nothing", r"no Service 'nothing'; there is none"),
        ("deployment/kube-system/coredns", r"namespace kube-system has no Deployment 'coredns'"),
        ("daemonset/kube-system/coredns", r"protected, .*protected_namespace: kube-system"),
        ("deployment/users", r"namespace default has no Deployment 'users'"),
        ("deployment//users", r"the namespace is empty; give one like deployment/shop/users"),
        ("deployment/NS/Users", r"'Users' is no name of an object"),
        ("node/node1", r"pods are needed here"),
    ],
)
def test_what_is_not_there_is_named(cluster, filled, target, said):
    before = uids(cluster, filled)
    with pytest.raises(ActivityFailed, match=said.replace("NS", filled)):
        kill(target.replace("NS", filled))
    assert uids(cluster, filled) == before
    assert not [fault for fault in holder.faults() if fault.state == "armed"]


@pytest.fixture(scope="module")
def filled(clusters):
    """A namespace of the whole module with one workload of two pods, and one of none."""
    cluster, name = clusters.get(1), f"filled-{time.time_ns()}"
    with cluster.entered():
        cluster.core.create_namespace({"metadata": {"name": name}})
        accounts = cluster.core.list_namespaced_service_account
        wait_until(lambda: accounts(name).items, "its service account")
        create(cluster, "Deployment", name, "users", spec={"replicas": 2})
        create(cluster, "Deployment", name, "empty", spec={"replicas": 0})
        yield name
        cluster.core.delete_namespace(name)


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet", "ReplicaSet", "Deployment", "Job"])
def test_every_kind_replaces_its_pod(cluster, namespace, kind):
    spec = {"Job": {"parallelism": 2, "completions": 2}, "DaemonSet": {}}.get(kind, {"replicas": 2})
    pod = {"restartPolicy": "Never"} if kind == "Job" else {}
    target = create(cluster, kind, namespace, "w", spec=spec, pod=pod)
    kill(target, scope=WHOLE, name=f"kind-{kind}")
    detail = recovery(target, f"kind-{kind}", 60)
    (kept,) = detail["kills"]
    assert 0 < kept["replaced_unix_s"] - kept["killed_unix_s"] <= detail["value"] + 0.1
    assert (kept["replacement"] == kept["pod"]) == (kind == "StatefulSet")


def test_a_pod_that_is_named_is_replaced_as_its_workload_says(cluster, namespace):
    create(cluster, "Deployment", namespace, "w", STUBBORN, {"replicas": 3})
    name = cluster.core.list_namespaced_pod(namespace).items[0].metadata.name
    target = f"pod/{namespace}/{name}"
    kill(target, name="named")
    detail = recovery(target, "named")
    assert detail["kills"][0]["replacement"].startswith("w-")
    assert probes.ready_ratio(target, fault="named") == pytest.approx(2 / 3)


def test_nothing_replaces_a_pod_without_an_owner(cluster, namespace):
    target = create(cluster, "Pod", namespace, "alone")
    kill(target, name="alone")
    assert "no pod takes the place of alone: nothing owns it" in violation(target, "alone", 4)


def test_an_image_that_cannot_be_pulled_is_the_reason(cluster, namespace):
    target = create(cluster, "ReplicaSet", namespace, "w", spec={"replicas": 2})
    bad = {"name": "sleeper", "image": "localhost/nothing:here", "imagePullPolicy": "Never"}
    patch = {"spec": {"template": {"spec": {"containers": [bad]}}}}
    cluster.apps.patch_namespaced_replica_set("w", namespace, patch)
    kill(target, name="image")
    said = violation(target, "image", 6)
    assert "container sleeper: ErrImageNeverPull: Container image " in said
    assert '"localhost/nothing:here" is not present' in said


def test_a_pod_that_a_finalizer_keeps_is_the_reason(cluster, namespace):
    target = create(cluster, "StatefulSet", namespace, "w", spec={"replicas": 2})
    name = cluster.core.list_namespaced_pod(namespace).items[0].metadata.name
    keep = {"metadata": {"finalizers": ["example.com/keep"]}}
    cluster.core.patch_namespaced_pod(name, namespace, keep)
    kill(target, scope={"pods": [name]}, name="kept")
    try:
        said = f"pod {name}: it is being deleted and is still there (finalizers: example.com/keep)"
        assert said in violation(target, "kept", 6)
        with pytest.raises(ActivityFailed, match="1 of 1 pods are 100 %"):
            kill(target, scope={"pods": 1}, name="kept-again")
    finally:
        free = {"metadata": {"finalizers": None}}
        cluster.core.patch_namespaced_pod(name, namespace, free)


def test_a_shutdown_that_uses_its_whole_grace_period_is_in_the_recovery(cluster, namespace):
    pod = {"terminationGracePeriodSeconds": 5}
    target = create(cluster, "StatefulSet", namespace, "w", STUBBORN, {"replicas": 2}, pod)
    kill(target, name="stubborn")
    whole_s = recovery(target, "stubborn")["value"]
    assert whole_s >= 4.9
    kill(target, grace_period_s=1, name="hurried")
    assert 0.9 <= recovery(target, "hurried")["value"] < whole_s


def test_a_port_of_the_node_is_free_only_after_the_end(cluster, namespace):
    container = STUBBORN | {"ports": [{"containerPort": 31999, "hostPort": 31999}]}
    pod = {"hostNetwork": True, "terminationGracePeriodSeconds": 4}
    target = create(cluster, "Deployment", namespace, "w", container, {"replicas": 1}, pod)
    kill(target, scope=WHOLE, name="host-network")
    assert recovery(target, "host-network")["value"] >= 3.9


def test_a_paused_deployment_recovers_although_its_newest_spec_waits(cluster, namespace):
    target = create(cluster, "Deployment", namespace, "w", spec={"replicas": 2})
    new = {"spec": {"template": {"metadata": {"annotations": {"new": "yes"}}}, "paused": True}}
    cluster.apps.patch_namespaced_deployment("w", namespace, new)
    kill(target, name="paused")
    recovery(target, "paused")


def test_a_quota_that_forbids_the_replacement_is_the_reason(cluster, namespace):
    target = create(cluster, "StatefulSet", namespace, "w", spec={"replicas": 2})
    quota = {"metadata": {"name": "few"}, "spec": {"hard": {"pods": "1"}}}
    cluster.core.create_namespaced_resource_quota(namespace, quota)
    read = cluster.core.read_namespaced_resource_quota
    wait_until(lambda: read("few", namespace).status.used, "the quota counts")
    kill(target, name="quota")
    said = violation(target, "quota", 6)
    assert "statefulset/w: 1 of 2 are available (" in said
    assert "exceeded quota: few" in said


def test_pods_that_are_not_ready_are_left_alone_unless_asked_for(cluster, namespace):
    never = {"exec": {"command": ["/bin/false"]}, "periodSeconds": 1}
    create(cluster, "Deployment", namespace, "w", spec={"replicas": 2})
    create(
        cluster, "Deployment", namespace, "u", SLEEPER | {"readinessProbe": never}, {"replicas": 0}
    )
    scale = {"spec": {"replicas": 2}}
    cluster.apps.patch_namespaced_deployment_scale("u", namespace, scale)
    wait_until(lambda: len(uids(cluster, namespace)) == 4, "four pods")
    target = f"deployment/{namespace}/u"
    with pytest.raises(ActivityFailed, match=r"none of its 2 pods is Ready \(u-.*include_unready"):
        kill(target)
    # All of them are missing already.
    with pytest.raises(
        ActivityFailed, match="2 of 2 pods of deployment/u in the target would be missing"
    ):
        kill(target, scope={"pods": 1, "include_unready": True})
    scope = {"pods": 1, "include_unready": True, "max_percentage": 100}
    kill(target, scope=scope, name="unready")
    assert "container" in violation(target, "unready", 4)


def test_two_workloads_of_one_selector_are_counted_apart(cluster, namespace):
    for name, replicas in (("a", 1), ("b", 3)):
        create(cluster, "Deployment", namespace, name, spec={"replicas": replicas})
    target = f"pods/{namespace}/app in (a,b)"
    owners = {seed: drawn(target, seed) for seed in range(1, 20)}
    alone = next(seed for seed, owner in owners.items() if owner == "deployment/a")
    with pytest.raises(
        ActivityFailed, match="1 of 1 pods of deployment/a in the target would be missing"
    ):
        kill(target, seed=alone)
    other = next(seed for seed, owner in owners.items() if owner == "deployment/b")
    kill(target, seed=other, grace_period_s=0, name="two-workloads")
    (kept,) = recovery(target, "two-workloads")["kills"]
    assert kept["replacement"].startswith("b-")
    assert ready(cluster, namespace, "a") == 1


def drawn(target, seed):
    """Return the workload whose pod a seed draws."""
    pods = read_pods(target).select().pods
    return scope.choose(scope.read_pods({"pods": 1}), pods, 50, seed).places[0].owner


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_a_pod_that_went_between_the_choice_and_the_kill(
    cluster, namespace, kind, tmp_path, monkeypatch
):
    target = create(cluster, kind, namespace, "w", spec={"replicas": 2})
    deleted = []

    def be_faster(handler):
        if handler.command == "DELETE" and not deleted:
            deleted.append(handler.path.rpartition("/")[2])
            cluster.core.delete_namespaced_pod(deleted[0], namespace, grace_period_seconds=0)
            wait_until(lambda: ready(cluster, namespace, "w") == 2, "it is replaced")
        return False

    monkeypatch.delenv("KUBECONFIG")
    monkeypatch.setenv("HOME", str(tmp_path))
    with proxied(cluster, tmp_path) as proxy:
        monkeypatch.setenv("KUBERNETES_HOST", proxy.url)
        proxy.trouble = be_faster
        with pytest.raises(ActivityFailed, match="it was deleted or replaced meanwhile"):
            kill(target, name="late")
    assert ready(cluster, namespace, "w") == 2
    assert "late" not in [fault.id for fault in holder.faults()]
