"""What bounds a fault in a cluster: protected namespaces, and the share of a workload."""

from collections import Counter
from collections.abc import Mapping, Sequence

from chaos_go.errors import BadInputError, TargetError
from chaos_go.kubernetes.connection import own_namespace
from chaos_go.kubernetes.nodes import Node, NodeSelection
from chaos_go.kubernetes.pods import Pod
from chaos_go.kubernetes.selection import Selection
from chaos_go.targets.scope import Scope

NOTHING: Mapping[str, int] = {}
PROTECTED = ("kube-system", "kube-public", "kube-node-lease")


def refuse_protected(target: str, namespace: str, scope: Scope) -> None:
    """Refuse a protected namespace that the scope does not name.

    Raises:
        TargetError: The namespace runs the cluster, or this experiment.
    """
    why = "it runs the cluster" if namespace in PROTECTED else ""
    if namespace == own_namespace():
        why = "it runs this experiment"
    if why and scope.protected_namespace != namespace:
        fix = f"namespace {namespace} is protected, since {why}; to allow it, give "
        raise TargetError(target, fix + f"scope: {{protected_namespace: {namespace}}}")


def candidates(target: str, selection: Selection, scope: Scope) -> tuple[Pod, ...]:
    """Return the pods that may be chosen: those that are Ready, unless the scope asks for all.

    Raises:
        TargetError: None is there or Ready, or one is static.
        BadInputError: The scope names a container.
    """
    if scope.container:
        fix = "this fault acts on whole pods; leave it out"
        raise BadInputError("scope.container", scope.container, fix)
    if not selection.pods:
        raise TargetError(target, "none of its pods is there")
    if mirrors := [pod.name for pod in selection.pods if pod.is_mirror]:
        fix = "a static pod, whose end only the kubelet of its node decides; name other pods"
        raise TargetError(target, f"{mirrors[0]} is {fix}")
    pods = selection.pods
    if not scope.include_unready:
        pods = tuple(pod for pod in pods if pod.is_ready)
    if not pods:
        first = selection.pods[0]
        fix = (
            f"none of its {len(selection.pods)} pods is Ready ({first.name}: "
            f"{first.why_not_ready()}); wait, or give scope: {{include_unready: true}}"
        )
        raise TargetError(target, fix)
    return pods


def refuse_too_many(
    scope: Scope,
    chosen: Sequence[Pod],
    selection: Selection,
    most_percentage: float,
    at_first: Mapping[str, int] = NOTHING,
) -> None:
    """Refuse when too many pods of any workload would be missing, those already missing included.

    A label selector may match several workloads, of which a draw may hit one alone.

    Args:
        scope: The scope of the fault.
        chosen: The pods that would be hit.
        selection: The pods of the target that are there.
        most_percentage: The largest share in percent, unless the scope has its own.
        at_first: How many pods each workload of the target had when the fault began.

    Raises:
        BadInputError: The share is too large.
    """
    if scope.names:
        return
    allowed = scope.allowed(most_percentage)
    of = Counter(pod.owner for pod in selection.pods)
    hit = {pod.uid for pod in chosen}
    missing = Counter(x.owner for x in selection.pods if x.uid in hit or not x.is_ready)
    if selection.workload:  # its pods that are not there are missing as well
        owner = selection.pods[0].owner  # a Deployment, although its ReplicaSet was named
        absent = max(0, selection.workload.wanted - of[owner])
        missing[owner] += absent
        of[owner] += absent
    for owner, number in at_first.items():
        absent = max(0, number - of[owner])
        missing[owner] += absent
        of[owner] += absent
    for owner in dict.fromkeys(pod.owner for pod in chosen):
        number = missing[owner]
        if owner and 100 * number / of[owner] > allowed:
            fix = (
                f"{number} of {of[owner]} pods of {owner} in the target would be missing, which is "
                f"more than {allowed:g} %; raise it, hit fewer by scope.pods, or name them there"
            )
            raise BadInputError("scope.max_percentage", allowed, fix)


def ready_nodes(target: str, selection: NodeSelection) -> tuple[Node, ...]:
    """Return the nodes that may be chosen: those that are Ready.

    Raises:
        TargetError: None is.
    """
    ready = tuple(node for node in selection.nodes if node.is_ready)
    if not ready:
        names = ", ".join(node.name for node in selection.nodes[:3])
        raise TargetError(target, f"none of its nodes is Ready ({names}); wait, or name another")
    return ready


def refuse_too_many_nodes(
    scope: Scope, chosen: Sequence[Node], everything: Sequence[Node], most_percentage: float
) -> None:
    """Refuse when too few nodes would be left for pods, those already cordoned included.

    Nodes that are not Ready, and those that only run the cluster, take no pods anyway.

    Raises:
        BadInputError: The share is too large.
    """
    if scope.names:
        return
    hit = {node.uid for node in chosen}
    usable = [x for x in everything if x.is_ready and (x.uid in hit or not x.is_control_plane)]
    closed = sum(x.uid in hit or x.is_unschedulable for x in usable)
    allowed = scope.allowed(most_percentage)
    if 100 * closed > allowed * len(usable):
        fix = (
            f"{closed} of {len(usable)} Ready nodes would take no pods, which is more than "
            f"{allowed:g} %; raise it, or hit fewer by scope.{scope.key}"
        )
        raise BadInputError("scope.max_percentage", allowed, fix)


def refuse_scaling_down(scope: Scope, before: int, after: int, most_percentage: float) -> None:
    """Refuse to take away too many pods of a workload.

    Raises:
        BadInputError: The share is too large.
    """
    allowed = scope.allowed(most_percentage)
    if 100 * (before - after) > allowed * before:
        fix = (
            f"{before - after} of {before} pods would be taken away, which is more than "
            f"{allowed:g} %; raise it, or give more replicas"
        )
        raise BadInputError("scope.max_percentage", allowed, fix)
