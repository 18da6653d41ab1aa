"""Checks PodDisruptionBudgets: would an eviction be refused, or a deletion break a budget?

Only the Eviction API asks budgets. A pod that is deleted counts against its budget all the same, so
that a drain of a node by somebody else is refused meanwhile.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from chaos_go.doctor.check import Check
from chaos_go.errors import ClusterError, ForbiddenError
from chaos_go.kubernetes.client import Client
from chaos_go.kubernetes.kinds import BUDGETS
from chaos_go.kubernetes.permission import Permission
from chaos_go.kubernetes.pods import Pod
from chaos_go.kubernetes.selection import list_pods
from chaos_go.kubernetes.workload import selector_text


def check(
    where: str, client: Client, namespace: str, candidates: Sequence[Pod], chosen: Sequence[Pod],
    needed: Sequence[Permission],
) -> Iterator[Check]:  # fmt: skip
    """Yield a check per budget of the pods; none for a fault that neither evicts nor deletes.

    Args:
        where: The part of the experiment.
        client: The cluster.
        namespace: Namespace of the pods.
        candidates: The pods from which the scope chooses.
        chosen: As many of them as it chooses at a time.
        needed: The permissions of the activity, which tell how it removes pods.
    """
    evicts = any(one.name == "pods/eviction" for one in needed)
    deletes = any(one.name == "pods" and "delete" in one.verbs for one in needed)
    if not evicts and not deletes:
        return
    try:
        found = list(_covering(client, namespace, candidates))
    except ForbiddenError:
        said = "the budgets of these pods are not known: this user may not list them"
        fix = f"to see them, allow list poddisruptionbudgets (policy) in namespace {namespace}"
        yield Check(where, "budget", "unknown", said, fix)
        return
    except ClusterError as error:
        yield Check(where, "budget", "unknown", str(error))
        return
    for budget, covered in found:
        yield judge(where, budget, min(len(chosen), covered), evicts)
    if not found:
        yield Check(where, "budget", "ok", "no PodDisruptionBudget covers these pods")
    if evicts and len(found) > 1:
        said = f"{len(found)} budgets cover these pods: the Eviction API refuses such pods with 500"
        yield Check(where, "budget", "warning", said, "leave one budget per pod")


def judge(where: str, budget: dict[str, Any], count: int, evicts: bool) -> Check:
    """Return the check of one budget.

    Args:
        where: The part of the experiment.
        budget: The object of the API.
        count: How many of its pods may be hit at a time.
        evicts: Whether the Eviction API is asked, which the budget can refuse.
    """
    name, status = budget["metadata"]["name"], budget.get("status") or {}
    allowed = status.get("disruptionsAllowed", 0)
    healthy, wanted = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
    numbers = f"{healthy} pods are healthy and it wants {wanted}"
    details = {
        "budget": name,
        "disruptions_allowed": allowed,
        "current_healthy": healthy,
        "desired_healthy": wanted,
        "count": count,
    }
    if count <= allowed:
        said = f"{name} allows {allowed} disruptions now, {count} needed ({numbers})"
        return Check(where, "budget", "ok", said, details=details)
    said = f"{name} allows {allowed} disruptions now, and {count} pods would go ({numbers})"
    fix = "hit fewer pods by scope.pods, add replicas, or relax the budget"
    what = "evictions beyond that are refused" if evicts else "deleting does not ask the budget"
    return Check(where, "budget", "warning", f"{said}: {what}", fix, details)


def _covering(
    client: Client, namespace: str, pods: Sequence[Pod]
) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield each budget that covers some of the pods, and how many."""
    budgets, _ = client.items(BUDGETS.path(namespace))
    uids = {pod.uid for pod in pods}
    for budget in budgets:
        selector = budget["spec"].get("selector")
        if selector is None:  # in policy/v1 it covers nothing; an empty one covers everything
            continue
        covered = list_pods(client, namespace, selector_text(selector))
        if count := sum(pod.uid in uids for pod in covered):
            yield budget, count
