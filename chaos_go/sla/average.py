"""The model average: one distribution of the answer from those of all families.

The profile of each family gives a distribution of ln b by its signed root: T(z(b) / sqrt(phi)). T
is the normal distribution, or Student's t when phi was estimated. These distributions are mixed
with weights from the quasi-AICc. The estimate is the median of the mixture; the limits are its
quantiles. Where the likelihood is constant, every b is equally likely.

When the budget is only a few impacts per level, the data cannot distinguish the families. Steep
families, which give high answers, then get too much weight, and the lower limit is too high too
often. Therefore the mixture widens the distribution of every family below its maximum, by the
factor sqrt(1 + 0.75 / m) with m impacts: 7 % at 5 impacts, nothing at 100. The 0.75 was found by
simulation, see docs/reference/sla-method.md. If no delayed transaction had any impact, the lower
half is the likelihood ratio itself, because that is then the probability of this outcome. The
results of a single family are not widened: they come from its profile.

Sources:
    D. Fletcher, D. Turek, "Model-averaged profile likelihood intervals", Journal of Agricultural,
    Biological and Environmental Statistics 17 (2012) 38-51.
    K. P. Burnham, D. R. Anderson, "Model Selection and Multimodel Inference", Springer 2002,
    section 2.5: QAICc.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from chaos_go.sla.answer import FamilyFit
from chaos_go.sla.dispersion import Dispersion
from chaos_go.sla.families import Array
from chaos_go.sla.profile import Profile, outwards

_POINTS = 4000  # number of points of the common grid in ln b
_ROUNDING = 1e-12  # rounding error of the sum of weighted distributions
_NEAR = 2.0  # beyond this signed root b is outside of the interval
_FOOT = 0.02  # a fall to _NEAR within this fraction of a constant stretch is a cliff
_LONG = 0.1  # constant over more than this fraction of the interval: the median is the estimate
_FEW_IMPACTS = 0.75  # with this many impacts the lower half is sqrt(2) times as wide


@dataclass(frozen=True)
class Quantiles:
    """What is read off one distribution, in milliseconds; None where it does not reach."""

    estimate_ms: float | None
    low_ms: float | None
    high_ms: float | None
    safe_ms: float | None


@dataclass(frozen=True)
class Average:
    """The mixture and its parts.

    Attributes:
        quantiles: Quantiles of the mixture.
        families: One entry per name of a family.
        best: Profile of the family with the greatest weight, at its best plateau.
    """

    quantiles: Quantiles
    families: tuple[FamilyFit, ...]
    best: Profile


def average(
    profiles: Sequence[Profile],
    n: float,
    impacts: float,
    dispersion: Dispersion,
    confidence: float,
    *,
    unhurt: bool = False,
) -> Average:
    """Mix the profiles of all families.

    Args:
        profiles: One profile per row of the registry; rows of one name are next to each other.
        n: Number of transactions behind the profiles.
        impacts: Number of impacts that the budget allows at a level above dose 0, on average.
        dispersion: Phi and its degrees of freedom.
        confidence: Confidence of the two-sided and of the one-sided limits, a fraction.
        unhurt: Whether no delayed transaction had impact.
    """
    log_b = np.linspace(
        min(one.log_b[0] for one in profiles), max(one.log_b[-1] for one in profiles), _POINTS
    )
    groups = [list(rows) for _, rows in groupby(profiles, key=lambda one: one.family.name)]
    bests = [max(rows, key=lambda one: one.top.log_likelihood) for rows in groups]
    aicc = [_aicc(best, n, dispersion.phi) for best in bests]
    weights = np.exp((min(aicc) - np.array(aicc)) / 2)
    weights /= weights.sum()
    roots = [_root(rows, log_b) / np.sqrt(dispersion.phi) for rows in groups]
    cdfs = [_distribution(log_b, root, dispersion) for root in roots]
    parts = zip(bests, weights, aicc, roots, cdfs, strict=True)
    fits = tuple(
        _family_fit(best, float(weight), score, quantiles(log_b, cdf, confidence), _level(root))
        for best, weight, score, root, cdf in parts
    )
    stretch = np.sqrt(1 + _FEW_IMPACTS * dispersion.phi / impacts)
    lower = [np.where(root < 0, root / stretch, root) for root in roots]
    wider = [_distribution(log_b, root, dispersion) for root in lower]
    if unhurt:  # the probability of this is known exactly, and higher than by the signed root
        wider = [
            np.maximum.accumulate(np.where(root < 0, np.minimum(np.exp(-(root**2) / 2), 0.5), cdf))
            for root, cdf in zip(roots, wider, strict=True)
        ]
    mixture = quantiles(log_b, weights @ np.array(wider), confidence)
    return Average(mixture, fits, bests[int(weights.argmax())])


def _distribution(log_b: Array, root: Array, dispersion: Dispersion) -> Array:
    """Return the distribution of a signed root, rising linearly in b where the root is 0.

    The root is 0 over a whole range where a step may be anywhere between two doses. From the root
    alone, the distribution would jump at the ends of the range and be constant between them.
    """
    cdf = dispersion.cdf(root)
    level = np.flatnonzero(root == 0.0)
    if not level.size or level[0] == 0 or level[-1] == len(root) - 1:
        return cdf
    ends = _feet(root, level)
    b, ends_b = np.exp(log_b), np.exp(log_b[ends])
    return np.where((b > ends_b[0]) & (b < ends_b[1]), np.interp(b, ends_b, cdf[ends]), cdf)


def _feet(root: Array, level: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the two points that end a constant stretch: below its cliffs, if it has cliffs."""
    first, last = level[[0, -1]]
    near = max(_FOOT * (last - first), 2.0)
    below = int(np.searchsorted(root, -_NEAR, side="right")) - 1
    above = int(np.searchsorted(root, _NEAR))
    return np.array(
        [
            below if first - below <= near and below >= 0 else first - 1,
            above if above - last <= near and above < len(root) else last + 1,
        ]
    )


