"""The averaged curve and its band, for pictures.

The curve is drawn through answers: for many budgets, up to the highest observed impact, it takes
the dose at which the extra impact equals the budget. So the band crosses each budget exactly in
the interval that `back_calculate` gives for it, and its families are those that were averaged.
"""

from collections.abc import Sequence

from chaos_go.sla.answer import Load
from chaos_go.sla.latency import per_load
from chaos_go.sla.observations import Level, Observations
from chaos_go.sla.solve import back_calculate

_POINTS, _POINTS_SEVERAL = 9, 6  # a fit of several loads takes seconds
_NEAR = 1.2  # within this factor the curves of two loads end at the same budget
# The curve ends at these fractions of the highest observed impact. The averaged curve may reach
# that impact only beyond the last dose, where an estimate would be an extrapolation.
_ENDS = (0.93, 0.999)


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
    return per_load(back_calculate(observations, _budgets(tops), confidence))


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


def _row(top: float, points: int) -> list[float]:
    """Return budgets below the highest impact: dense near 0, where the curve bends."""
    return [top * (at / points) ** 3 for at in range(1, points)]


def _highest_extra(levels: Sequence[Level]) -> float:
    """Return the highest observed impact over the background, between 1e-4 and 0.98."""
    zero = min(levels[0].k / levels[0].n, 0.99)
    highest = max((level.k / level.n - zero) / (1 - zero) for level in levels)
    return min(max(highest, 1e-4), 0.98)
