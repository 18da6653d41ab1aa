"""All families, budgets and loads: together, or each load by itself where the loads are unlike.

Loads are fitted together unless the data reject what that takes: a common shape, or thresholds that
do not rise with the load. Both are tested at one budget, whatever was asked, so that the answer for
a budget does not depend on the others. The distribution of the second likelihood ratio is a mixture
of chi-squares, whose weights are those of equally precise loads; where the thresholds do fall with
the load it rejects less often than it may.

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
from chaos_go.sla.fit import Counts, span
from chaos_go.sla.guards import goodness
from chaos_go.sla.loads import Joint, joint
from chaos_go.sla.profile import Profile, profile

_REACH = 36.0  # twice the drop of the log-likelihood over phi, of z = 6
_TESTED = 0.01  # the budget at which the loads are compared
_NOTHING = 1e-3  # of a likelihood ratio: two maxima are not found to more


class Fitted(NamedTuple):
    """What was fitted.

    Attributes:
        averages: per budget, per load.
        fits: per load, of the fit it was part of, at the first budget.
        likeness: of the loads.
    """

    averages: list[list[Average]]
    fits: list[Fit]
    likeness: Likeness = Likeness()


def fit_loads(
    loads: Sequence[Counts], budgets: Sequence[float], spread: Dispersion, confidence: float
) -> Fitted:
    """Fit all loads, ascending: together, unless a test says that they are unlike."""
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
    """Tell whether no delayed transaction had impact."""
    return not data.k[data.log_dose > -math.inf].any()


def _impacts(data: Counts, budget: float) -> float:
    """Return how many impacts the budget is at an average dosed level."""
    return budget * float(data.n[data.log_dose > -math.inf].mean())


def _apart(
    loads: Sequence[Counts], budgets: Sequence[float], spread: Dispersion, confidence: float
) -> Fitted:
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
    lowest = min(budgets)  # for which there are all families
    fits = [
        goodness([found.best], [data], lowest, spread)
        for found, data in zip(averages[budgets.index(lowest)], loads, strict=True)
    ]
    return Fitted(averages, fits)


def _together(
    joints: Mapping[float, Sequence[Joint]],
    loads: Sequence[Counts],
    budgets: Sequence[float],
    spread: Dispersion,
    confidence: float,
) -> Fitted:
    averages = [_in_order(joints[budget], loads, budget, spread, confidence) for budget in budgets]
    lowest = min(budgets)
    best = averages[budgets.index(lowest)][0].best
    fitted = next(one for one in joints[lowest] if best in one.profiles)
    fit = goodness(fitted.profiles, loads, lowest, spread)
    return Fitted(averages, [fit] * len(loads))


def _likeness(families: Sequence[Joint], loads: int, spread: Dispersion) -> Likeness:
    """Test the family that is the best in any order: the order is in question."""
    tested = max(families, key=lambda one: one.any_order - one.profiles[0].family.parameters)
    shape_p = spread.beyond(tested.ratio / spread.phi, loads - 1)
    return Likeness(shape_p, order_p(tested, loads, spread))


def order_p(tested: Joint, loads: int, spread: Dispersion) -> float:
    """Return the p value of the likelihood ratio of thresholds in order against those in any order.

    Where all thresholds are equal, m loads fall by chance into l groups in order, with the
    probability |s(m, l)| / m! of the Stirling numbers of the first kind, and the statistic has then
    m - l degrees of freedom.
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
    """Average per load; no interval is narrower than without the order.

    The order makes ends of intervals that leave out the truth too often where the thresholds of
    loads are about equal: the likelihood ratio is then not distributed as chi-square.
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
