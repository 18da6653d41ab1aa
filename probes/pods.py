"""Probes of pods: recovery, readiness, restarts, OOM kills, and evictions that a budget refused.

With the name of a fault they measure the time since it began: a fault on pods watches the pods from
its beginning to its end. Before it has begun they look at the cluster as it is now: the baseline.
"""

import logging
import time
from collections.abc import Iterator
from typing import Any

from chaos_go import arguments
from chaos_go.agent import holder
from chaos_go.errors import BadInputError, NotEnoughDataError
from chaos_go.kubernetes import presence as presences
from chaos_go.kubernetes import selection as selections
from chaos_go.kubernetes.access import needs
from chaos_go.kubernetes.connection import connect
from chaos_go.kubernetes.permission import Permission
from chaos_go.kubernetes.presence import Presence
from chaos_go.kubernetes.watched import Watched
from chaos_go.targets import read_pods

__all__ = [
    "evictions_blocked",
    "oom_kills",
    "ready_ratio",
    "recovery_detail",
    "recovery_s",
    "restarts",
]

logger = logging.getLogger("chaostoolkit")

LONGEST_WAIT_S = 3600.0
LONG_WAIT_S = 2.0  # a probe that waits longer says so in the log


_EXAMPLES = ({"target": "deployment/shop/users"}, {"target": "pods/shop/app=users"})


def _looking_needs(target: str) -> Iterator[Permission]:
    yield from selections.permissions(read_pods(target).asked)


def _watching_needs(target: str) -> Iterator[Permission]:
    yield from _looking_needs(target)
    yield from presences.permissions(read_pods(target).asked)


@needs(_watching_needs, _EXAMPLES)
def recovery_s(
    target: str,
    fault: str = "",
    timeout_s: float = 120.0,
    *,
    secrets: dict[str, str] | None = None,
) -> float:
    """Return the seconds from the kill until the workload was fully available again.

    Fully available: every pod that the workload wants is Ready, none of them was killed, and the
    status of the workload, which must be that of its newest spec (``observedGeneration``), says the
    same. After several kills it is the longest of these times. The probe waits for the recovery.
    When the workload has not recovered in time, the probe returns the seconds since the first kill,
    and the verdict is violated whatever the tolerance is.

    Args:
        target: The pods, for instance ``deployment/shop/users``.
        fault: Name of the fault that kills them. Before it has begun, and with "", the probe
            returns the seconds that it waited until all pods were available; 0.0 if they are.
        timeout_s: Seconds that the probe waits at most, counted from the last kill; without a kill,
            from its own beginning.
        secrets: Which cluster, as for chaostoolkit-kubernetes; given by Chaos Toolkit.

    Raises:
        ActivityFailed: There is no such fault, it killed no pod, or, before the fault, not all pods
            were available in time.
    """
    return float(recovery_detail(target, fault, timeout_s, secrets=secrets)["value"])


