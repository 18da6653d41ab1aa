"""Which dose to measure next, and when to stop: as few rejected transactions as possible.

First a ladder: the dose doubles until the impact is clearly above the budget, so that no dose is
much higher than it has to be. Then every level goes where the threshold is expected, which is where
it tells most about it.

Importing this module loads nothing heavy.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from chaos_go.sla.observations import Level, Observations

_CLEARLY = 2.0  # times the budget


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

    With several loads the highest one decides.

    Args:
        observations: everything measured so far; the baseline at least.
        budget: extra risk whose dose is sought, a fraction.
        start_ms: first dose of the ladder.
        max_dose_ms: abort level, no dose is above it.
        target_width: stop when ln(high / low) of the interval is at most this.
        rejected_budget: stop when this many transactions had impact at doses above 0.
        confidence: of the interval.
    """
    levels = _at_highest_load(observations)
    dosed = [level for level in levels if level.dose_ms > 0]
    rejected = sum(level.k for level in observations.levels if level.dose_ms > 0)
    if not dosed:
        return Step(min(start_ms, max_dose_ms), "first dose of the ladder")
    if rejected >= rejected_budget:
        return Step(None, f"{rejected} transactions with impact, of {rejected_budget} allowed")
    if not any(_clearly_above(level, levels, budget) for level in dosed):
        return _climb(dosed[-1].dose_ms, max_dose_ms, budget)
    return _at_the_threshold(
        replace(observations, levels=tuple(levels)), budget, max_dose_ms, target_width, confidence
    )


def _climb(highest_ms: float, max_dose_ms: float, budget: float) -> Step:
    if highest_ms >= max_dose_ms:
        return Step(None, f"{max_dose_ms:g} ms, the highest dose allowed, is measured")
    reason = f"extra risk at {highest_ms:g} ms is not clearly above {100 * budget:g} %"
    return Step(min(2 * highest_ms, max_dose_ms), reason)


def _at_the_threshold(
    observations: Observations,
    budget: float,
    max_dose_ms: float,
    target_width: float,
    confidence: float,
) -> Step:
    from chaos_go.sla.solve import back_calculate  # heavy

    found = back_calculate(observations, [budget], confidence).thresholds[0]
    if found.low_ms is not None and found.high_ms is not None:
        width = math.log(found.high_ms / found.low_ms)
        if width <= target_width:
            return Step(None, f"interval {found.low_ms:.0f} to {found.high_ms:.0f} ms is narrow")
    if found.estimate_ms is not None:
        dose_ms = _rounded(min(found.estimate_ms, max_dose_ms))
        return Step(dose_ms, f"best estimate so far of the dose at {100 * budget:g} %")
    low_ms, high_ms = found.bracket_ms
    low_ms, high_ms = low_ms or 0.0, min(high_ms or max_dose_ms, max_dose_ms)
    return Step(_rounded((low_ms + high_ms) / 2), f"between {low_ms:g} and {high_ms:g} ms")


def _at_highest_load(observations: Observations) -> list[Level]:
    highest = max(level.load_rps or 0.0 for level in observations.levels)
    chosen = [level for level in observations.levels if (level.load_rps or 0.0) == highest]
    return sorted(chosen, key=lambda level: level.dose_ms)


def _clearly_above(level: Level, levels: Sequence[Level], budget: float) -> bool:
    """Tell whether the extra risk over the baseline is more than twice the budget."""
    baseline = [other for other in levels if other.dose_ms == 0]
    n, k = sum(one.n for one in baseline), sum(one.k for one in baseline)
    background = k / n if n else 0.0
    extra = (level.k / level.n - background) / max(1 - background, 1e-9)
    return extra > _CLEARLY * budget


def _rounded(dose_ms: float) -> float:
    """Give a dose to the millisecond, smaller ones to the tenth."""
    return round(dose_ms, 0 if dose_ms >= 10 else 1)
