"""Timeouts of the callers, from the limit of the service they call."""

import math
from collections.abc import Sequence
from typing import NamedTuple

_STEP_MS = 10


class Timeout(NamedTuple):
    """How long a hop waits for the one it calls."""

    hop: str
    timeout_ms: int


def chain(limit_ms: float, hops: Sequence[str], margin_ms: float | None = None) -> list[Timeout]:
    """Return a timeout to each hop of a call chain.

    The last hop calls the measured service. It waits as long as the limit: with a shorter timeout
    it would itself give up on answers that the SLO allows. Every hop further out waits a margin
    longer, so that the inner one gives up first and the outer one still has time for its fallback.
    Retries are not part of it: a hop that tries twice needs twice the time of the inner one.

    Args:
        limit_ms: P99 that the service keeps.
        hops: names, from the outermost caller to the one that calls the service.
        margin_ms: what a hop needs for itself; default a tenth of the limit, at least 10.
    """
    margin = max(limit_ms / 10, _STEP_MS) if margin_ms is None else margin_ms
    innermost = len(hops) - 1
    return [
        Timeout(hop, _round_up(limit_ms + (innermost - at) * margin)) for at, hop in enumerate(hops)
    ]


def _round_up(value_ms: float) -> int:
    return math.ceil(value_ms / _STEP_MS - 1e-9) * _STEP_MS
