"""Requests that were lost to a fault: how many, why, and to the old pod or to the new one.

Pure functions. A failed request belongs to a fault if it was under way while the fault was in
place: it was due before the end of the fault, and failed at or after its beginning. So a request
that a pod kill cuts counts, although it was due before the kill.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from chaos_go.traffic.contract import LoadSecond
from chaos_go.traffic.recording import Window

Replacements = Sequence[tuple[float, float | None]]
"""For each kill: its time, and when the replacement was Ready or None. Seconds since 1970."""

BEFORE, OLD_POD, NEW_POD = "before", "old pod", "new pod"


@dataclass(frozen=True)
class Failed:
    """Failed requests with the same times and the same cause.

    Attributes:
        due_unix_s: The intended send time, in seconds since 1970.
        failed_unix_s: When they had failed, in seconds since 1970.
        cause: Why they failed, see `chaos_go.traffic.contract.Failure`.
        count: How many they are.
        is_listed: Whether the load listed them with their own times. If not, the times are those of
            the last listed failure of their second, or its start if it lists none.
    """

    due_unix_s: float
    failed_unix_s: float
    cause: str
    count: int = 1
    is_listed: bool = True


def failures(window: Window) -> list[Failed]:
    """Return every failed request of a window."""
    return list(chain.from_iterable(_of_second(second) for second in window.seconds))


def during(failed: Iterable[Failed], start_unix_s: float, end_unix_s: float) -> list[Failed]:
    """Return those that were under way in a period.

    Args:
        failed: The failed requests.
        start_unix_s: Start of the period, in seconds since 1970.
        end_unix_s: Its end, in seconds since 1970.
    """
    return [x for x in failed if x.due_unix_s < end_unix_s and x.failed_unix_s >= start_unix_s]


def count(failed: Iterable[Failed]) -> int:
    """Return the number of requests."""
    return sum(x.count for x in failed)


def by_cause(failed: Iterable[Failed]) -> dict[str, int]:
    """Return the number of requests by cause, in the order of the names."""
    counts: dict[str, int] = {}
    for x in sorted(failed, key=lambda x: x.cause):
        counts[x.cause] = counts.get(x.cause, 0) + x.count
    return counts


def by_side(failed: Iterable[Failed], replacements: Replacements) -> dict[str, int]:
    """Return the number of requests by the pod that lost them.

    A request belongs to an old pod if it was under way between a kill and the time at which the
    replacement was Ready. Any other request after a kill belongs to a new pod. A request that
    failed before the first kill belongs to neither (``before``).

    Args:
        failed: The failed requests.
        replacements: The kills; at least one.
    """
    counts = {BEFORE: 0, OLD_POD: 0, NEW_POD: 0}
    for x in failed:
        counts[_side(x, replacements)] += x.count
    return counts


def _side(x: Failed, replacements: Replacements) -> str:
    kills = [(kill, ready) for kill, ready in replacements if kill <= x.failed_unix_s]
    if not kills:
        return BEFORE
    is_old = any(ready is None or x.due_unix_s < ready for _, ready in kills)
    return OLD_POD if is_old else NEW_POD


def _of_second(second: LoadSecond) -> list[Failed]:
    start = second.start_unix_s
    listed = [
        Failed(start + x.at_ms / 1000, start + (x.at_ms + x.took_ms) / 1000, x.cause)
        for x in second.failures
    ]
    last = listed[-1] if listed else Failed(start, start, "")
    counts = by_cause(listed)
    missing = {
        cause: total - counts.get(cause, 0) for cause, total in second.failures_by_cause.items()
    }
    return listed + [
        Failed(last.due_unix_s, last.failed_unix_s, cause, number, is_listed=False)
        for cause, number in missing.items()
        if number
    ]