@needs(_watching_needs, _EXAMPLES)
def recovery_detail(
    target: str,
    fault: str = "",
    timeout_s: float = 120.0,
    *,
    secrets: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Return the time of `recovery_s`, and for each kill the pod and its replacement.

    Args:
        target: The pods, see `recovery_s`.
        fault: Name of the fault that kills them, see `recovery_s`.
        timeout_s: Seconds that the probe waits at most, see `recovery_s`.
        secrets: Which cluster; given by Chaos Toolkit.

    Returns:
        ``value`` in seconds, ``recovered``, ``reason`` (why not; "" if it has) and ``kills``, each
        with ``pod``, ``node``, ``killed_unix_s``, ``replacement`` and ``replaced_unix_s``.

    Raises:
        ActivityFailed: As `recovery_s`.
    """
    timeout_s = arguments.positive("timeout_s", timeout_s, LONGEST_WAIT_S, "seconds")
    watched = _watched(fault, target)
    if watched is None:
        return _availability(target, timeout_s, secrets)
    kills = watched.presence.kills
    if not kills:
        raise NotEnoughDataError(f"fault {fault!r} killed no pod, so there is no recovery")
    left_s = kills[-1].at_unix_s + timeout_s - time.time()
    if left_s > LONG_WAIT_S and watched.recovery_s() is None:
        logger.info("waiting up to %.0f s for %s to recover", left_s, target)
    watched.presence.wait_for_recovery(max(0.0, left_s), kills[-1])
    took, reason = watched.recovery_s(kills), ""
    if took is None and watched.presence.ended_unix_s is not None:
        seen_s = watched.presence.ended_unix_s - kills[-1].at_unix_s
        raise NotEnoughDataError(
            f"fault {fault!r} was stopped {seen_s:.1f} s after its last kill, before {target} had "
            "recovered, so the recovery was not seen; measure it before the stop"
        )
    if doubt := watched.doubt():
        raise NotEnoughDataError(f"{doubt}; run it again")
    if took is None:
        took = time.time() - kills[0].at_unix_s
        reason = watched.not_recovered(took)
        logger.warning("%s: %s", target, reason)
    kept = watched.presence.record()["kills"]
    return {"value": took, "recovered": not reason, "reason": reason, "kills": kept}


@needs(_looking_needs, _EXAMPLES)
def ready_ratio(target: str, fault: str = "", *, secrets: dict[str, str] | None = None) -> float:
    """Return the Ready pods as a fraction of the pods that the workload wants, 0 to 1.

    Args:
        target: The pods, for instance ``deployment/shop/users``.
        fault: Name of a fault. The probe then returns the lowest ratio since the fault began.
            Before it has begun, and with "", it returns the ratio of now.
        secrets: Which cluster, as for chaostoolkit-kubernetes; given by Chaos Toolkit.

    Raises:
        ActivityFailed: There is no such fault, no pod matches, or the API server refused.
    """
    watched = _watched(fault, target)
    if watched is not None:
        ratios = [min(1.0, x.ready / x.wanted) for x in watched.presence.levels if x.wanted]
        if not ratios:
            raise NotEnoughDataError(f"{target} wants no pods, so there is no ratio; scale it up")
        return min(ratios)
    selection = read_pods(target, secrets).select()
    workload = selection.workload
    wanted = workload.wanted if workload else len(selection.pods)
    if not wanted:
        raise NotEnoughDataError(f"{target} wants no pods, so there is no ratio; scale it up")
    return min(1.0, sum(pod.is_ready for pod in selection.pods) / wanted)


@needs(_looking_needs, _EXAMPLES)
def restarts(target: str, fault: str = "", *, secrets: dict[str, str] | None = None) -> int:
    """Return how often containers of the pods were restarted.

    Args:
        target: The pods, for instance ``deployment/shop/users``.
        fault: Name of a fault. The probe then counts the restarts since the fault began. Before it
            has begun the probe returns 0. With "" it returns all restarts of the present pods.
        secrets: Which cluster, as for chaostoolkit-kubernetes; given by Chaos Toolkit.

    Raises:
        ActivityFailed: There is no such fault, no pod matches, or the API server refused.
    """
    watched = _watched(fault, target)
    if watched is not None:
        return watched.presence.restarts
    pods = read_pods(target, secrets).select().pods
    return 0 if fault else sum(x.restarts for pod in pods for x in pod.containers)


@needs(_looking_needs, _EXAMPLES)
def oom_kills(target: str, fault: str = "", *, secrets: dict[str, str] | None = None) -> int:
    """Return how many containers of the pods were killed because they were out of memory.

    Args:
        target: The pods, for instance ``deployment/shop/users``.
        fault: Name of a fault. The probe then counts since the fault began. Before it has begun the
            probe returns 0. With "" it counts the present containers that ended in this way last.
        secrets: Which cluster, as for chaostoolkit-kubernetes; given by Chaos Toolkit.

    Raises:
        ActivityFailed: There is no such fault, no pod matches, or the API server refused.
    """
    watched = _watched(fault, target)
    if watched is not None:
        return watched.presence.oom_kills
    pods = read_pods(target, secrets).select().pods
    return 0 if fault else sum(x.oom_killed for pod in pods for x in pod.containers)


def evictions_blocked(fault: str) -> int:
    """Return how many evictions of a fault were refused because of a PodDisruptionBudget.

    Args:
        fault: Name of the fault. Before it has begun, the probe returns 0.

    Raises:
        ActivityFailed: There were faults on pods, but none of this name.
    """
    arguments.filled("fault", fault)
    watched = _watched(fault)
    return watched.evictions_blocked if watched else 0


def _watched(fault: str, target: str = "") -> Watched | None:
    """Return the fault of this name; None without a name, and before any fault has begun.

    Raises:
        BadInputError: There were faults, but none of this name, it is not a fault on pods, or
            it has another target.
    """
    arguments.text("fault", fault)
    asked = read_pods(target).asked if target else None
    if not fault or not any(held.is_fault for held in holder.faults()):
        return None
    found = holder.find(fault)
    if not isinstance(found, Watched):
        raise BadInputError("fault", fault, "this is not a fault on pods; name one that is")
    if asked and found.target and not asked.is_same(found.target):
        fix = f"fault {fault!r} watches the pods of {found.target.text}; give this target"
        raise BadInputError("target", target, fix)
    return found


def _availability(target: str, timeout_s: float, secrets: dict[str, str] | None) -> dict[str, Any]:
    """Wait until all pods of a target are available, for the baseline."""
    began_unix_s = time.time()
    selection = read_pods(target, secrets).select()
    client = connect(secrets)
    presence = Presence(
        client,
        selection.namespace,
        selection.selector,
        selection.pods,
        selection.workload,
        wanted=len(selection.pods),
    )
    try:
        if presence.is_full:
            return {"value": 0.0, "recovered": True, "reason": "", "kills": []}
        at = presence.wait_for_recovery(timeout_s)
        if at is None:
            why = presence.why_not_recovered()
            raise NotEnoughDataError(f"{target} is not available after {timeout_s:g} s: {why}")
        return {"value": at - began_unix_s, "recovered": True, "reason": "", "kills": []}
    finally:
        presence.stop()