def widened(given: Average, other: Quantiles) -> Average:
    """Return an average whose limits are the outer ones of two distributions.

    A limit stays as it is where the other distribution has none.
    """
    own = given.quantiles
    limits = Quantiles(
        estimate_ms=own.estimate_ms,
        low_ms=_farther(min, own.low_ms, other.low_ms),
        high_ms=_farther(max, own.high_ms, other.high_ms),
        safe_ms=_farther(min, own.safe_ms, other.safe_ms),
    )
    return replace(given, quantiles=limits)


def _farther(
    choose: Callable[[float, float], float], one: float | None, other: float | None
) -> float | None:
    return one if one is None or other is None else choose(one, other)


def falling(averages: Sequence[Average]) -> list[Average]:
    """Return averages of ascending loads whose limits do not rise with the load.

    Different weights of the families, or rounding, can make a limit rise. Then the estimate, the
    lower limit and the safe limit of the higher load are reduced to those of the lower load, and
    the upper limit of the lower load is raised to that of the higher load. No interval becomes
    narrower and no safe limit higher. A load without a lower or safe limit removes that limit from
    all higher loads; a load without an upper limit removes it from all lower loads. An estimate
    that does not exist is ignored.
    """
    told = [one.quantiles for one in averages]
    estimates = _running([one.estimate_ms for one in told], min)
    safes = _limits([one.safe_ms for one in told], min)
    lows = _limits([one.low_ms for one in told], min)
    highs = _limits([one.high_ms for one in told[::-1]], max)[::-1]
    safes = [_least(*pair) for pair in zip(safes, estimates, strict=True)]
    lows = [_least(*pair) for pair in zip(lows, safes, strict=True)]
    rows = zip(averages, estimates, lows, highs, safes, strict=True)
    return [replace(one, quantiles=Quantiles(*limits)) for one, *limits in rows]


