"""Calculates the timeouts of callers from the P99 limit of the service they call."""

import math
from collections.abc import Sequence
from typing import NamedTuple

_STEP_MS = 10


class Timeout(NamedTuple):
    """How long a hop waits for the hop it calls, in milliseconds."""

    hop: str
    timeout_ms: int


def chain(limit_ms: float, hops: Sequence[str], margin_ms: float | None = None) -> list[Timeout]:
    """Return a timeout for each hop of a call chain, in whole milliseconds.

    The last hop calls the measured service. Its timeout is the P99 limit: with a shorter timeout it
    would abandon answers that the SLO allows. The timeout of every hop further out is longer by a
    margin. So the inner hop gives up first, and the outer one still has time for its fallback.
    Timeouts are rounded up to 10 ms. They do not allow for retries: a hop that tries twice needs
    twice the time of the inner hop.

    Args:
        limit_ms: P99 limit of the service in milliseconds.
        hops: Names of the hops, from the outermost caller to the one that calls the service.
        margin_ms: Time in milliseconds that a hop needs for itself; by default a tenth of the
            limit, at least 10.
    """
    margin = max(limit_ms / 10, _STEP_MS) if margin_ms is None else margin_ms
    innermost = len(hops) - 1
    return [
        Timeout(hop, _round_up(limit_ms + (innermost - at) * margin)) for at, hop in enumerate(hops)
    ]


def _round_up(value_ms: float) -> int:
    return math.ceil(value_ms / _STEP_MS - 1e-9) * _STEP_MS
