"""The model average: one distribution of the answer from those of all families.

Every family's profile gives a distribution of ln b by its signed root, T(z(b) / sqrt(phi)), T being
the normal distribution, or Student's t when phi was estimated. They are mixed with weights from the
quasi-AICc. The estimate is the median of the mixture, its limits are its quantiles. Where the
likelihood is level, every place is as likely as any other.

Where the budget is a handful of impacts per level the data cannot tell the families apart, and the
steep ones, which give high answers, get more weight than they deserve: the lower limit is then too
high too often. So the mixture takes the distribution of every family below its maximum wider, by
the factor sqrt(1 + 0.75 / m) with m impacts: 7 % at 5 impacts, nothing at 100. The 0.75 was found
by simulation, see docs/reference/sla-method.md. Where no delayed transaction had any impact, the
lower half is the likelihood ratio itself, which is then the chance of that. What is told of a
single family is its profile.

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

_POINTS = 4000  # of the common grid in ln b
_ROUNDING = 1e-12  # of the sum of weighted distributions
_NEAR = 2.0  # so large a signed root ends an interval
_FOOT = 0.02  # of a level stretch: what falls that far within that is a cliff
_LONG = 0.1  # of that: where so much is level the likelihood has no top but a middle
_FEW_IMPACTS = 0.75  # so many make the lower half sqrt(2) times as wide


@dataclass(frozen=True)
class Quantiles:
    """What is read off one distribution, in ms; None where it does not reach."""

    estimate_ms: float | None
    low_ms: float | None
    high_ms: float | None
    safe_ms: float | None


@dataclass(frozen=True)
class Average:
    """The mixture and its parts.

    Attributes:
        quantiles: of the mixture.
        families: one per name.
        best: profile of the family with the greatest weight (of its best plateau).
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
        profiles: rows of one name beside each other, as in the registry.
        n: transactions behind them.
        impacts: how many the budget is at an average dosed level.
        dispersion: phi and its degrees of freedom.
        confidence: of the two-sided and of the one-sided limits.
        unhurt: no delayed transaction had impact.
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
    if unhurt:  # the chance of that is known exactly, and above what the signed root says
        wider = [
            np.maximum.accumulate(np.where(root < 0, np.minimum(np.exp(-(root**2) / 2), 0.5), cdf))
            for root, cdf in zip(roots, wider, strict=True)
        ]
    mixture = quantiles(log_b, weights @ np.array(wider), confidence)
    return Average(mixture, fits, bests[int(weights.argmax())])


def _distribution(log_b: Array, root: Array, dispersion: Dispersion) -> Array:
    """Return the distribution of a signed root, rising evenly with b where the root is level at 0.

    It is so where a step may be anywhere between two doses. By the root alone the answer would be
    at the ends of that and nowhere between.
    """
    cdf = dispersion.cdf(root)
    level = np.flatnonzero(root == 0.0)
    if not level.size or level[0] == 0 or level[-1] == len(root) - 1:
        return cdf
    ends = _feet(root, level)
    b, ends_b = np.exp(log_b), np.exp(log_b[ends])
    return np.where((b > ends_b[0]) & (b < ends_b[1]), np.interp(b, ends_b, cdf[ends]), cdf)


def _feet(root: Array, level: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the points that end a level stretch: where its cliffs, if any, have fallen."""
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
    """Return an average whose limits are those of two distributions that are farther out.

    A limit that the other does not have is left as it is.
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
    """Make what is told of ascending loads not rise with the load.

    Where it does, by what the families weigh or by rounding, the estimate, the lower and the safe
    limit of the higher load come down and the upper limit of the lower load goes up: no interval
    becomes narrower, and nothing promises more. Where a lower load has no lower or safe limit the
    higher one has none either, and where a higher load has no upper one, nor has the lower. An
    estimate that does not exist takes no part.
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
    """Return the least or the greatest up to each value, and none from the first None on."""
    end = values.index(None) if None in values else len(values)
    return [*_running(values[:end], choose), *[None] * (len(values) - end)]


def _running(
    values: Sequence[float | None], choose: Callable[[float, float], float]
) -> list[float | None]:
    """Return the least or the greatest up to each value."""
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
    """Invert a distribution; the middle of where it is flat, None where it does not reach."""
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
    """Return the signed root of one family on the common grid, the best over its plateaus."""
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
    """Tell whether a profile has no top: much of where the answer may be is equally likely."""
    return bool((root == 0.0).sum() > _LONG * (np.abs(root) < _NEAR).sum())


def _family_fit(
    best: Profile, weight: float, aicc: float, limits: Quantiles, level: bool
) -> FamilyFit:
    """Return one family's part; limits come from a grid, the estimate from the top, if any."""
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
