"""Which dose to measure next, and when to stop: as few rejected transactions as possible."""

from dataclasses import dataclass

from chaos_go.sla.observations import Observations


@dataclass(frozen=True)
class Step:
    """What to do next.

    Attributes:
        dose_ms: the next dose; None when nothing more is to be measured.
        reason: why, for people.
    """

    dose_ms: float | None
    reason: str


def next_level(
    observations: Observations,
    budget: float,
    *,
    start_ms: float,
    max_dose_ms: float,
    target_width: float,
    rejected_budget: int,
    confidence: float = 0.95,
) -> Step:
    """Choose the next dose.

    Args:
        observations: everything measured so far; the baseline at least.
        budget: extra risk whose dose is sought, a fraction.
        start_ms: first dose of the ladder.
        max_dose_ms: abort level, no dose is above it.
        target_width: stop when ln(high / low) of the interval is at most this.
        rejected_budget: stop when this many transactions had impact at doses above 0.
        confidence: of the interval.
    """
    raise NotImplementedError
