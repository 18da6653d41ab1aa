"""The averaged curve, its band and the observed points, for pictures and tables.

The curve is drawn through answers: for many budgets, up to the highest observed impact, it takes
the dose at which the extra impact equals the budget. So the band crosses each budget exactly in
the interval that `back_calculate` gives for it, and its families are those that were averaged.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import numpy as np

from chaos_go.sla import latency
from chaos_go.sla.answer import Answer, Load, Threshold
from chaos_go.sla.drawing import Drawing, Line, LoadCurve, Point, Stretch
from chaos_go.sla.observations import Level, Observations
from chaos_go.sla.solve import back_calculate
from chaos_go.stats import proportion_interval

_POINTS, _POINTS_SEVERAL = 9, 6  # a fit of several loads takes seconds
_NEAR = 1.2  # within this factor the curves of two loads end at the same budget
# The curve ends at these fractions of the highest observed impact. The averaged curve may reach
# that impact only beyond the last dose, where an estimate would be an extrapolation.
_ENDS = (0.93, 0.999)
_FINE = 60  # points of a smooth line
_TELLING = 0.01  # of the weight; a family with less does not show in the average
_WIDE = 100.0  # the highest over the lowest dose, from where a linear axis hides the low ones
_BEYOND, _BEYOND_LOGARITHMIC = 1.06, 1.5  # the edge of the picture over the highest dose


def drawing(answer: Answer, observations: Observations) -> Drawing:
    """Calculate what the picture of an answer shows.

    Args:
        answer: The answer, with its limits as P99 where that was measured.
        observations: What the answer was calculated from.
    """
    loads, seen = latency.per_load(answer), points(observations)
    confidence = loads[0].thresholds[0].confidence
    doses = [level.dose_ms for level in observations.levels if level.dose_ms > 0]
    logarithmic = max(doses) > _WIDE * min(doses)
    edge_ms = max(doses) * (_BEYOND_LOGARITHMIC if logarithmic else _BEYOND)
    rows = curves(observations, confidence)
    return Drawing(
        curves=tuple(
            _load_curve(load, row, seen[load.load_rps], edge_ms)
            for load, row in zip(loads, rows, strict=True)
        ),
        governing=answer.governing(0) if answer.loads else loads[0],
        confidence=confidence,
        edge_ms=edge_ms,
        logarithmic=logarithmic,
    )


def points(observations: Observations) -> dict[float | None, tuple[Point, ...]]:
    """Return what was observed at each load, with its 95 % intervals; loads and doses ascending."""
    return {
        load_rps: tuple(_point(level) for level in levels)
        for load_rps, levels in observations.by_load().items()
    }


def curves(observations: Observations, confidence: float) -> tuple[Load, ...]:
    """Return, for each load, the thresholds at ascending budgets.

    Args:
        observations: What was measured.
        confidence: Confidence of the band, a fraction.

    Raises:
        BadInputError: The confidence is no fraction above 0.5 and below 1.
        NotEnoughDataError: A load has no dose above 0.
    """
    tops = [_highest_extra(levels) for levels in observations.by_load().values()]
    return latency.per_load(back_calculate(observations, _budgets(tops), confidence))


def _point(level: Level) -> Point:
    return Point(level, level.k / level.n, *proportion_interval(level.k, level.n))


def _load_curve(load: Load, row: Load, seen: Sequence[Point], edge_ms: float) -> LoadCurve:
    """Put together what is shown of one load.

    Args:
        load: The load, with the thresholds that were asked for.
        row: The same load, with the thresholds of a row of rising budgets.
        seen: What was observed at this load.
        edge_ms: The highest dose in the picture.
    """
    known = _known(row)
    return LoadCurve(
        load=load,
        points=seen,
        stretches=tuple(_stretch(row, part, edge_ms) for part in known),
        models=tuple(line for part in known for line in _models(row, part)),
        p99=latency.curve(point.level for point in seen),
    )


def _known(load: Load) -> list[list[Threshold]]:
    """Return the thresholds that have an estimate, in groups that those without one divide."""
    rows = groupby(load.thresholds, key=lambda one: one.estimate_ms is not None)
    return [list(known) for has, known in rows if has]


def _stretch(load: Load, known: Sequence[Threshold], edge_ms: float) -> Stretch:
    budgets = [one.budget for one in known]
    average = _smooth(load, budgets, [one.estimate_ms or 0.0 for one in known])
    if known[0] is load.thresholds[0]:  # otherwise nothing is known below
        average = Line((load.background, *average.impacts), (0.0, *average.doses_ms))
    highs = [edge_ms if one.high_ms is None else one.high_ms for one in known]
    return Stretch(
        average=average,
        low=_smooth(load, budgets, [one.low_ms or 0.0 for one in known]),
        high=_smooth(load, budgets, highs),
    )


def _models(load: Load, known: Sequence[Threshold]) -> Iterator[Line]:
    """Return the lines of the families that count."""
    fits = [(one.budget, family) for one in known for family in one.families]
    for name in dict.fromkeys(family.name for _, family in fits):
        own = [(budget, family) for budget, family in fits if family.name == name]
        if max(family.weight for _, family in own) >= _TELLING:
            budgets = [budget for budget, _ in own]
            yield _smooth(load, budgets, [family.estimate_ms for _, family in own])


def _smooth(load: Load, budgets: Sequence[float], doses_ms: Sequence[float]) -> Line:
    """Return a smooth line through a few points, monotone between them."""
    from scipy.interpolate import PchipInterpolator  # takes longer to import than all else here

    roots = np.cbrt(budgets)  # where the points of `curves` are evenly spaced
    # Each budget is fitted by itself: on flat data a greater one may be reached a little earlier.
    rising = np.maximum.accumulate(doses_ms)
    if len(roots) > 1:
        fine = np.linspace(roots[0], roots[-1], _FINE)
        rising, roots = PchipInterpolator(roots, rising)(fine), fine
    impacts = tuple(load.impact(float(root) ** 3) for root in roots)
    return Line(impacts, tuple(float(dose) for dose in rising))


def _budgets(tops: Sequence[float]) -> list[float]:
    """Return ascending budgets, up to the highest impact of each load."""
    if len(tops) == 1:
        return _row(tops[0], _POINTS) + [tops[0] * end for end in _ENDS]
    budgets = _row(max(tops), _POINTS_SEVERAL)
    last = float("inf")
    for top in sorted(tops, reverse=True):
        end = top * _ENDS[0]
        if last > end * _NEAR:
            budgets.append(end)
            last = end
    return sorted(budgets)


def _row(top: float, count: int) -> list[float]:
    """Return budgets below that of the highest impact: dense near 0, where the curve bends."""
    return [top * (at / count) ** 3 for at in range(1, count)]


def _highest_extra(levels: Iterable[Level]) -> float:
    """Return the highest observed impact over the background, between 1e-4 and 0.98."""
    rates = [level.k / level.n for level in levels]
    zero = min(rates[0], 0.99)
    highest = max((rate - zero) / (1 - zero) for rate in rates)
    return min(max(highest, 1e-4), 0.98)
