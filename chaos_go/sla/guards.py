"""Decides what the data allow to say: the flags of an answer, and its verdict.

    no-trend          the impact does not rise with the dose (Cochran-Armitage, one-sided 5 %)
    too-few-levels    fewer than three doses have more impact than the background
    lack-of-fit       no family fits (Pearson's X2 of the best one, 5 %); or thresholds rise with
                      the load (likelihood ratio, 1 %); or the safe limit is above a dose whose own
                      transactions exceed the budget (likelihood ratio, one-sided 1 %), and then
                      there is no limit
    not-identifiable  the likelihood does not fall towards small doses: no lower limit
    extrapolation     the threshold is beyond the highest dose, or the budget is beyond the
                      observed impact
    overdispersed     windows of a level vary more than independent transactions would (5 %)
    windows-missing   the data do not identify windows; every transaction is treated as independent
    upper-unbounded   the likelihood does not fall towards large doses: no upper limit
    baseline-drift    the backgrounds before and after the other doses differ (two-sided 1 %)

Sources:
    P. Armitage, "Tests for linear trends in proportions and frequencies", Biometrics 11 (1955)
    375-386.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr

from chaos_go.sla.answer import FLAGS, Fit, Threshold
from chaos_go.sla.average import Average, Quantiles
from chaos_go.sla.bracket import ModelFree
from chaos_go.sla.dispersion import Dispersion
from chaos_go.sla.likelihood import MOST_BACKGROUND, Counts, expected
from chaos_go.sla.observations import Baseline
from chaos_go.sla.profile import Profile

LEAST_FIT = 0.05
"""P value of Pearson's X2 below which a family does not fit."""

_TREND = 0.05
_DRIFT = 0.01
_GRID = 5e-3  # relative error of a limit by the grid of ln b where the profile falls at a dose
_TELLING_LEVELS = 3
_BRACKETED = {"too-few-levels", "lack-of-fit", "not-identifiable", "extrapolation", "no-trend"}


def common_flags(model_free: ModelFree, windowed: bool, fits: bool) -> tuple[str, ...]:
    """Return the flags that are the same for every budget.

    Args:
        model_free: What the data of one load show without a model.
        windowed: Whether the observations say which window each row is.
        fits: Whether the best family fits.
    """
    several = any(level.windows > 1 for level in model_free.levels)
    return _chosen(
        ("no-trend", not model_free.trend_p < _TREND),
        ("too-few-levels", sum(risk > 0 for risk in model_free.extra) < _TELLING_LEVELS),
        ("lack-of-fit", not fits),
        ("overdispersed", model_free.dispersion.evident),
        ("windows-missing", not (windowed and several)),
    )


def goodness(
    fitted: Sequence[Profile], loads: Sequence[Counts], budget: float, dispersion: Dispersion
) -> Fit:
    """Return the goodness of fit of a family over some loads: Pearson's X2, divided by phi.

    A parameter at its bound was not fitted and does not reduce the degrees of freedom.

    Args:
        fitted: Profile of the family for each load.
        loads: Counts of each load.
        budget: Extra risk at the thresholds, a fraction.
        dispersion: Phi and its degrees of freedom.
    """
    family = fitted[0].family
    x2, free = 0.0, family.parameters - family.bound
    for best, data in zip(fitted, loads, strict=True):
        risk = expected(best.family, data, best.top.log_b, best.top.shape, budget)
        risk = np.clip(risk, 1e-12, 1 - 1e-12)
        x2 += float(((data.k - data.n * risk) ** 2 / (data.n * risk * (1 - risk))).sum())
        free -= best.top.background in (0.0, MOST_BACKGROUND)
    ends = family.shapes[[0, -1]]
    free -= bool(np.isclose(fitted[0].top.shape, ends, atol=1e-6).any())
    df = max(sum(len(data.n) for data in loads) - free, 0)
    x2 /= dispersion.phi
    return Fit(x2=x2, df=df, p=dispersion.beyond(x2, df))


