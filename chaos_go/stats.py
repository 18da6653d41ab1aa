"""Confidence intervals of quantiles and proportions: pure functions, for any distribution.

Every request of an open-loop load is treated as independent. That is not exact: a queue makes
neighbouring requests similar. So a real interval is somewhat wider than the one returned here,
never narrower.

Sources:
    H. A. David, H. N. Nagaraja, "Order Statistics", 3rd ed., Wiley 2003, section 7.1.
    C. J. Clopper, E. S. Pearson, "The use of confidence or fiducial limits illustrated in the case
    of the binomial", Biometrika 26 (1934) 404-413.
"""

import math
from typing import NamedTuple

CONFIDENCE = 0.95
"""The confidence of every interval that a probe reports."""

_ROUNDING = 1e-9  # 0.07 * 100 is 7.000000000000001 in binary, yet the rank is 7


class Interval(NamedTuple):
    """Limits that enclose the true value with at least the given confidence."""

    low: float
    high: float


class Ranks(NamedTuple):
    """Ranks of the sorted observations (from 1) that estimate a quantile and enclose it."""

    low: int
    value: int
    high: int


def smallest_n(quantile: float, confidence: float = CONFIDENCE) -> int:
    """Return the least number of observations with which a quantile has both limits.

    All n observations lie below the true quantile with the probability quantile ** n. The largest
    observation is an upper limit only if this is at most (1 - confidence) / 2. The same holds for
    the smallest observation and the lower limit.

    Args:
        quantile: The quantile, between 0 and 1, both excluded; 0.99 for the P99.
        confidence: Confidence of the two-sided interval, between 0 and 1, both excluded; 0.95 by
            default.

    Raises:
        ValueError: An argument is not between 0 and 1.
    """
    _check_fraction("quantile", quantile)
    _check_fraction("confidence", confidence)
    rarest = max(quantile, 1 - quantile)
    return math.ceil(math.log((1 - confidence) / 2) / math.log(rarest))


def quantile_ranks(n: int, quantile: float, confidence: float = CONFIDENCE) -> Ranks:
    """Return the ranks of the observations that estimate a quantile and enclose it.

    The estimate is that of `nearest_rank`. The limits are the closest pair of order
    statistics of which each is on the wrong side of the true quantile with a probability of at most
    (1 - confidence) / 2. This probability is exact, from the binomial distribution. Ties and
    buckets only make the interval more conservative. See David and Nagaraja, section 7.1.

    Args:
        n: Number of observations.
        quantile: The quantile, between 0 and 1, both excluded.
        confidence: Confidence of the interval, between 0 and 1, both excluded; 0.95 by default.

    Raises:
        ValueError: `n` is below `smallest_n`, or quantile or confidence is not between 0 and 1.
    """
    needed = smallest_n(quantile, confidence)
    if n < needed:
        raise ValueError(
            f"n={n}: too few observations for the {quantile:g} quantile at {confidence:g} "
            f"confidence; {needed} are needed"
        )
    tail = (1 - confidence) / 2
    low = _binomial_ppf(tail, n, quantile)
    high = _binomial_ppf(1 - tail, n, quantile) + 1
    return Ranks(low, nearest_rank(n, quantile), high)


def nearest_rank(n: int, quantile: float) -> int:
    """Return the rank of the smallest of n observations with ``quantile`` of all at or below it.

    Args:
        n: Number of observations, at least 1.
        quantile: The quantile, between 0 and 1.
    """
    return max(1, math.ceil(quantile * n - _ROUNDING))


def proportion_interval(hits: int, n: int, confidence: float = CONFIDENCE) -> Interval:
    """Return the exact (Clopper-Pearson) interval of a proportion that was observed as hits / n.

    Args:
        hits: Number of observations with the property, 0 to n.
        n: Number of observations, at least 1.
        confidence: Confidence of the interval, between 0 and 1, both excluded; 0.95 by default.

    Raises:
        ValueError: `hits` is not within 0 to n, `n` is below 1, or `confidence` is no such
            fraction.
    """
    from scipy.special import betaincinv  # slow to import, not needed to discover or validate

    _check_fraction("confidence", confidence)
    if n < 1 or not 0 <= hits <= n:
        raise ValueError(f"hits={hits}, n={n}: give 0 <= hits <= n and n >= 1")
    tail = (1 - confidence) / 2
    low = 0.0 if hits == 0 else float(betaincinv(hits, n - hits + 1, tail))
    high = 1.0 if hits == n else float(betaincinv(hits + 1, n - hits, 1 - tail))
    return Interval(low, high)


def _binomial_ppf(probability: float, n: int, p: float) -> int:
    """Return the smallest k with P(binomial(n, p) <= k) of at least ``probability``."""
    from scipy.special import bdtr  # slow to import, not needed to discover or validate

    below, at = -1, n
    while at - below > 1:
        middle = (below + at) // 2
        if bdtr(middle, n, p) >= probability:
            at = middle
        else:
            below = middle
    return at


def _check_fraction(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ValueError(f"{name}={value}: give a number between 0 and 1, both excluded")
