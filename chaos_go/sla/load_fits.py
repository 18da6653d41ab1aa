"""Fits all loads at all budgets with all families: in one common fit, or each load by itself.

The loads share one fit unless the data reject one of its two assumptions: a common shape, and
thresholds that do not rise with the load. Both are tested at a fixed budget, so that the answer
for one budget does not depend on the other budgets. The likelihood ratio of the second test has a
mixture of chi-squares as its distribution, with the weights for equally precise loads. Where the
thresholds do fall with the load, this test rejects less often than its level allows.

Source: T. Robertson, F. T. Wright, R. L. Dykstra, "Order Restricted Statistical Inference", Wiley
1988, chapter 2.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from chaos_go.sla.answer import Fit, Likeness
from chaos_go.sla.average import Average, average, falling, widened
from chaos_go.sla.dispersion import Dispersion
from chaos_go.sla.families import able
from chaos_go.sla.guards import goodness
from chaos_go.sla.likelihood import Counts, span
from chaos_go.sla.loads import Joint, joint
from chaos_go.sla.profile import Profile, profile

_REACH = 36.0  # twice the drop of the log-likelihood, divided by phi: 6 squared, for z = 6
_TESTED = 0.01  # the budget at which the loads are compared
_NOTHING = 1e-3  # a likelihood ratio below this is within the error of the two maxima


class LoadFits(NamedTuple):
    """The fits of all loads.

    Attributes:
        averages: Model averages, one list per budget with one entry per load.
        fits: Goodness of fit per load, at the lowest budget. In a common fit all loads have the
            same one.
        likeness: Whether the loads are alike enough for one fit.
    """

    averages: list[list[Average]]
    fits: list[Fit]
    likeness: Likeness = Likeness()


def fit_loads(
    loads: Sequence[Counts], budgets: Sequence[float], spread: Dispersion, confidence: float
) -> LoadFits:
    """Fit all loads: in one common fit, or each by itself if a test rejects the common fit.

    Args:
        loads: Counts of each load, in ascending order of load.
        budgets: Extra risks, fractions.
        spread: Over-dispersion of the windows.
        confidence: Confidence of the limits, a fraction.
    """
    if len(loads) == 1:
        return _apart(loads, budgets, spread, confidence)
    joints = {_TESTED: _joints(loads, _TESTED, spread)}
    likeness = _likeness(joints[_TESTED], len(loads), spread)
    if likeness.apart:
        return _apart(loads, budgets, spread, confidence)._replace(likeness=likeness)
    joints |= {one: _joints(loads, one, spread) for one in budgets if one != _TESTED}
    found = _together(joints, loads, budgets, spread, confidence)
    return found._replace(likeness=likeness)


def _joints(loads: Sequence[Counts], budget: float, spread: Dispersion) -> list[Joint]:
    """Fit every family to all loads together."""
    rows = zip(*(_profiles(data, budget, spread) for data in loads), strict=True)
    reach = _REACH * spread.phi
    return [joint(alone[0].family, loads, budget, alone, reach) for alone in rows]


def _profiles(data: Counts, budget: float, spread: Dispersion) -> list[Profile]:
    bounds, reach = span(data, budget), _REACH * spread.phi
    return [profile(family, data, budget, bounds, reach=reach) for family in able(budget)]


def _unhurt(data: Counts) -> bool:
    """Return whether no delayed transaction had impact."""
    return not data.k[data.log_dose > -math.inf].any()


def _impacts(data: Counts, budget: float) -> float:
    """Return how many impacts the budget allows at a level above dose 0, on average."""
    return budget * float(data.n[data.log_dose > -math.inf].mean())


def _apart(
    loads: Sequence[Counts], budgets: Sequence[float], spread: Dispersion, confidence: float
) -> LoadFits:
    averages = [
        [
            average(
                _profiles(data, budget, spread),
                float(data.n.sum()),
                _impacts(data, budget),
                spread,
                confidence,
                unhurt=_unhurt(data),
            )
            for data in loads
        ]
        for budget in budgets
    ]
    lowest = min(budgets)  # at which every family is fitted
    fits = [
        goodness([found.best], [data], lowest, spread)
        for found, data in zip(averages[budgets.index(lowest)], loads, strict=True)
    ]
    return LoadFits(averages, fits)


def _together(
    joints: Mapping[float, Sequence[Joint]],
    loads: Sequence[Counts],
    budgets: Sequence[float],
    spread: Dispersion,
    confidence: float,
) -> LoadFits:
    averages = [_in_order(joints[budget], loads, budget, spread, confidence) for budget in budgets]
    lowest = min(budgets)
    best = averages[budgets.index(lowest)][0].best
    fitted = next(one for one in joints[lowest] if best in one.profiles)
    fit = goodness(fitted.profiles, loads, lowest, spread)
    return LoadFits(averages, [fit] * len(loads))


def _likeness(families: Sequence[Joint], loads: int, spread: Dispersion) -> Likeness:
    """Test shape and order with the family that fits best without an order of the thresholds."""
    tested = max(families, key=lambda one: one.any_order - one.profiles[0].family.parameters)
    shape_p = spread.beyond(tested.ratio / spread.phi, loads - 1)
    return Likeness(shape_p, order_p(tested, loads, spread))


def order_p(tested: Joint, loads: int, spread: Dispersion) -> float:
    """Return the p value of the likelihood ratio of thresholds in order against those in any order.

    If all thresholds are equal, chance ties m loads into l groups of equal fitted thresholds with
    the probability |s(m, l)| / m!, where s(m, l) are the Stirling numbers of the first kind. The
    statistic then has m - l degrees of freedom.

    Args:
        tested: Joint fit of one family.
        loads: Number of loads.
        spread: Over-dispersion of the windows.
    """
    x2 = 2 * (tested.any_order - tested.profiles[0].top.log_likelihood) / spread.phi
    if x2 <= _NOTHING:
        return 1.0
    groups = np.array([1.0])  # probabilities of 1, 2, ... groups, of one load so far
    for count in range(1, loads):
        groups = (np.append(groups * count, 0.0) + np.append(0.0, groups)) / (count + 1)
    freedoms = range(loads - 1, 0, -1)
    return float(groups[:-1] @ [spread.beyond(x2, df) for df in freedoms])


def _in_order(
    families: Sequence[Joint],
    loads: Sequence[Counts],
    budget: float,
    spread: Dispersion,
    confidence: float,
) -> list[Average]:
    """Return the average of each load; no interval is narrower than without the order.

    Where the thresholds of loads are about equal, an interval that relies on the order misses the
    truth too often, because the likelihood ratio is then not distributed as chi-square.
    """
    n = sum(float(data.n.sum()) for data in loads)
    averages = []
    for at, data in enumerate(loads):
        ordered, unordered = (
            average(profiles, n, _impacts(data, budget), spread, confidence, unhurt=_unhurt(data))
            for profiles in (
                [one.profiles[at] for one in families],
                [one.unordered[at] for one in families],
            )
        )
        averages.append(widened(ordered, unordered.quantiles))
    return falling(averages)
