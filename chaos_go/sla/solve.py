"""From observations to the answer: the only way into the calculation.

Importing this module loads numpy and scipy, so import it where a calculation is asked for.
"""

import math
from collections.abc import Sequence

from chaos_go.errors import BadInputError, NotEnoughDataError
from chaos_go.sla import guards
from chaos_go.sla.answer import Answer, Fit, Load
from chaos_go.sla.average import Average, average
from chaos_go.sla.dispersion import Dispersion, dispersion
from chaos_go.sla.families import able
from chaos_go.sla.fit import Counts, counts
from chaos_go.sla.observations import Level, Observations
from chaos_go.sla.profile import profile

_FARTHEST = 10.0  # times the highest dose, the end of every profile
_NEAREST = 0.1  # times the lowest dose and the budget, the other end
_REACH = 36.0  # twice the drop of the log-likelihood, of z = 6


def back_calculate(
    observations: Observations, budgets: Sequence[float], confidence: float = 0.95
) -> Answer:
    """Calculate the dose at which the extra risk equals each budget, with its interval.

    Args:
        observations: what was measured, at one load or several.
        budgets: extra risks over the background, fractions between 0 and 1.
        confidence: between 0.5 and 1, of the two-sided and of the one-sided limits.

    Raises:
        BadInputError: a budget or the confidence is no such fraction.
        NotEnoughDataError: no level has a dose above 0.
    """
    _check(observations, budgets, confidence)
    spread = dispersion(observations.levels, observations.windowed)
    loads = _by_load(observations.levels)
    results = [
        _one_load(observations, rps, levels, spread, budgets, confidence)
        for rps, levels in loads.items()
    ]
    load, fit = results[-1]
    return Answer(
        background=load.background,
        phi=spread.phi,
        fit=fit,
        thresholds=load.thresholds,
        loads=tuple(load for load, _ in results) if _telling(results) else (),
    )


def _one_load(
    observations: Observations,
    load_rps: float | None,
    levels: Sequence[Level],
    spread: Dispersion,
    budgets: Sequence[float],
    confidence: float,
) -> tuple[Load, Fit]:
    data = counts(levels)
    averages = [_averaged(data, budget, spread, confidence) for budget in budgets]
    seen = guards.look_at(levels, spread)
    fit = guards.goodness(averages[0], data, budgets[0], spread)
    common = guards.common_flags(levels, seen, observations.windowed, spread, fit)
    if any(
        guards.drifted(baseline, spread)
        for baseline in observations.baselines
        if baseline.load_rps == load_rps
    ):
        common = (*common, "baseline-drift")
    thresholds = tuple(
        guards.judge(budget, confidence, found, seen, common)
        for budget, found in zip(budgets, averages, strict=True)
    )
    return Load(load_rps, averages[0].best.top.background, thresholds), fit


def _averaged(data: Counts, budget: float, spread: Dispersion, confidence: float) -> Average:
    doses = data.log_dose[data.log_dose > -math.inf]
    bounds = (
        float(doses[0]) + math.log(_NEAREST * budget),
        float(doses[-1]) + math.log(_FARTHEST),
    )
    reach = _REACH * spread.phi
    profiles = [profile(family, data, budget, bounds, reach=reach) for family in able(budget)]
    return average(profiles, float(data.n.sum()), spread, confidence)


def _by_load(levels: Sequence[Level]) -> dict[float | None, list[Level]]:
    """Give the levels of each load, loads and doses ascending."""
    loads: dict[float | None, list[Level]] = {}
    for level in sorted(levels, key=lambda one: (one.load_rps or 0.0, one.dose_ms)):
        loads.setdefault(level.load_rps, []).append(level)
    return loads


def _telling(results: Sequence[tuple[Load, Fit]]) -> bool:
    """Tell whether the loads say more than the thresholds do."""
    loads = [load for load, _ in results]
    return any(
        load.load_rps is not None or threshold.p99 or threshold.bracket_ms != (None, None)
        for load in loads
        for threshold in load.thresholds
    )


def _check(observations: Observations, budgets: Sequence[float], confidence: float) -> None:
    for budget in budgets:
        if not 0 < budget < 1:
            raise BadInputError("budget", budget, "give a fraction between 0 and 1, both excluded")
    if not budgets:
        raise BadInputError("budgets", budgets, "give at least one")
    if not 0.5 < confidence < 1:
        raise BadInputError("confidence", confidence, "give a fraction above 0.5 and below 1")
    for rps, levels in _by_load(observations.levels).items():
        if not any(level.dose_ms > 0 for level in levels):
            at = "" if rps is None else f" at {rps:g} requests/s"
            raise NotEnoughDataError(f"no dose above 0{at}: measure at least one")
