"""Which nodes a drain takes, and what it refuses before anything is changed."""

import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chaos_go.errors import BadInputError, TargetError
from chaos_go.faults._cordon import choose_nodes
from chaos_go.kubernetes import eviction
from chaos_go.kubernetes.client import Client
from chaos_go.kubernetes.connection import connect, own_namespace
from chaos_go.kubernetes.eviction import Lodger
from chaos_go.kubernetes.kinds import PODS
from chaos_go.kubernetes.nodes import Node, list_nodes
from chaos_go.kubernetes.presence import Presence
from chaos_go.kubernetes.selection import Selection, list_pods
from chaos_go.targets import NodesTarget, PodsTarget, guard
from chaos_go.targets import scope as scopes
from chaos_go.targets.scope import Scope
from chaos_go.targets.target import MOST_PERCENTAGE

_MOST_NAMED = 5


@dataclass(frozen=True)
class Plan:
    """What a drain does.

    Attributes:
        target: The target.
        scope: Which nodes, or the nodes of which pods.
        allowed: Which of `eviction.PERMITS` are allowed.
        grace_period_s: Seconds between SIGTERM and SIGKILL; None for those of each pod.
        timeout_s: Seconds until which pods are evicted.
        seed: Seed of the random choice.
    """

    target: NodesTarget | PodsTarget
    scope: Scope
    allowed: Collection[str]
    grace_period_s: int | None
    timeout_s: float
    seed: int


@dataclass(frozen=True)
class Chosen:
    """The nodes that are drained.

    Attributes:
        nodes: The nodes.
        record: How they were chosen, for the journal.
        seed: Seed of the choice.
        selection: The pods of the target; None for a target of nodes.
    """

    nodes: tuple[Node, ...]
    record: dict[str, Any]
    seed: int
    selection: Selection | None


def choose(plan: Plan) -> Chosen:
    """Choose the nodes.

    Raises:
        TargetError: No node or pod matches, or none is Ready.
        BadInputError: The scope asks for too many.
        ClusterError: The API server refused, or did not answer.
    """
    target, scope = plan.target, plan.scope
    if isinstance(target, NodesTarget):
        by_node = choose_nodes(target, scope, plan.seed)
        return Chosen(by_node.places, by_node.record, by_node.seed, None)
    selection = target.select()
    guard.refuse_protected(target.text, selection.namespace, scope)
    ready = guard.candidates(target.text, selection, scope)
    by_pod = scopes.choose(replace(scope, max_percentage=None), ready, 100.0, plan.seed)
    everything = list_nodes(connect(target.secrets))
    names = {pod.node for pod in by_pod.places}
    nodes = tuple(node for node in everything if node.name in names)
    there = [pod for pod in selection.pods if pod.node in names]  # all of these are evicted
    guard.refuse_too_many(scope, there, selection, target.most_percentage)
    guard.refuse_too_many_nodes(replace(scope, names=()), nodes, everything, MOST_PERCENTAGE)
    return Chosen(nodes, by_pod.record, by_pod.seed, selection)


def lodgers(client: Client, nodes: Sequence[Node], own_pod: tuple[str, str]) -> list[Lodger]:
    """Return the pods on nodes, in order of name."""
    found = []
    for node in nodes:
        items, _ = client.items(PODS.path(), fieldSelector=f"spec.nodeName={node.name}")
        found += [eviction.judge(item, own_pod) for item in items]
    return sorted(found, key=lambda lodger: lodger.text)


def own_pod() -> tuple[str, str]:
    """Return namespace and name of the pod that runs this experiment; ("", "") outside."""
    namespace = own_namespace()
    return (namespace, socket.gethostname()) if namespace else ("", "")


def refuse_own_node(plan: Plan, found: Sequence[Lodger], own: tuple[str, str]) -> None:
    """Refuse the node on which this experiment runs, unless it is named.

    Raises:
        TargetError: It is among the chosen ones.
    """
    for lodger in found:
        pod = lodger.pod
        is_named = isinstance(plan.target, NodesTarget) and (
            plan.target.name == pod.node or pod.node in plan.scope.names
        )
        if (pod.namespace, pod.name) == own and not is_named:
            fix = (
                f"name it, node/{pod.node}, if it shall be; the pod of this experiment stays there"
            )
            raise TargetError(plan.target.text, f"node {pod.node} runs this experiment; {fix}")


def refuse_what_is_not_allowed(plan: Plan, found: Sequence[Lodger]) -> None:
    """Refuse pods whose eviction loses more than a moment, unless that is allowed.

    Raises:
        BadInputError: There are such pods.
    """
    for permit in eviction.PERMITS:
        pods = [x for x in found if not x.stays and permit in x.needs]
        if pods and permit not in plan.allowed:
            names = ", ".join(x.text for x in pods[:_MOST_NAMED])
            more = f" and {len(pods) - _MOST_NAMED} more" if len(pods) > _MOST_NAMED else ""
            fix = f"{names}{more}: {pods[0].needs[permit]}; to evict them too, give true"
            raise BadInputError(f"allow.{permit}", False, fix)


def watch(
    client: Client, chosen: Chosen, found: Sequence[Lodger], allowed: Collection[str]
) -> Presence:
    """Watch the pods of the target, or of all workloads that lose a pod."""
    if (of := chosen.selection) is not None:
        return Presence(client, of.namespace, of.selector, of.pods, of.workload)
    lost = [x.pod for x in found if not x.why_not(allowed)]
    owners = {(pod.namespace, pod.owner) for pod in lost if pod.owner}
    uids = {pod.uid for pod in lost}
    everything = list_pods(client, "") if owners else ()
    pods = [x for x in everything if x.uid in uids or (x.namespace, x.owner) in owners]
    return Presence(client, "", "", pods, None)
