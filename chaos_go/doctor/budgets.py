"""Checks PodDisruptionBudgets: would an eviction be refused, or a deletion break a budget?

Only the Eviction API asks budgets. A pod that is deleted counts against its budget all the same, so
that a drain of a node by somebody else is refused meanwhile.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from chaos_go.doctor.check import Check
from chaos_go.errors import ClusterError, ForbiddenError
from chaos_go.kubernetes.client import Client
from chaos_go.kubernetes.kinds import BUDGETS
from chaos_go.kubernetes.pods import Pod
from chaos_go.kubernetes.preview import Preview
from chaos_go.kubernetes.selection import list_pods
from chaos_go.kubernetes.workload import selector_text


def check(where: str, client: Client, preview: Preview) -> Iterator[Check]:
    """Yield a check per budget of the pods that would leave; none when no pod would leave.

    Args:
        where: The part of the experiment.
        client: The cluster.
        preview: What the part would do.
    """
    if not preview.pods:
        return
    try:
        found = list(_covering(client, preview.pods))
    except ForbiddenError as error:
        said = "the budgets of these pods are not known: this user may not list them"
        fix = f"to see them, allow list poddisruptionbudgets (policy) in {error.namespace}"
        yield Check(where, "budget", "unknown", said, fix)
        return
    except ClusterError as error:
        yield Check(where, "budget", "unknown", str(error))
        return
    for budget, covered in found:
        yield judge(where, budget, min(preview.count, len(covered)), preview.evicts)
    if not found:
        yield Check(where, "budget", "ok", "no PodDisruptionBudget covers these pods")
    counted = Counter(uid for _, covered in found for uid in covered)
    if preview.evicts and any(number > 1 for number in counted.values()):
        said = "several budgets cover one pod: the Eviction API refuses such a pod with 500"
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
    numbers = f"{healthy} pods are healthy, {wanted} are required"
    details = {
        "budget": name,
        "disruptions_allowed": allowed,
        "current_healthy": healthy,
        "desired_healthy": wanted,
        "count": count,
    }
    if count <= allowed:
        said = f"{name}: {count} would leave, {allowed} may now ({numbers})"
        return Check(where, "budget", "ok", said, details=details)
    said = f"{name}: {count} would leave, only {allowed} may now ({numbers})"
    fix = "hit fewer pods by the scope, add replicas, or relax the budget"
    what = "further evictions are refused" if evicts else "a deletion does not ask the budget"
    return Check(where, "budget", "warning", f"{said}; {what}", fix, details)


def _covering(client: Client, pods: Sequence[Pod]) -> Iterator[tuple[dict[str, Any], set[str]]]:
    """Yield each budget that covers some of the pods, and the uids of these."""
    uids = {pod.uid for pod in pods}
    for namespace in sorted({pod.namespace for pod in pods}):
        budgets, _ = client.items(BUDGETS.path(namespace))
        for budget in budgets:
            selector = budget["spec"].get("selector")
            if selector is None:  # in policy/v1 it covers nothing; an empty one covers everything
                continue
            covered = list_pods(client, namespace, selector_text(selector))
            if hit := {pod.uid for pod in covered} & uids:
                yield budget, hit
