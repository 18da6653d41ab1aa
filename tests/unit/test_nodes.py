"""Which nodes and pods a cordon and a drain take, decided without a cluster."""

from typing import Any

import pytest

from chaos_go.errors import BadInputError
from chaos_go.kubernetes import eviction, nodes
from chaos_go.kubernetes.nodes import Node
from chaos_go.targets import guard, scope

DAEMON = {"kind": "DaemonSet", "name": "dns", "uid": "d", "controller": True}
REPLICA_SET = {"kind": "ReplicaSet", "name": "users-1", "uid": "r", "controller": True}
NO_OWN_POD = ("", "")


def pod(owner: dict[str, Any] | None = REPLICA_SET, **more: Any) -> dict[str, Any]:
    meta = {"namespace": "shop", "name": "users-1-x", "uid": "u", **more.pop("metadata", {})}
    if owner:
        meta["ownerReferences"] = [owner]
    spec = {"nodeName": "node1", "containers": [], **more.pop("spec", {})}
    return {"metadata": meta, "spec": spec, "status": {"phase": "Running", **more}}


@pytest.mark.parametrize(
    ("item", "why"),
    [
        (pod(), ""),
        (pod(DAEMON), "daemonset/dns would put it back there"),
        (pod(metadata={"annotations": {"kubernetes.io/config.mirror": "x"}}), "a static pod"),
        (pod(None, phase="Succeeded"), "it has finished"),
        (pod(None, phase="Failed"), "it has finished"),
        (pod(metadata={"deletionTimestamp": "2026-11-30T12:00:00Z"}), "being deleted already"),
    ],
)
def test_which_pods_stay(item: dict[str, Any], why: str) -> None:
    lodger = eviction.judge(item, NO_OWN_POD)
    said = lodger.why_not(eviction.PERMITS)
    assert (why in said) if why else said == ""


def test_the_pod_of_the_experiment_stays() -> None:
    lodger = eviction.judge(pod(), ("shop", "users-1-x"))
    assert lodger.why_not(eviction.PERMITS) == "it runs this experiment"


@pytest.mark.parametrize(
    ("allowed", "is_evicted"),
    [((), False), (("bare_pods",), False), (("emptydir_data",), False), (eviction.PERMITS, True)],
)
def test_a_bare_pod_with_data_needs_both(allowed: tuple[str, ...], is_evicted: bool) -> None:
    volumes = [{"name": "config", "configMap": {}}, {"name": "data", "emptyDir": {}}]
    lodger = eviction.judge(pod(None, spec={"volumes": volumes}), NO_OWN_POD)
    assert (lodger.why_not(allowed) == "") == is_evicted


def test_a_volume_that_is_no_empty_dir_is_no_reason() -> None:
    lodger = eviction.judge(pod(spec={"volumes": [{"name": "x", "configMap": {}}]}), NO_OWN_POD)
    assert lodger.why_not(()) == ""


def node(name: str, ready: str = "True", effect: str = "", **spec: Any) -> Node:
    if effect:
        key = "node-role.kubernetes.io/control-plane"
        spec["taints"] = [{"key": key, "effect": effect}]
    conditions = [{"type": "Ready", "status": ready}]
    meta = {"name": name, "uid": name}
    return nodes.read({"metadata": meta, "spec": spec, "status": {"conditions": conditions}})


A, B, C, D = (node(name) for name in "abcd")


@pytest.mark.parametrize(
    ("chosen", "everything", "most", "is_allowed"),
    [
        ([A], [A, B, C], None, True),
        ([A, B], [A, B, C], None, False),
        ([A, B], [A, B, C], 70, True),
        ([A, B], [A, B, C, D], None, True),
        ([A], [A], None, False),
        ([A], [A, node("b", ready="False")], None, False),  # none would be left
        ([A], [A, node("b", ready="Unknown"), C], None, True),
        ([A], [A, B, node("c", unschedulable=True)], None, False),
        ([A], [A, node("m", effect="NoSchedule")], None, False),  # it takes no pods
        ([A], [A, node("m", effect="PreferNoSchedule")], None, True),
    ],
)
def test_the_share_of_nodes(
    chosen: list[Node], everything: list[Node], most: float | None, is_allowed: bool
) -> None:
    given = scope.read_nodes({} if most is None else {"max_percentage": most})
    if is_allowed:
        guard.refuse_too_many_nodes(given, chosen, everything, 50.0)
        return
    with pytest.raises(BadInputError, match="Ready nodes would take no pods"):
        guard.refuse_too_many_nodes(given, chosen, everything, 50.0)


def test_nodes_that_are_named_are_meant() -> None:
    guard.refuse_too_many_nodes(scope.read_nodes({"nodes": ["a", "b"]}), [A, B], [A, B], 50.0)


@pytest.mark.parametrize(
    ("before", "after", "is_allowed"),
    [(3, 2, True), (3, 1, False), (4, 2, True), (1, 0, False), (0, 5, True), (2, 9, True)],
)
def test_the_share_that_scaling_down_takes_away(before: int, after: int, is_allowed: bool) -> None:
    given = scope.read_workload({}, takes_away=True)
    if is_allowed:
        guard.refuse_scaling_down(given, before, after, 50.0)
        return
    with pytest.raises(BadInputError, match="would be taken away"):
        guard.refuse_scaling_down(given, before, after, 50.0)


@pytest.mark.parametrize(
    ("given", "takes_away"),
    [({"pods": 1}, True), ({"max_percentage": 70}, False), ({"max_percentage": 0}, True)],
)
def test_the_scope_of_a_workload(given: dict[str, Any], takes_away: bool) -> None:
    with pytest.raises(BadInputError, match=r"scope\."):
        scope.read_workload(given, takes_away)


def test_one_node_is_the_default() -> None:
    assert scope.read_nodes({}).count == 1
    assert scope.read_nodes({"max_percentage": 70}).count == 1
    assert scope.read_nodes({"nodes": "all"}).count is None