def judge(
    budget: float,
    confidence: float,
    average: Average,
    model_free: Sequence[ModelFree],
    common: Sequence[str],
    below: Threshold | None = None,
) -> Threshold:
    """Return the threshold of one load that the data support.

    Beyond the highest dose nothing was measured. A threshold there gets neither an estimate nor an
    interval, and the safe limit ends at the highest dose. There is no number at all in these cases:

    - There is no safe limit.
    - The transactions of a dose clearly exceed the budget, and the safe limit is not below that
      dose or the curve does not reach the budget.
    - The next lower load of a common fit has no safe limit.

    Args:
        budget: Extra risk, a fraction.
        confidence: Confidence of the limits, a fraction.
        average: Model average of this load.
        model_free: What the data show without a model: at this load as the last entry, and in a
            common fit at all lower loads, whose thresholds are not lower.
        common: Flags that hold for every budget.
        below: Threshold of the next lower load in a common fit; None if there is none.
    """
    found, own = average.quantiles, model_free[-1]
    exceeded = [one.exceeded_ms(budget) for one in model_free]
    exceeded_ms = exceeded[-1]
    outside = found.estimate_ms is None or found.estimate_ms > own.highest_ms
    outside = outside or (max(own.extra) < budget and exceeded_ms is None)
    safe_ms = _safe_ms(found, own.highest_ms, outside)
    refuted = (
        _refuted(safe_ms, exceeded)
        or (outside and exceeded_ms is not None)
        or (below is not None and below.safe_ms is None)
    )
    given = Quantiles(found.estimate_ms, found.low_ms, found.high_ms, safe_ms)
    if refuted or safe_ms is None:
        given = Quantiles(None, None, None, None)
    elif outside or "no-trend" in common:
        given = Quantiles(None, None, None, safe_ms)
    no_low = found.low_ms is None and not outside and "no-trend" not in common
    flags = {
        *common,
        *_chosen(
            ("lack-of-fit", refuted),
            ("not-identifiable", safe_ms is None or no_low),
            ("extrapolation", outside and exceeded_ms is None),
            ("upper-unbounded", found.high_ms is None),
        ),
    }
    return Threshold(
        budget=budget,
        confidence=confidence,
        estimate_ms=given.estimate_ms,
        low_ms=given.low_ms,
        high_ms=given.high_ms,
        safe_ms=given.safe_ms,
        verdict=_verdict(given),
        flags=tuple(flag for flag in FLAGS if flag in flags),
        families=average.families,
        bracket_ms=own.bracket(budget, exceeded_ms) if _BRACKETED & flags else (None, None),
    )


def _safe_ms(found: Quantiles, highest_ms: float, outside: bool) -> float | None:
    """Return the safe limit, at most the highest dose.

    If the threshold is beyond the doses, a limit that is below the highest dose by no more than the
    error of the grid counts as the highest dose.
    """
    if found.safe_ms is None:
        return None
    if outside and found.safe_ms > highest_ms * (1 - _GRID):
        return highest_ms
    return min(found.safe_ms, highest_ms)


def _refuted(safe_ms: float | None, exceeded: Sequence[float | None]) -> bool:
    """Return whether a dose that is not above the safe limit clearly exceeds the budget."""
    return safe_ms is not None and any(dose is not None and dose <= safe_ms for dose in exceeded)


def drifted(baseline: Baseline, dispersion: Dispersion) -> bool:
    """Return whether the backgrounds before and after differ (two proportions, pooled)."""
    before, after = baseline.n_before, baseline.n_after
    if before < 1 or after < 1:
        return False
    pooled = (baseline.k_before + baseline.k_after) / (before + after)
    variance = pooled * (1 - pooled) * (1 / before + 1 / after) * dispersion.phi
    if variance <= 0:
        return False
    z = (baseline.k_before / before - baseline.k_after / after) / math.sqrt(variance)
    return bool(2 * ndtr(-abs(z)) < _DRIFT)


def _verdict(given: Quantiles) -> str:
    if given.safe_ms is None:
        return "inconclusive"
    return "lower-bound-only" if None in (given.low_ms, given.high_ms) else "bounded"


def _chosen(*pairs: tuple[str, bool]) -> tuple[str, ...]:
    return tuple(flag for flag, applies in pairs if applies)
