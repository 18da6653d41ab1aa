"""Likelihood of a curve, with the best background for it.

A level with k of n impacts at dose x has the risk P(x) = g + (1 - g) F(x). For a given F the
log-likelihood is concave in the background g, and its maximum over 0 <= g <= 0.5 is found exactly,
whether it lies inside or on the bound. So a profile cannot stick to g = 0, as it does where the
background is carried from point to point in logit(g), whose gradient vanishes there.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from chaos_go.sla.families import Array, Extra, Family
from chaos_go.sla.observations import Level

MOST_BACKGROUND = 0.5
_NEWTON_STEPS = 7
_TINY = 1e-140  # its square is a float as well


class Counts(NamedTuple):
    """The levels of one load as arrays, in ascending order of dose."""

    log_dose: Array
    n: Array
    k: Array


class Fitted(NamedTuple):
    """The maximum over the background: the log-likelihood and where it is."""

    log_likelihood: Array
    background: Array


def counts(levels: Sequence[Level]) -> Counts:
    """Give levels as arrays."""
    ordered = sorted(levels, key=lambda level: level.dose_ms)
    dose = np.array([level.dose_ms for level in ordered], dtype=float)
    with np.errstate(divide="ignore"):
        log_dose = np.log(dose)
    n = np.array([level.n for level in ordered], dtype=float)
    return Counts(log_dose, n, np.array([level.k for level in ordered], dtype=float))


def likelihood(extra: Extra, data: Counts, most_background: float = MOST_BACKGROUND) -> Fitted:
    """Maximise the binomial log-likelihood over the background.

    Args:
        extra: F at the levels, the last axis; any axes before it are independent problems.
        data: the counts.
        most_background: upper bound of the background; 0 leaves it out.
    """
    background = _best_background(extra, data, most_background)
    free = background[..., None]
    impact = np.maximum(extra.risk + free * np.exp(extra.log_free), _TINY)
    missed = data.n - data.k
    log_likelihood = np.log(impact) @ data.k + np.maximum(extra.log_free, -1e280) @ missed
    return Fitted(log_likelihood + missed.sum() * np.log1p(-background), background)


def saturated(data: Counts) -> float:
    """Give the log-likelihood of the observed proportions, which no curve exceeds."""
    from scipy.special import xlogy

    missed = data.n - data.k
    return float((xlogy(data.k, data.k / data.n) + xlogy(missed, missed / data.n)).sum())


def _best_background(extra: Extra, data: Counts, most: float) -> Array:
    """Solve (1 - g) * d(log-likelihood)/dg = 0, sum of k c (1-g)/(F + g c) = misses, c = 1 - F.

    The left side falls and is convex in g, so Newton's method from any point left of the root runs
    to it without overshooting. The start takes the levels up to each one alone, with the largest F
    among them: left of the root, and close.
    """
    missed = float((data.n - data.k).sum())
    free = np.exp(extra.log_free)
    hits = np.cumsum(data.k) * free
    start = (hits - missed * extra.risk) / np.maximum(missed + hits, _TINY)
    g = np.clip(start.max(axis=-1), 0.0, most)
    for _ in range(_NEWTON_STEPS):
        share = free / np.maximum(extra.risk + g[..., None] * free, _TINY)
        first = share @ data.k
        slope = -first - (1.0 - g) * ((share * share) @ data.k)
        step = ((1.0 - g) * first - missed) / np.minimum(slope, -_TINY)
        g = np.clip(g - step, 0.0, most)
    return g


def expected(family: Family, data: Counts, log_b: float, shape: float, budget: float) -> Array:
    """Give the fitted risk per level at one b and shape, with the best background."""
    extra = family.curve(data.log_dose, np.array(log_b), np.array(shape), budget)
    g = likelihood(extra, data).background
    return extra.risk + g * np.exp(extra.log_free)
