"""Which dose to measure next, and when to stop: as few rejected transactions as possible.

First a ladder: the dose doubles until the impact is clearly above the budget, in smaller steps once
it comes near, so that no dose is much higher than it has to be. Then every level goes half-way from
the threshold that is expected to its lower limit. Where it is expected a level tells most about a
curve, but one below tells a curve from a step, narrows the gap that a step is in, and has less
impact. The numbers were found by simulation, see benchmarks/sla_design.py.

Importing this module loads nothing heavy.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from chaos_go.sla.observations import Level, Observations

_CLEARLY = 1.25  # times the budget
_NEAR = 0.5
_STEP = 2.0
_STEP_NEAR = 1.4


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
    if not any(_extra(level, levels) > _CLEARLY * budget for level in dosed):
        near = _extra(dosed[-1], levels) > _NEAR * budget
        return _climb(dosed[-1].dose_ms, _STEP_NEAR if near else _STEP, max_dose_ms, budget)
    return _at_the_threshold(
        replace(observations, levels=tuple(levels)), budget, max_dose_ms, target_width, confidence
    )


def _climb(highest_ms: float, step: float, max_dose_ms: float, budget: float) -> Step:
    if highest_ms >= max_dose_ms:
        return Step(None, f"{max_dose_ms:g} ms, the highest dose allowed, is measured")
    reason = f"extra risk at {highest_ms:g} ms is not clearly above {100 * budget:g} %"
    return Step(min(_rounded(step * highest_ms), max_dose_ms), reason)


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
        dose_ms = math.sqrt(found.estimate_ms * (found.low_ms or found.estimate_ms))
        reason = f"just below the best estimate so far of the dose at {100 * budget:g} %"
        return Step(_rounded(min(dose_ms, max_dose_ms)), reason)
    low_ms, high_ms = found.bracket_ms[0] or 0.0, found.bracket_ms[1]
    if high_ms is None:  # a level was above the budget, but not together with those beyond it
        return _climb(observations.levels[-1].dose_ms, _STEP_NEAR, max_dose_ms, budget)
    return Step(_rounded((low_ms + high_ms) / 2), f"between {low_ms:g} and {high_ms:g} ms")


def _at_highest_load(observations: Observations) -> list[Level]:
    highest = max(level.load_rps or 0.0 for level in observations.levels)
    chosen = [level for level in observations.levels if (level.load_rps or 0.0) == highest]
    return sorted(chosen, key=lambda level: level.dose_ms)


def _extra(level: Level, levels: Sequence[Level]) -> float:
    """Return the extra risk over the baseline that was observed."""
    baseline = [other for other in levels if other.dose_ms == 0]
    n, k = sum(one.n for one in baseline), sum(one.k for one in baseline)
    background = k / n if n else 0.0
    return (level.k / level.n - background) / max(1 - background, 1e-9)


def _rounded(dose_ms: float) -> float:
    """Return a dose to the millisecond, one below 10 ms to two digits."""
    return round(dose_ms, 0) if dose_ms >= 10 else float(f"{dose_ms:.2g}")
