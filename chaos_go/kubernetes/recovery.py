"""When a workload had recovered, and which pod replaced which: calculated from what was seen."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from chaos_go.kubernetes.pods import Pod

SETTLE_S = 1.0
"""Seconds for which a workload must stay fully available before it counts as recovered.

The status of a controller may still be of the time before a kill for a moment.
"""


@dataclass(frozen=True)
class Kill:
    """One pod that was killed.

    Attributes:
        pod: The pod before it was killed.
        at_unix_s: When the request to kill it was sent, in seconds since 1970.
        accepted_unix_s: When the API server had accepted it. Only from then on it can be seen.
        serves_on: Whether it serves until its controller ends it, as in a rolling restart.
        replacement: Name of the pod that became Ready in its place; "" before.
        replaced_unix_s: When that pod became Ready; None before.
    """

    pod: Pod
    at_unix_s: float
    accepted_unix_s: float
    serves_on: bool = False
    replacement: str = ""
    replaced_unix_s: float | None = None


@dataclass(frozen=True)
class Level:
    """How many pods were Ready from a time on.

    Attributes:
        at_unix_s: The time, in seconds since 1970.
        ready: The number of Ready pods.
        wanted: The number of pods that the workload wants.
        is_full: Whether the workload was fully available, without any killed pod.
    """

    at_unix_s: float
    ready: int
    wanted: int
    is_full: bool


@dataclass(frozen=True)
class Arrival:
    """A pod that was not there at first, and became Ready.

    Attributes:
        pod: The pod.
        at_unix_s: When it became Ready for the first time, in seconds since 1970.
    """

    pod: Pod
    at_unix_s: float


def recovered_unix_s(
    levels: Sequence[Level], since_unix_s: float, accepted_unix_s: float, seen_until_unix_s: float
) -> float | None:
    """Return from when on a workload was fully available again; None when it was not yet.

    Args:
        levels: The levels in order of time.
        since_unix_s: When the kill was asked for, in seconds since 1970.
        accepted_unix_s: When it was accepted: only by then can its effect be seen.
        seen_until_unix_s: Until when the levels are known, in seconds since 1970.
    """
    before = [level for level in levels if level.at_unix_s < since_unix_s]
    # A pod that nobody counted may be killed: no level begins with this kill then.
    since = accepted_unix_s if before and before[-1].is_full else None
    for level in levels[len(before) :]:
        if level.is_full:
            since = level.at_unix_s if since is None else since
            continue
        if since is not None and level.at_unix_s - since >= SETTLE_S:
            return since
        since = None
    return since if since is not None and seen_until_unix_s - since >= SETTLE_S else None


def with_replacements(kills: Iterable[Kill], arrivals: Iterable[Arrival]) -> tuple[Kill, ...]:
    """Return kills with the pods that replaced them: each pod replaces one, the oldest first."""
    free = sorted(arrivals, key=lambda arrival: arrival.at_unix_s)
    found = []
    for kill in kills:
        new = next((x for x in free if x.at_unix_s >= kill.at_unix_s and _fits(kill.pod, x)), None)
        if new is not None:
            free.remove(new)
            kill = replace(kill, replacement=new.pod.name, replaced_unix_s=new.at_unix_s)  # noqa: PLW2901
        found.append(kill)
    return tuple(found)


def _fits(killed: Pod, arrival: Arrival) -> bool:
    """Return whether a pod may replace another: controllers keep the name, the node or neither."""
    kind, pod = killed.owner.partition("/")[0], arrival.pod
    if not killed.owner or (killed.namespace, killed.owner) != (pod.namespace, pod.owner):
        return False
    if kind == "statefulset":
        return killed.name == pod.name
    return kind != "daemonset" or killed.node == pod.node
