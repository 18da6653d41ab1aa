"""From observations to the answer: the only entry point of the calculation.

Importing this module loads numpy and scipy, so import it only where the calculation is needed.
"""

from collections.abc import Sequence

from chaos_go.errors import BadInputError, NotEnoughDataError
from chaos_go.sla import guards
from chaos_go.sla.answer import Answer, Load, governing
from chaos_go.sla.bracket import ModelFree, without_model
from chaos_go.sla.dispersion import dispersion
from chaos_go.sla.likelihood import counts
from chaos_go.sla.load_fits import LoadFits, fit_loads
from chaos_go.sla.observations import Level, Observations
from chaos_go.sla.words import exact


def back_calculate(
    observations: Observations, budgets: Sequence[float], confidence: float = 0.95
) -> Answer:
    """Calculate the dose at which the extra risk equals each budget, with its interval.

    The method and its sources are described in docs/reference/sla-method.md.

    Args:
        observations: What was measured, at one or several loads.
        budgets: Extra risks over the background, fractions between 0 and 1.
        confidence: Confidence of the two-sided and of the one-sided limits, a fraction above 0.5
            and below 1.

    Raises:
        BadInputError: There is no budget, or a budget or the confidence is no such fraction.
        NotEnoughDataError: There are no levels, or a load has no dose above 0.
    """
    levels = observations.by_load()
    _check(levels, budgets, confidence)
    spread = dispersion(observations.levels, observations.windowed)
    fitted = fit_loads([counts(one) for one in levels.values()], budgets, spread, confidence)
    model_free = [without_model(one, spread) for one in levels.values()]
    apart = fitted.likeness.apart
    loads: list[Load] = []
    for at in range(len(levels)):
        below = None if apart or not loads else loads[-1]
        here = model_free[at if apart else 0 : at + 1]
        loads.append(_judged(observations, here, fitted, at, budgets, confidence, below))
    chosen = [governing(loads, at, apart) for at in range(len(budgets))]
    return Answer(
        background=chosen[0].background,
        phi=spread.phi,
        fit=fitted.fits[loads.index(chosen[0])],
        thresholds=tuple(load.thresholds[at] for at, load in enumerate(chosen)),
        loads=tuple(loads) if _telling(loads) else (),
        likeness=fitted.likeness,
    )


def _judged(
    observations: Observations,
    model_free: Sequence[ModelFree],
    fitted: LoadFits,
    at: int,
    budgets: Sequence[float],
    confidence: float,
    below: Load | None,
) -> Load:
    """Return the thresholds of one load that the data support.

    Args:
        observations: All observations.
        model_free: What the data show without a model: at this load as the last entry, and in a
            common fit at all lower loads, whose thresholds are not lower.
        fitted: The fits of all loads.
        at: Index of the load.
        budgets: Extra risks, fractions.
        confidence: Confidence of the limits, a fraction.
        below: The next lower load in a common fit; None if there is none.
    """
    own = model_free[-1]
    fits = fitted.fits[at].p >= guards.LEAST_FIT and not fitted.likeness.out_of_order
    common = guards.common_flags(own, observations.windowed, fits)
    load_rps = own.levels[0].load_rps
    drifts = (one for one in observations.baselines if one.load_rps == load_rps)
    if any(guards.drifted(one, own.dispersion) for one in drifts):
        common = (*common, "baseline-drift")
    averages = [row[at] for row in fitted.averages]
    lower = below.thresholds if below else [None] * len(budgets)
    thresholds = tuple(
        guards.judge(budget, confidence, found, model_free, common, one)
        for budget, found, one in zip(budgets, averages, lower, strict=True)
    )
    return Load(load_rps, averages[0].best.top.background, thresholds)


def _telling(loads: Sequence[Load]) -> bool:
    """Return whether the loads have more information than the thresholds."""
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
    if not 0.5 < confidence < 1:
        raise BadInputError("confidence", confidence, "give a fraction above 0.5 and below 1")
    if not loads:
        raise NotEnoughDataError("no levels: measure a baseline and at least one dose above 0")
    for load_rps, levels in loads.items():
        if not any(level.dose_ms > 0 for level in levels):
            at = "" if load_rps is None else f" at {exact(load_rps)} requests/s"
            raise NotEnoughDataError(
                f"dose_ms=0 in every row{at}: no dose above 0; measure at least one delay too"
            )
