"""Likelihood of a curve, maximised over the background.

A level with k of n impacts at dose x has the risk P(x) = g + (1 - g) F(x). For a given F the
log-likelihood is concave in the background g. Its maximum over 0 <= g < 1 is found exactly, inside
the range or at its bound. So a profile cannot get stuck at g = 0. It can, if each point starts from
the logit(g) of the point before, because the gradient in logit(g) vanishes at g = 0.

The search is over the odds u = g / (1 - g): P = (F + u) / (1 + u), 1 - P = (1 - F) / (1 + u).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from chaos_go.sla.families import Array, Extra, Family
from chaos_go.sla.observations import Level

MOST_BACKGROUND = 0.9999  # at a higher background a fault can hardly add impact
_NEWTON_STEPS = 50  # usually three to six are enough
_CLOSE = 1e-4  # relative change of the odds after which the search ends
_FARTHEST = 10.0  # every profile ends at this times the highest dose
_NEAREST = 0.1  # and begins at this times the lowest dose above 0, times the budget
_TINY = 1e-140  # avoids divisions by 0; its square is still above 0 as a float


class Counts(NamedTuple):
    """The levels of one load as arrays, in ascending order of dose."""

    log_dose: Array
    n: Array
    k: Array


class BestBackground(NamedTuple):
    """The greatest log-likelihood over the background, and the background there."""

    log_likelihood: Array
    background: Array


def counts(levels: Sequence[Level]) -> Counts:
    """Return levels as arrays."""
    ordered = sorted(levels, key=lambda level: level.dose_ms)
    dose = np.array([level.dose_ms for level in ordered], dtype=float)
    with np.errstate(divide="ignore"):
        log_dose = np.log(dose)
    n = np.array([level.n for level in ordered], dtype=float)
    return Counts(log_dose, n, np.array([level.k for level in ordered], dtype=float))


def span(data: Counts, budget: float) -> tuple[float, float]:
    """Return the least and the greatest ln b at which a profile is calculated."""
    doses = data.log_dose[data.log_dose > -math.inf]
    return float(doses[0]) + math.log(_NEAREST * budget), float(doses[-1]) + math.log(_FARTHEST)


def likelihood(
    extra: Extra, data: Counts, most_background: float = MOST_BACKGROUND
) -> BestBackground:
    """Maximise the binomial log-likelihood over the background.

    Args:
        extra: F at the levels, along the last axis; axes before it are independent problems.
        data: Counts of the levels.
        most_background: Upper bound of the background, a fraction; with 0 there is no background.
    """
    risk, free = np.maximum(extra.risk, _TINY), np.exp(extra.log_free)
    odds = _best_odds(risk, free, data, most_background / (1.0 - most_background))
    missed = data.n - data.k
    log_likelihood = np.log(risk + odds[..., None]) @ data.k
    log_likelihood += np.maximum(extra.log_free, -1e280) @ missed
    return BestBackground(log_likelihood - data.n.sum() * np.log1p(odds), odds / (1.0 + odds))


def saturated(data: Counts) -> float:
    """Return the log-likelihood of the observed proportions, which no curve exceeds."""
    from scipy.special import xlogy

    missed = data.n - data.k
    return float((xlogy(data.k, data.k / data.n) + xlogy(missed, missed / data.n)).sum())


def _best_odds(risk: Array, free: Array, data: Counts, most: float) -> Array:
    """Return the odds at which d(log-likelihood)/du is 0: S(u) equals the number of misses there.

    S(u) is the sum of k c / (F + u) with c = 1 - F. 1/S rises, is concave in u, and is nearly a
    straight line. So Newton's method on 1/S reaches the root in a few steps from any point left of
    it, and does not overshoot. The start is left of the root and close to it: the greatest of the
    roots that follow if only the impacts up to each level count, all with the F of that level.
    """
    missed = max(float((data.n - data.k).sum()), _TINY)
    u = np.cumsum(data.k) * free / missed - risk
    u = np.clip(u.max(axis=-1), 0.0, most)
    for _ in range(_NEWTON_STEPS):
        per_odds = 1.0 / (risk + u[..., None])
        share = free * per_odds
        level = share @ data.k
        slope = (share * per_odds) @ data.k
        before = u
        u = np.clip(u + level * (level / missed - 1.0) / np.maximum(slope, _TINY), 0.0, most)
        if (u - before <= _CLOSE * before).all():  # the error is about the square of this change
            break
    return u


def expected(family: Family, data: Counts, log_b: float, shape: float, budget: float) -> Array:
    """Return the fitted risk of each level at one b and shape, with the best background."""
    extra = family.curve(data.log_dose, np.array(log_b), np.array(shape), budget)
    g = likelihood(extra, data).background
    return extra.risk + g * np.exp(extra.log_free)
