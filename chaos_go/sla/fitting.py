"""All families, budgets and loads: together, or each load by itself where the loads are unlike.

Loads are fitted together unless the data reject what that takes: a common shape, or thresholds that
do not rise with the load. The distribution of the second likelihood ratio is a mixture of
chi-squares, whose weights are those of equally precise loads; where the thresholds do fall with the
load it rejects less often than the 5 % say.

Source: T. Robertson, F. T. Wright, R. L. Dykstra, "Order Restricted Statistical Inference", Wiley
1988, chapter 2.
"""

import math
from collections.abc import Sequence
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
_NOTHING = 1e-3  # of a likelihood ratio: two maxima are not found to more

_Rows = list[list[Profile]]  # of one budget: per load, per family


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
    rows = [[_profiles(data, budget, spread) for data in loads] for budget in budgets]
    if len(loads) == 1:
        return _apart(rows, loads, budgets, spread, confidence)
    together = _together(rows, loads, budgets, spread, confidence)
    if not together.likeness.apart:
        return together
    apart = _apart(rows, loads, budgets, spread, confidence)
    return apart._replace(likeness=together.likeness)


def _profiles(data: Counts, budget: float, spread: Dispersion) -> list[Profile]:
    bounds, reach = span(data, budget), _REACH * spread.phi
    return [profile(family, data, budget, bounds, reach=reach) for family in able(budget)]


def _impacts(data: Counts, budget: float) -> float:
    """Give how many impacts the budget is at an average dosed level."""
    return budget * float(data.n[data.log_dose > -math.inf].mean())


def _apart(
    rows: Sequence[_Rows],
    loads: Sequence[Counts],
    budgets: Sequence[float],
    spread: Dispersion,
    confidence: float,
) -> Fitted:
    averages = [
        [
            average(profiles, float(data.n.sum()), _impacts(data, budget), spread, confidence)
            for profiles, data in zip(row, loads, strict=True)
        ]
        for row, budget in zip(rows, budgets, strict=True)
    ]
    fits = [
        goodness([found.best], [data], budgets[0], spread)
        for found, data in zip(averages[0], loads, strict=True)
    ]
    return Fitted(averages, fits)


def _together(
    rows: Sequence[_Rows],
    loads: Sequence[Counts],
    budgets: Sequence[float],
    spread: Dispersion,
    confidence: float,
) -> Fitted:
    joints = [
        [
            joint(apart[0].family, loads, budget, apart, _REACH * spread.phi)
            for apart in zip(*row, strict=True)
        ]
        for row, budget in zip(rows, budgets, strict=True)
    ]
    averages = [
        _in_order(families, loads, budget, spread, confidence)
        for families, budget in zip(joints, budgets, strict=True)
    ]
    best = next(one for one in joints[0] if averages[0][0].best in one.profiles)
    fit = goodness(best.profiles, loads, budgets[0], spread)
    tested = [_best_in_any_order(families) for families in joints]
    shape_p = spread.beyond(tested[0].ratio / spread.phi, len(loads) - 1)
    least = min(order_p(one, len(loads), spread) for one in tested)
    return Fitted(averages, [fit] * len(loads), Likeness(shape_p, least))


def _best_in_any_order(families: Sequence[Joint]) -> Joint:
    """Choose the family of the tests, which must not depend on the order that is in question."""
    return max(families, key=lambda one: one.any_order - one.profiles[0].family.parameters)


def order_p(tested: Joint, loads: int, spread: Dispersion) -> float:
    """Give the p value of the likelihood ratio of thresholds in order against those in any order.

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
            average(profiles, n, _impacts(data, budget), spread, confidence)
            for profiles in (
                [one.profiles[at] for one in families],
                [one.unordered[at] for one in families],
            )
        )
        averages.append(widened(ordered, unordered.quantiles))
    return falling(averages)
