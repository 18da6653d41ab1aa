"""Likelihood of a curve, with the best background for it.

A level with k of n impacts at dose x has the risk P(x) = g + (1 - g) F(x). For a given F the
log-likelihood is concave in the background g, and its maximum over 0 <= g < 1 is found exactly,
whether it lies inside or on the bound. So a profile cannot stick to g = 0, as it does where the
background is carried from point to point in logit(g), whose gradient vanishes there.

It is found as odds u = g / (1 - g), with which P = (F + u) / (1 + u) and 1 - P = (1 - F) / (1 + u).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from chaos_go.sla.families import Array, Extra, Family
from chaos_go.sla.observations import Level

MOST_BACKGROUND = 0.9999  # above that nothing is left for a fault to spoil
_NEWTON_STEPS = 50  # three to six are taken
_CLOSE = 1e-4
_FARTHEST = 10.0  # times the highest dose, the end of every profile
_NEAREST = 0.1  # times the lowest dose and the budget, the other end
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
    """Return levels as arrays."""
    ordered = sorted(levels, key=lambda level: level.dose_ms)
    dose = np.array([level.dose_ms for level in ordered], dtype=float)
    with np.errstate(divide="ignore"):
        log_dose = np.log(dose)
    n = np.array([level.n for level in ordered], dtype=float)
    return Counts(log_dose, n, np.array([level.k for level in ordered], dtype=float))


def span(data: Counts, budget: float) -> tuple[float, float]:
    """Return the least and the greatest ln b that is thought of."""
    doses = data.log_dose[data.log_dose > -math.inf]
    return float(doses[0]) + math.log(_NEAREST * budget), float(doses[-1]) + math.log(_FARTHEST)


def likelihood(extra: Extra, data: Counts, most_background: float = MOST_BACKGROUND) -> Fitted:
    """Maximise the binomial log-likelihood over the background.

    Args:
        extra: F at the levels, the last axis; any axes before it are independent problems.
        data: the counts.
        most_background: upper bound of the background; 0 leaves it out.
    """
    risk, free = np.maximum(extra.risk, _TINY), np.exp(extra.log_free)
    odds = _best_odds(risk, free, data, most_background / (1.0 - most_background))
    missed = data.n - data.k
    log_likelihood = np.log(risk + odds[..., None]) @ data.k
    log_likelihood += np.maximum(extra.log_free, -1e280) @ missed
    return Fitted(log_likelihood - data.n.sum() * np.log1p(odds), odds / (1.0 + odds))


def saturated(data: Counts) -> float:
    """Return the log-likelihood of the observed proportions, which no curve exceeds."""
    from scipy.special import xlogy

    missed = data.n - data.k
    return float((xlogy(data.k, data.k / data.n) + xlogy(missed, missed / data.n)).sum())


def _best_odds(risk: Array, free: Array, data: Counts, most: float) -> Array:
    """Find the root of d(log-likelihood)/du, where S(u) equals the number of misses.

    S(u) is the sum of k c / (F + u) with c = 1 - F. Of it 1/S rises, is concave in u, and nearly a
    line, so Newton's method on 1/S from any point left of the root runs to it in a few steps
    without overshooting. The start takes the levels up to each one alone, with the largest F among
    them: left of the root, and close.
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
        if (u - before <= _CLOSE * before).all():  # the next step would square that
            break
    return u


def expected(family: Family, data: Counts, log_b: float, shape: float, budget: float) -> Array:
    """Return the fitted risk per level at one b and shape, with the best background."""
    extra = family.curve(data.log_dose, np.array(log_b), np.array(shape), budget)
    g = likelihood(extra, data).background
    return extra.risk + g * np.exp(extra.log_free)
