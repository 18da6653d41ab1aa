"""What the data cannot say: the flags of an answer, and the verdict they lead to.

    no-trend          the impact does not rise with the dose (Cochran-Armitage, one-sided 5 %)
    too-few-levels    fewer than three doses with more impact than the background
    lack-of-fit       no family fits (Pearson's X2 of the best one, 5 %)
    not-identifiable  the likelihood does not fall off towards small doses: no lower limit
    extrapolation     the threshold is beyond the highest dose, or the budget beyond the impact seen
    overdispersed     windows of a level vary more than independent transactions (5 %)
    windows-missing   the data do not tell windows, independence is assumed
    upper-unbounded   the likelihood does not fall off towards great doses: no upper limit
    baseline-drift    the background before and after differ (two-sided 1 %)

Sources:
    P. Armitage, "Tests for linear trends in proportions and frequencies", Biometrics 11 (1955)
    375-386.
    W. W. Piegorsch et al., "Nonparametric estimation of benchmark doses", Environmetrics 23 (2012)
    717-728: isotonic regression, used here as a bracket only.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from chaos_go.sla.answer import Fit, Threshold
from chaos_go.sla.average import Average, Quantiles
from chaos_go.sla.dispersion import Dispersion
from chaos_go.sla.fit import MOST_BACKGROUND, Counts, expected
from chaos_go.sla.latency import isotonic
from chaos_go.sla.observations import Baseline, Level
from chaos_go.sla.profile import Profile

_TREND = 0.05
_FIT = 0.05
_DRIFT = 0.01
_TELLING_LEVELS = 3
_BRACKETED = {"too-few-levels", "lack-of-fit", "not-identifiable", "extrapolation", "no-trend"}


@dataclass(frozen=True)
class Seen:
    """What the observed proportions say by themselves, made monotone.

    Attributes:
        doses_ms: ascending.
        extra: isotonic extra risk over that at the lowest dose, one per dose; 0 where every
            transaction has impact at the lowest dose already.
        trend_p: one-sided p value of the Cochran-Armitage test, with phi.
        saturated: every transaction has impact at the lowest dose, so no dose could add any.
    """

    doses_ms: tuple[float, ...]
    extra: tuple[float, ...]
    trend_p: float
    saturated: bool = False

    def bracket(self, budget: float) -> tuple[float | None, float | None]:
        """Give the last dose within a budget and the first beyond; none where none can tell."""
        if self.saturated:
            return None, None
        within = [d for d, risk in zip(self.doses_ms, self.extra, strict=True) if risk <= budget]
        beyond = self.doses_ms[len(within) :]
        return (within[-1] if within else None, beyond[0] if beyond else None)


def look_at(levels: Sequence[Level], dispersion: Dispersion) -> Seen:
    """Make the proportions of one load monotone and test them for a trend."""
    risk = isotonic([level.k / level.n for level in levels], [float(level.n) for level in levels])
    free = 1.0 - risk[0]
    extra = tuple((value - risk[0]) / free if free > 0 else 0.0 for value in risk)
    doses_ms = tuple(level.dose_ms for level in levels)
    return Seen(doses_ms, extra, _trend(levels, dispersion.phi), saturated=free <= 0)


def common_flags(
    levels: Sequence[Level], seen: Seen, windowed: bool, dispersion: Dispersion, fit: Fit
) -> tuple[str, ...]:
    """Give the flags that are the same for every budget."""
    several = any(level.windows > 1 for level in levels)
    return _chosen(
        ("no-trend", not seen.trend_p < _TREND),
        ("too-few-levels", sum(risk > 0 for risk in seen.extra) < _TELLING_LEVELS),
        ("lack-of-fit", fit.p < _FIT),
        ("overdispersed", dispersion.evident),
        ("windows-missing", not (windowed and several)),
    )


def goodness(
    fitted: Sequence[Profile], loads: Sequence[Counts], budget: float, dispersion: Dispersion
) -> Fit:
    """Test a family, fitted to some loads together: Pearson's X2 over phi.

    A parameter on its bound was not fitted and costs no degree of freedom.
    """
    x2, free = 0.0, fitted[0].family.parameters
    for best, data in zip(fitted, loads, strict=True):
        risk = expected(best.family, data, best.top.log_b, best.top.shape, budget)
        risk = np.clip(risk, 1e-12, 1 - 1e-12)
        x2 += float(((data.k - data.n * risk) ** 2 / (data.n * risk * (1 - risk))).sum())
        free -= best.top.background in (0.0, MOST_BACKGROUND)
    ends = fitted[0].family.shapes[[0, -1]]
    free -= bool(np.isclose(fitted[0].top.shape, ends, atol=1e-6).any())
    df = max(sum(len(data.n) for data in loads) - free, 0)
    x2 /= dispersion.phi
    return Fit(x2=x2, df=df, p=dispersion.beyond(x2, df))


def judge(
    budget: float, confidence: float, average: Average, seen: Seen, common: Sequence[str]
) -> Threshold:
    """Turn a distribution of the answer into what may be said.

    Beyond the highest dose nothing was measured: neither an estimate nor an interval is given
    there, and the one-sided limit ends at that dose. Where not even that limit exists nothing is
    given at all.
    """
    found, highest = average.quantiles, seen.doses_ms[-1]
    outside = found.estimate_ms is None or found.estimate_ms > highest
    outside = outside or max(seen.extra) < budget
    refused = outside or "no-trend" in common
    flags = (
        *common,
        *_chosen(
            ("not-identifiable", found.safe_ms is None or (found.low_ms is None and not refused)),
            ("extrapolation", outside),
            ("upper-unbounded", found.high_ms is None),
        ),
    )
    safe = None if found.safe_ms is None else min(found.safe_ms, highest)
    given = Quantiles(None, None, None, safe) if refused or safe is None else found
    return Threshold(
        budget=budget,
        confidence=confidence,
        estimate_ms=given.estimate_ms,
        low_ms=given.low_ms,
        high_ms=given.high_ms,
        safe_ms=safe,
        verdict=_verdict(given),
        flags=flags,
        families=average.families,
        bracket_ms=seen.bracket(budget) if _BRACKETED & set(flags) else (None, None),
    )


def drifted(baseline: Baseline, dispersion: Dispersion) -> bool:
    """Tell whether the background before and after differ (two proportions, pooled)."""
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


def _trend(levels: Sequence[Level], phi: float) -> float:
    """Test for a rising trend of the proportions with the dose."""
    n = np.array([level.n for level in levels], dtype=float)
    k = np.array([level.k for level in levels], dtype=float)
    dose = np.array([level.dose_ms for level in levels], dtype=float)
    if dose[-1] > 0:
        dose = dose / dose[-1]
    p = k.sum() / n.sum()
    spread = float((n * (dose - (n @ dose) / n.sum()) ** 2).sum())
    variance = p * (1 - p) * spread * phi
    if variance <= 0:
        return 1.0
    return float(ndtr(-float(dose @ (k - n * p)) / math.sqrt(variance)))


def _chosen(*pairs: tuple[str, bool]) -> tuple[str, ...]:
    return tuple(flag for flag, applies in pairs if applies)
