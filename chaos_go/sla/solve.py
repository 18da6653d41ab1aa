"""From observations to the answer: the only way into the calculation.

Importing this module loads numpy and scipy, so import it where a calculation is asked for.
"""

from collections.abc import Sequence

from chaos_go.errors import BadInputError, NotEnoughDataError
from chaos_go.sla import guards
from chaos_go.sla.answer import Answer, Fit, Load
from chaos_go.sla.average import Average
from chaos_go.sla.dispersion import Dispersion, dispersion
from chaos_go.sla.fit import counts
from chaos_go.sla.fitting import fit_loads
from chaos_go.sla.observations import Level, Observations


def back_calculate(
    observations: Observations, budgets: Sequence[float], confidence: float = 0.95
) -> Answer:
    """Calculate the dose at which the extra risk equals each budget, with its interval.

    Args:
        observations: what was measured, at one load or several.
        budgets: extra risks over the background, fractions between 0 and 1.
        confidence: at least 0.5 and below 1, of the two-sided and of the one-sided limits.

    Raises:
        BadInputError: a budget or the confidence is no such fraction.
        NotEnoughDataError: a load has no dose above 0.
    """
    levels = observations.by_load()
    _check(levels, budgets, confidence)
    spread = dispersion(observations.levels, observations.windowed)
    fitted = fit_loads([counts(one) for one in levels.values()], budgets, spread, confidence)
    loads = tuple(
        _judged(observations, load_rps, spread, fitted.fits[at], averages, budgets, confidence)
        for at, (load_rps, averages) in enumerate(
            zip(levels, zip(*fitted.averages, strict=True), strict=True)
        )
    )
    return Answer(
        background=loads[-1].background,
        phi=spread.phi,
        fit=fitted.fits[-1],
        thresholds=loads[-1].thresholds,
        loads=loads if _telling(loads) else (),
        shape_p=fitted.shape_p,
    )


def _judged(
    observations: Observations,
    load_rps: float | None,
    spread: Dispersion,
    fit: Fit,
    averages: Sequence[Average],
    budgets: Sequence[float],
    confidence: float,
) -> Load:
    """Turn what was fitted at one load into what may be said about it."""
    levels = observations.by_load()[load_rps]
    seen = guards.look_at(levels, spread)
    common = guards.common_flags(levels, seen, observations.windowed, spread, fit)
    drifts = (one for one in observations.baselines if one.load_rps == load_rps)
    if any(guards.drifted(one, spread) for one in drifts):
        common = (*common, "baseline-drift")
    thresholds = tuple(
        guards.judge(budget, confidence, found, seen, common)
        for budget, found in zip(budgets, averages, strict=True)
    )
    return Load(load_rps, averages[0].best.top.background, thresholds)


def _telling(loads: Sequence[Load]) -> bool:
    """Tell whether the loads say more than the thresholds do."""
    return any(
        load.load_rps is not None or threshold.bracket_ms != (None, None)
        for load in loads
        for threshold in load.thresholds
    )


def _check(
    loads: dict[float | None, list[Level]], budgets: Sequence[float], confidence: float
) -> None:
    if not budgets:
        raise BadInputError("budgets", budgets, "give at least one")
    for budget in budgets:
        if not 0 < budget < 1:
            raise BadInputError("budget", budget, "give a fraction between 0 and 1, both excluded")
    if not 0.5 <= confidence < 1:
        raise BadInputError("confidence", confidence, "give a fraction of at least 0.5 and below 1")
    if not loads:
        raise NotEnoughDataError("no levels: measure a baseline and at least one dose above 0")
    for load_rps, levels in loads.items():
        if not any(level.dose_ms > 0 for level in levels):
            at = "" if load_rps is None else f" at {load_rps:g} requests/s"
            raise NotEnoughDataError(
                f"dose_ms=0 in every row{at}: no dose above 0; measure at least one delay too"
            )