def _least(value: float | None, bound: float | None) -> float | None:
    return value if value is None or bound is None else min(value, bound)


def _limits(
    values: Sequence[float | None], choose: Callable[[float, float], float]
) -> list[float | None]:
    """Return the least or the greatest up to each value, and None from the first None on."""
    end = values.index(None) if None in values else len(values)
    return [*_running(values[:end], choose), *[None] * (len(values) - end)]


def _running(
    values: Sequence[float | None], choose: Callable[[float, float], float]
) -> list[float | None]:
    """Return the least or the greatest up to each value; None stays None and is ignored."""
    result: list[float | None] = []
    last: float | None = None
    for value in values:
        if value is not None:
            last = value if last is None else choose(last, value)
        result.append(None if value is None else last)
    return result


def quantiles(log_b: Array, cdf: Array, confidence: float) -> Quantiles:
    """Read the median, the two-sided limits and the one-sided lower limit off a distribution."""
    tail = (1 - confidence) / 2
    return Quantiles(
        estimate_ms=_quantile(log_b, cdf, 0.5),
        low_ms=_quantile(log_b, cdf, tail),
        high_ms=_quantile(log_b, cdf, 1 - tail),
        safe_ms=_quantile(log_b, cdf, 1 - confidence),
    )


def _quantile(log_b: Array, cdf: Array, p: float) -> float | None:
    """Invert a distribution: the middle where it is constant, None where it does not reach p."""
    if not cdf[0] < p < cdf[-1]:
        return None
    below = int(np.searchsorted(cdf, p - _ROUNDING)) - 1
    above = int(np.searchsorted(cdf, p + _ROUNDING))
    if above - below > 1:
        return float(np.exp((log_b[below + 1] + log_b[above - 1]) / 2))
    share = (p - cdf[below]) / (cdf[above] - cdf[below])
    return float(np.exp(log_b[below] + share * (log_b[above] - log_b[below])))


def _aicc(best: Profile, n: float, phi: float) -> float:
    size = best.family.parameters
    spare = max(n - size - 1, 1.0)
    return -2 * best.top.log_likelihood / phi + 2 * size + 2 * size * (size + 1) / spare


def _root(rows: Sequence[Profile], log_b: Array) -> Array:
    """Return the signed root of one family on the common grid, at the best of its plateaus."""
    best = max(rows, key=lambda one: one.top.log_likelihood)
    if len(rows) == 1:
        return np.interp(log_b, best.log_b, best.root)
    drops = []
    for row in rows:
        behind = 2 * (best.top.log_likelihood - row.top.log_likelihood)
        drops.append(behind + np.interp(log_b, row.log_b, row.root) ** 2)
    drop = np.sqrt(np.min(drops, axis=0))
    return outwards(drop, int(np.abs(log_b - best.top.log_b).argmin()))


def _level(root: Array) -> bool:
    """Return whether a profile is constant over much of the range in which the answer may be."""
    return bool((root == 0.0).sum() > _LONG * (np.abs(root) < _NEAR).sum())


def _family_fit(
    best: Profile, weight: float, aicc: float, limits: Quantiles, level: bool
) -> FamilyFit:
    """Return the results of one family.

    The limits come from a grid. The estimate is the maximum of the likelihood, or the median where
    the likelihood is constant around its maximum.
    """
    estimate_ms = float(np.exp(best.top.log_b))
    if level and limits.estimate_ms is not None:
        estimate_ms = limits.estimate_ms
    return FamilyFit(
        name=best.family.name,
        weight=weight,
        estimate_ms=estimate_ms,
        low_ms=None if limits.low_ms is None else min(limits.low_ms, estimate_ms),
        high_ms=None if limits.high_ms is None else max(limits.high_ms, estimate_ms),
        safe_ms=None if limits.safe_ms is None else min(limits.safe_ms, estimate_ms),
        log_likelihood=best.top.log_likelihood,
        aicc=float(aicc),
    )
