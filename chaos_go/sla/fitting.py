"""All families, budgets and loads: apart, or together when the loads have a common shape."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from chaos_go.sla.answer import Fit
from chaos_go.sla.average import Average, average, falling
from chaos_go.sla.dispersion import Dispersion
from chaos_go.sla.families import able
from chaos_go.sla.fit import Counts, span
from chaos_go.sla.guards import goodness
from chaos_go.sla.loads import Joint, joint
from chaos_go.sla.profile import Profile, profile

_REACH = 36.0  # twice the drop of the log-likelihood over phi, of z = 6
_COMMON = 0.05

_Rows = list[list[Profile]]  # of one budget: per load, per family


class Fitted(NamedTuple):
    """What was fitted.

    Attributes:
        averages: per budget, per load.
        fits: per load, of the fit it was part of, at the first budget.
        shape_p: p value of the test that the loads have a common shape; None with one load.
    """

    averages: list[list[Average]]
    fits: list[Fit]
    shape_p: float | None


def fit_loads(
    loads: Sequence[Counts], budgets: Sequence[float], spread: Dispersion, confidence: float
) -> Fitted:
    """Fit all loads, ascending, with a common shape unless the test of that rejects it."""
    rows = [[_profiles(data, budget, spread) for data in loads] for budget in budgets]
    if len(loads) == 1:
        return _apart(rows, loads, budgets, spread, confidence)
    together, shape_p = _together(rows, loads, budgets, spread, confidence)
    if shape_p < _COMMON:
        together = _apart(rows, loads, budgets, spread, confidence)
    return together._replace(shape_p=shape_p)


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
    return Fitted(averages, fits, None)


def _together(
    rows: Sequence[_Rows],
    loads: Sequence[Counts],
    budgets: Sequence[float],
    spread: Dispersion,
    confidence: float,
) -> tuple[Fitted, float]:
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
    # The family of the test must not depend on the order, which the loads may contradict.
    tested = max(joints[0], key=lambda one: one.unordered - one.profiles[0].family.parameters)
    shape_p = spread.beyond(tested.ratio / spread.phi, len(loads) - 1)
    return Fitted(averages, [fit] * len(loads), None), shape_p


def _in_order(
    families: Sequence[Joint],
    loads: Sequence[Counts],
    budget: float,
    spread: Dispersion,
    confidence: float,
) -> list[Average]:
    n = sum(float(data.n.sum()) for data in loads)
    averages = []
    for at, data in enumerate(loads):
        profiles = [one.profiles[at] for one in families]
        averages.append(average(profiles, n, _impacts(data, budget), spread, confidence))
    return falling(averages)
