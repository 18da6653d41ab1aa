"""Chooses which dose to measure next, and when to stop, with as few rejections as possible.

First the dose climbs: it doubles, in smaller steps once the impact is near the budget, until the
impact is clearly above the budget. So no dose is much higher than necessary. After that each level
lies half-way between the estimated threshold and its lower limit. A level at the estimate says most
about a smooth curve. A level below it distinguishes a curve from a step, narrows the gap in which a
step lies, and has less impact. The constants were found by simulation, see
benchmarks/sla_design.py.

Importing this module loads neither numpy nor scipy.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from chaos_go.sla.observations import Level, Observations

_CLEARLY = 1.25  # times the budget: clearly above it
_NEAR = 0.5  # times the budget: near it
_STEP = 2.0  # factor from one dose to the next
_STEP_NEAR = 1.4  # the same near the budget


@dataclass(frozen=True)
class Step:
    """What to do next.

    Attributes:
        dose_ms: The next dose in milliseconds; None when the measurement is finished.
        reason: Why, as a text for people.
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
    """Return the next dose. With several loads, the highest load decides.

    Args:
        observations: Everything measured so far, at least the baseline.
        budget: Extra risk whose dose is sought, a fraction.
        start_ms: First dose above 0, in milliseconds.
        max_dose_ms: Highest dose in milliseconds.
        target_width: The measurement stops when ln(high / low) of the interval is at most this.
        rejected_budget: The measurement stops when at least this many transactions had impact at
            doses above 0.
        confidence: Confidence of the interval, a fraction.
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
    from chaos_go.sla.solve import back_calculate  # loads numpy and scipy

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
    if high_ms is None:  # one level was above the budget, but not after isotonic regression
        return _climb(observations.levels[-1].dose_ms, _STEP_NEAR, max_dose_ms, budget)
    return Step(_rounded((low_ms + high_ms) / 2), f"between {low_ms:g} and {high_ms:g} ms")


def _at_highest_load(observations: Observations) -> list[Level]:
    highest = max(level.load_rps or 0.0 for level in observations.levels)
    chosen = [level for level in observations.levels if (level.load_rps or 0.0) == highest]
    return sorted(chosen, key=lambda level: level.dose_ms)


def _extra(level: Level, levels: Sequence[Level]) -> float:
    """Return the observed extra risk over the baseline."""
    baseline = [other for other in levels if other.dose_ms == 0]
    n, k = sum(one.n for one in baseline), sum(one.k for one in baseline)
    background = k / n if n else 0.0
    return (level.k / level.n - background) / max(1 - background, 1e-9)


def _rounded(dose_ms: float) -> float:
    """Round a dose to a whole millisecond, or to two digits below 10 ms."""
    return round(dose_ms, 0) if dose_ms >= 10 else float(f"{dose_ms:.2g}")
