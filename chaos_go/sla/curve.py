"""The averaged curve and its band, for pictures.

The curve is made of answers: for a row of budgets up to the highest impact that was observed, the
dose at which the extra impact equals the budget. So the band crosses each budget exactly in the
interval that `back_calculate` gives for it, and the families are those that were averaged.
"""

from collections.abc import Sequence

from chaos_go.sla.answer import Load
from chaos_go.sla.latency import per_load
from chaos_go.sla.observations import Level, Observations
from chaos_go.sla.solve import back_calculate

_POINTS, _POINTS_SEVERAL = 9, 6  # a fit of several loads takes seconds
_NEAR = 1.2  # times: the end of the curve of a load is at that of another
# Of the highest observed impact; the averaged curve may get there somewhat beyond the last dose,
# and an estimate there would be an extrapolation.
_ENDS = (0.93, 0.999)


def curves(observations: Observations, confidence: float) -> tuple[Load, ...]:
    """Give, for each load, the thresholds of a row of rising budgets.

    Args:
        observations: what was measured.
        confidence: of the band.
    """
    tops = [_highest_extra(levels) for levels in observations.by_load().values()]
    return per_load(back_calculate(observations, _budgets(tops), confidence))


def _budgets(tops: Sequence[float]) -> list[float]:
    """Return rising budgets, up to the highest impact of each load."""
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
    """Return budgets below that of the highest impact: dense near 0, where the curve bends."""
    return [top * (at / points) ** 3 for at in range(1, points)]


def _highest_extra(levels: Sequence[Level]) -> float:
    """Return the highest impact over the background observed; a little if there is none."""
    zero = min(levels[0].k / levels[0].n, 0.99)
    highest = max((level.k / level.n - zero) / (1 - zero) for level in levels)
    return min(max(highest, 1e-4), 0.98)
