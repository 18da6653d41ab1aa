"""The model average: one distribution of the answer from those of all families.

Every family's profile gives a distribution of ln b by its signed root, CDF(b) = T(z(b) / sqrt(phi)),
T being the normal distribution, or Student's t when phi was estimated. They are mixed with weights
from the quasi-AICc. The estimate is the median of the mixture, its limits are its quantiles.

Sources:
    D. Fletcher, D. Turek, "Model-averaged profile likelihood intervals", Journal of Agricultural,
    Biological and Environmental Statistics 17 (2012) 38-51.
    K. P. Burnham, D. R. Anderson, "Model Selection and Multimodel Inference", Springer 2002,
    section 2.5: QAICc.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from chaos_go.sla.answer import FamilyFit
from chaos_go.sla.dispersion import Dispersion
from chaos_go.sla.families import Array
from chaos_go.sla.profile import Profile, Top

_POINTS = 4000  # of the common grid in ln b


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
    profiles: Sequence[Profile], n: float, dispersion: Dispersion, confidence: float
) -> Average:
    """Mix the profiles of all families.

    Args:
        profiles: rows of one name beside each other, as in the registry.
        n: transactions behind them.
        dispersion: phi and its degrees of freedom.
        confidence: of the two-sided and of the one-sided limits.
    """
    log_b = np.linspace(
        min(one.log_b[0] for one in profiles), max(one.log_b[-1] for one in profiles), _POINTS
    )
    groups = [list(rows) for _, rows in groupby(profiles, key=lambda one: one.family.name)]
    bests = [max(rows, key=lambda one: one.top.log_likelihood) for rows in groups]
    aicc = [_aicc(best, n, dispersion.phi) for best in bests]
    weights = np.exp((min(aicc) - np.array(aicc)) / 2)
    weights /= weights.sum()
    cdfs = [_distribution(rows, best, log_b, dispersion) for rows, best in zip(groups, bests)]
    fits = tuple(
        _family_fit(best.top, best.family.name, float(weight), score, cdf, log_b, confidence)
        for best, weight, score, cdf in zip(bests, weights, aicc, cdfs)
    )
    mixture = quantiles(log_b, weights @ np.array(cdfs), confidence)
    return Average(mixture, fits, bests[int(weights.argmax())])


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
    below = int(np.searchsorted(cdf, p, side="left")) - 1
    above = int(np.searchsorted(cdf, p, side="right"))
    if above - below > 1:
        return float(np.exp((log_b[below + 1] + log_b[above - 1]) / 2))
    share = (p - cdf[below]) / (cdf[above] - cdf[below])
    return float(np.exp(log_b[below] + share * (log_b[above] - log_b[below])))


def _aicc(best: Profile, n: float, phi: float) -> float:
    size = best.family.parameters
    spare = max(n - size - 1, 1.0)
    return -2 * best.top.log_likelihood / phi + 2 * size + 2 * size * (size + 1) / spare


def _distribution(
    rows: Sequence[Profile], best: Profile, log_b: Array, dispersion: Dispersion
) -> Array:
    """Give the CDF of one family on the common grid, over all its plateaus."""
    if len(rows) == 1:
        root = np.interp(log_b, best.log_b, best.root)
    else:
        drop = np.full(len(log_b), np.inf)
        for row in rows:
            size = np.interp(log_b, row.log_b, np.abs(row.root))
            drop = np.minimum(
                drop,
                np.hypot(size, np.sqrt(2 * (best.top.log_likelihood - row.top.log_likelihood))),
            )
        at = int(np.abs(log_b - best.top.log_b).argmin())
        left = np.maximum.accumulate(-drop[: at + 1])
        right = np.minimum.accumulate(drop[at:][::-1])[::-1]
        root = np.concatenate((left, right[1:]))
    return dispersion.cdf(root / np.sqrt(dispersion.phi))


def _family_fit(
    top: Top, name: str, weight: float, aicc: float, cdf: Array, log_b: Array, confidence: float
) -> FamilyFit:
    limits = quantiles(log_b, cdf, confidence)
    return FamilyFit(
        name=name,
        weight=weight,
        estimate_ms=float(np.exp(top.log_b)),
        low_ms=limits.low_ms,
        high_ms=limits.high_ms,
        safe_ms=limits.safe_ms,
        log_likelihood=top.log_likelihood,
        aicc=float(aicc),
    )
