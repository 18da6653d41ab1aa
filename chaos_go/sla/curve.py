"""The averaged curve and its band, for pictures.

The curve is made of answers: for a row of budgets up to the highest impact that was observed, the
dose at which the extra impact equals the budget. So the band crosses each budget exactly in the
interval that `back_calculate` gives for it, and the families are those that were averaged.
"""

from chaos_go.sla.answer import Load
from chaos_go.sla.latency import by_load, per_load
from chaos_go.sla.observations import Observations
from chaos_go.sla.solve import back_calculate

_POINTS = 20


def curves(observations: Observations, confidence: float) -> tuple[Load, ...]:
    """Give, for each load, the thresholds of a row of rising budgets.

    Args:
        observations: what was measured.
        confidence: of the band.
    """
    top = max(_highest_extra(observations), 1e-4)
    # Closer together near the background, where the curve bends.
    budgets = [top * (at / _POINTS) ** 2 for at in range(1, _POINTS + 1)]
    return per_load(back_calculate(observations, budgets, confidence))


def _highest_extra(observations: Observations) -> float:
    """Give the highest impact over the background that was observed, at most 98 %."""
    highest = 0.0
    for levels in by_load(observations).values():
        zero = levels[0].k / levels[0].n
        if zero < 1:
            highest = max(*((level.k / level.n - zero) / (1 - zero) for level in levels), highest)
    return min(highest, 0.98)
